"""Certificates of a fleet, for laptop and lab only: the authority's key lies beside what it signs.

    ca.pem ca.key            the fleet's certificate authority
    hub.pem hub.key          the hub; its common name is the first of its names
    <box id>.pem <box id>.key    a box; its common name is the box id
    registry.pem registry.key    who signs the list of headsets: `registry` as unit (OU)

People have an authority of their own, in a directory of their own (`staff_credentials`):

    ca.pem ca.key            the staff authority
    <file>.pem <file>.key    a person: common name, and `fleet` or `technician` as unit (OU)
    <file>.p12               the same for a browser, under the password `demo`

P-256 with SHA-256; keys are PKCS 8 PEM without a password, mode 0600.
"""

import datetime
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from edgebox.host.daemons import TlsFiles
from edgebox.host.files import write_whole
from edgebox.identity.certificate import Authority, full_name, general_names, issue, make_authority
from edgebox.identity.certificate import pem as certificate_pem
from edgebox.identity.request import key_pem, make_key

CERTIFICATE_DAYS = 397
RENEW_DAYS = 30
"""A certificate that lasts shorter than this is made anew."""
P12_PASSWORD = "demo"  # noqa: S105 - said aloud: browsers take no bundle without one
FLEET = "Edge box lab fleet"
STAFF = "Edge box lab staff"


def hub_credentials(directory: Path, names: Sequence[str]) -> TlsFiles:
    """The hub's files, made when missing, near their end or for other names.

    `names`: host names and IP addresses clients know it by, at least one.
    """
    return _credentials(directory, "hub", _authority(directory, FLEET), names[0], names=names)


def box_credentials(directory: Path, box: str) -> TlsFiles:
    """A box's files, made when missing or near their end."""
    if box in {"hub", "ca", "registry"}:
        raise ValueError(f"a box cannot be called {box}: its files would be the {box}'s")
    return _credentials(directory, box, _authority(directory, FLEET), box)


def registry_credentials(directory: Path) -> TlsFiles:
    """Files of who signs the list of headsets (edgebox.pairing.registry)."""
    # No box can be called this: the name opens nothing where boxes are let in.
    authority = _authority(directory, FLEET)
    return _credentials(directory, "registry", authority, "Headset registry", unit="registry")


def staff_credentials(directory: Path, file: str, name: str, unit: str) -> TlsFiles:
    """A person's files, made when missing or near their end. `unit`: `fleet` or `technician`.

    `directory` is the staff authority's own. `<file>.p12` is for the person's browser.
    """
    authority = _authority(directory, STAFF)
    files = _credentials(directory, file, authority, name, unit=unit)
    person = _pair(files.certificate, files.private_key)
    if person is not None:
        bundle = pkcs12.serialize_key_and_certificates(
            name.encode(),
            person.key,
            person.certificate,
            [authority.certificate],
            serialization.BestAvailableEncryption(P12_PASSWORD.encode()),
        )
        write_whole(directory / f"{file}.p12", bundle, mode=0o600)
    return files


def _credentials(
    directory: Path,
    file: str,
    authority: Authority,
    common_name: str,
    *,
    unit: str = "",
    names: Sequence[str] = (),
) -> TlsFiles:
    """`names`: it is a server, known by these."""
    found = TlsFiles(directory / "ca.pem", directory / f"{file}.pem", directory / f"{file}.key")
    if not _is_good(found, authority, full_name(common_name, unit), names):
        key = make_key()
        certificate = issue(
            authority,
            key.public_key(),
            common_name,
            purpose="server" if names else "client",
            now_utc=time.time(),
            days=CERTIFICATE_DAYS,
            names=names,
            unit=unit,
        )
        write_whole(found.private_key, key_pem(key), mode=0o600)
        write_whole(found.certificate, certificate_pem(certificate).encode(), mode=0o644)
    return found


def _authority(directory: Path, name: str) -> Authority:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate_file, key_file = directory / "ca.pem", directory / "ca.key"
    found = _pair(certificate_file, key_file)
    if found is not None and _lasts(found.certificate):
        return found
    made = make_authority(make_key(), name, time.time())
    write_whole(key_file, key_pem(made.key), mode=0o600)
    write_whole(certificate_file, certificate_pem(made.certificate).encode(), mode=0o644)
    return made


def _is_good(
    files: TlsFiles, authority: Authority, subject: x509.Name, names: Sequence[str]
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
        certificate.subject == subject
        and has == general_names(names)
        and issuer == wanted
        and _lasts(certificate)
    )


def _pair(certificate_file: Path, key_file: Path) -> Authority | None:
    """A certificate and its key, unless one is missing, damaged or not the other's."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return Authority(certificate, key) if certificate.public_key() == key.public_key() else None


def _lasts(certificate: x509.Certificate) -> bool:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=RENEW_DAYS)
    return certificate.not_valid_after_utc > soon
