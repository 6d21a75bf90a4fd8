"""The fleet's authority: whose certificate is it, and may it speak for what it claims to be.

Certificates are P-256, signed by the authority itself without anything in between (RFC 5280). A
box's common name is its id. Who signs the registry has the organisational unit `registry`: a
stolen box, whose certificate is as good as any other box's, must not be able to write it.
"""

import warnings
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from edgebox.errors import RemoteProtocolError

CERTIFICATE_MAX = 2048
"""Bytes of DER; ours have about 500."""
REGISTRY_UNIT = "registry"


@dataclass(frozen=True)
class Holder:
    """Who a certificate names."""

    name: str
    unit: str
    key: ec.EllipticCurvePublicKey
    begins_utc: float
    ends_utc: float

    def check_time(self, at_utc: float) -> None:
        """Raises RemoteProtocolError unless the certificate is valid at that time."""
        if not self.begins_utc <= at_utc < self.ends_utc:
            raise RemoteProtocolError("certificate not valid at that time")


class Authority:
    """Checks certificates against the fleet's."""

    def __init__(self, certificate: x509.Certificate):
        self._certificate = certificate
        self.der = certificate.public_bytes(Encoding.DER)

    def holder(self, der: bytes) -> Holder:
        """Whom this certificate names; its time is not looked at. Raises RemoteProtocolError."""
        if len(der) > CERTIFICATE_MAX:
            raise RemoteProtocolError("certificate too large")
        try:
            certificate = _load(der)
            certificate.verify_directly_issued_by(self._certificate)
            key = certificate.public_key()
            names = _values(certificate, NameOID.COMMON_NAME)
            units = _values(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME)
            begins = certificate.not_valid_before_utc.timestamp()
            ends = certificate.not_valid_after_utc.timestamp()
        except (
            ValueError,
            TypeError,
            InvalidSignature,
            UnsupportedAlgorithm,
            x509.InvalidVersion,
        ) as error:
            raise RemoteProtocolError("not a certificate of this fleet") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or len(names) != 1 or len(units) > 1:
            raise RemoteProtocolError("a certificate of another kind")
        return Holder(names[0], "".join(units), key, begins, ends)


def _load(der: bytes) -> x509.Certificate:
    # What is only warned of, such as a serial number below one, is none of ours.
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def _values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    return [
        value.value
        for value in certificate.subject.get_attributes_for_oid(oid)
        if isinstance(value.value, str)
    ]
