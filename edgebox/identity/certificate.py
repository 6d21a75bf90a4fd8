"""Certificates of a fleet: the authority's own, and those it issues. RFC 5280.

The extensions are those that OpenSSL's strict check (X509_V_FLAG_X509_STRICT) asks for.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgebox.errors import RemoteProtocolError
from edgebox.identity.request import spki

AUTHORITY_DAYS = 3650
BACKDATE = datetime.timedelta(days=1)
"""A box's clock may be behind."""

Purpose = Literal["client", "server"]


@dataclass(frozen=True)
class Authority:
    """Who signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_authority(key: ec.EllipticCurvePrivateKey, name: str, now_utc: float) -> Authority:
    """Self-signed; signs nothing but ends (path length 0)."""
    subject = full_name(name)
    certificate = (
        _builder(subject, subject, key.public_key(), key.public_key(), now_utc, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def issue(
    authority: Authority,
    key: ec.EllipticCurvePublicKey,
    common_name: str,
    *,
    purpose: Purpose,
    now_utc: float,
    days: int,
    names: Sequence[str] = (),
    unit: str = "",
) -> x509.Certificate:
    """`client`: a box (common name is its id) or a person (`unit`: role). `server`: the hub, whose
    `names` are what clients know it by: host names and IP addresses."""
    is_server = purpose == "server"
    usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    subject = full_name(common_name, unit)
    issuer = authority.certificate.subject
    builder = (
        _builder(subject, issuer, key, authority.key.public_key(), now_utc, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if names:
        alternatives = x509.SubjectAlternativeName(general_names(names))
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> str:
    """RFC 7468."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def check_issued(
    certificate: str, authority: str, key: ec.EllipticCurvePublicKey, box: str
) -> x509.Certificate:
    """That the authority certified this key as this box. Raises RemoteProtocolError."""
    try:
        issued = x509.load_pem_x509_certificate(certificate.encode())
        signer = x509.load_pem_x509_certificate(authority.encode())
        issued.verify_directly_issued_by(signer)
        found = issued.public_key()
    except (
        ValueError,
        TypeError,
        InvalidSignature,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
    ) as error:
        raise RemoteProtocolError("the certificate is not the authority's") from error
    if issued.subject != full_name(box):
        raise RemoteProtocolError("the certificate names another box")
    if not isinstance(found, ec.EllipticCurvePublicKey) or spki(found) != spki(key):
        raise RemoteProtocolError("the certificate is for another key")
    return issued


def past_half(certificate: x509.Certificate, now_utc: float) -> bool:
    """Whether it is time for the next one."""
    begins = certificate.not_valid_before_utc.timestamp()
    ends = certificate.not_valid_after_utc.timestamp()
    return now_utc >= (begins + ends) / 2


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now_utc: float,
    days: int,
) -> x509.CertificateBuilder:
    now = datetime.datetime.fromtimestamp(now_utc, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
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


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Host names and IP addresses as in SubjectAlternativeName (RFC 5280, 4.2.1.6)."""
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def full_name(common_name: str, unit: str = "") -> x509.Name:
    """Of an authority, a box or a person. `unit`: OU; empty: none."""
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
