"""Certificates of a fleet, for laptop and lab only: the authority's key lies beside what it signs.

    ca.pem ca.key            the fleet's certificate authority
    hub.pem hub.key          the hub; its common name is the first of its names
    <box id>.pem <box id>.key    a box; its common name is the box id
    registry.pem registry.key    who signs the list of headsets: `registry` as unit (OU)

People have an authority of their own, in a directory of their own (`staff_credentials`):

    ca.pem ca.key            the staff authority
    <file>.pem <file>.key    a person: common name, and `fleet` or `technician` as unit (OU)
    <file>.p12               the same for a browser, under the password `demo`

P-256 with SHA-256; keys are PKCS 8 PEM without a password, mode 0600. RFC 5280; the extensions
are those that OpenSSL's strict check (X509_V_FLAG_X509_STRICT) asks for.
"""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgebox.host.daemons import TlsFiles

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397
RENEW_DAYS = 30
"""A certificate that lasts shorter than this is made anew."""
P12_PASSWORD = "demo"  # noqa: S105 - said aloud: browsers take no bundle without one
BACKDATE = datetime.timedelta(days=1)
"""A box's clock may be behind."""


@dataclass(frozen=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def hub_credentials(directory: Path, names: Sequence[str]) -> TlsFiles:
    """The hub's files, made when missing, near their end or for other names.

    `names`: host names and IP addresses clients know it by, at least one.
    """
    authority = _authority(directory, FLEET)
    subject = _name(names[0])
    return _credentials(directory, "hub", authority, subject, _general_names(names), server=True)


def box_credentials(directory: Path, box: str) -> TlsFiles:
    """A box's files, made when missing or near their end."""
    if box in {"hub", "ca", "registry"}:
        raise ValueError(f"a box cannot be called {box}: its files would be the {box}'s")
    return _credentials(directory, box, _authority(directory, FLEET), _name(box), [], server=False)


def registry_credentials(directory: Path) -> TlsFiles:
    """Files of who signs the list of headsets (edgebox.pairing.registry)."""
    # No box can be called this: the name opens nothing where boxes are let in.
    subject = _name("Headset registry", "registry")
    return _credentials(
        directory, "registry", _authority(directory, FLEET), subject, [], server=False
    )


def staff_credentials(directory: Path, file: str, name: str, unit: str) -> TlsFiles:
    """A person's files, made when missing or near their end. `unit`: `fleet` or `technician`.

    `directory` is the staff authority's own. `<file>.p12` is for the person's browser.
    """
    authority = _authority(directory, STAFF)
    files = _credentials(directory, file, authority, _name(name, unit), [], server=False)
    person = _pair(files.certificate, files.private_key)
    if person is not None:
        bundle = pkcs12.serialize_key_and_certificates(
            name.encode(),
            person.key,
            person.certificate,
            [authority.certificate],
            serialization.BestAvailableEncryption(P12_PASSWORD.encode()),
        )
        _write(directory / f"{file}.p12", bundle, mode=0o600)
    return files


def _credentials(
    directory: Path,
    file: str,
    authority: _Signer,
    subject: x509.Name,
    names: list[x509.GeneralName],
    *,
    server: bool,
) -> TlsFiles:
    found = TlsFiles(directory / "ca.pem", directory / f"{file}.pem", directory / f"{file}.key")
    if not _is_good(found, authority, subject, names):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(authority, key, subject, names, server=server)
        _write(found.private_key, _pem(key), mode=0o600)
        _write(found.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return found


def _authority(directory: Path, name: x509.Name) -> _Signer:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate_file, key_file = directory / "ca.pem", directory / "ca.key"
    found = _pair(certificate_file, key_file)
    if found is not None and _lasts(found.certificate):
        return found
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(name, name, key.public_key(), key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _pem(key), mode=0o600)
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return _Signer(certificate, key)


def _sign(
    authority: _Signer,
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    names: list[x509.GeneralName],
    *,
    server: bool,
) -> x509.Certificate:
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(
            subject,
            authority.certificate.subject,
            key.public_key(),
            authority.key.public_key(),
            CERTIFICATE_DAYS,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    days: int,
) -> x509.CertificateBuilder:
    now = _now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_good(
    files: TlsFiles, authority: _Signer, subject: x509.Name, names: list[x509.GeneralName]
) -> bool:
    """Whether the files can stay as they are."""
    found = _pair(files.certificate, files.private_key)
    if found is None:
        return False
    certificate = found.certificate
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        has = list(extension.value)
    except x509.ExtensionNotFound:
        has = []
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    wanted = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        certificate.subject == subject and has == names and issuer == wanted and _lasts(certificate)
    )


def _pair(certificate_file: Path, key_file: Path) -> _Signer | None:
    """A certificate and its key, unless one is missing, damaged or not the other's."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return _Signer(certificate, key) if certificate.public_key() == key.public_key() else None


def _lasts(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc > _now() + datetime.timedelta(days=RENEW_DAYS)


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    return general


def _name(common_name: str, unit: str = "") -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


FLEET = _name("Edge box lab fleet")
STAFF = _name("Edge box lab staff")


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Whole or not at all, and never readable by others in between."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123
        file.write(data)
    new.replace(path)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
