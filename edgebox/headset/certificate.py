"""The certificate browsers on the access point are shown, and when it is time to worry.

The best is one of a public authority for the name that every vehicle has in common: no device
needs to be told anything. The key is made on the box and never leaves it; the hub has the request
signed (DNS-01, docs/headset.md) and sends the chain down. It is kept: a box without the hub goes on
with it until it ends. Where there is none that is good, the fleet's own stands in.

`half`: more than half of the certificate's time is over. The hub renews earlier than that, so
something is wrong, and there is still as much time again to put it right.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.host.files import write_whole
from edgebox.messages.headset import CertificateStatus

Kind = Literal["public", "fleet"]
KEY_MODE, FILE_MODE = 0o600, 0o644


@dataclass(frozen=True, slots=True)
class Credential:
    """A chain and its key, as files."""

    kind: Kind
    chain: Path
    key: Path


def choose(credentials: Sequence[Credential], name: str, now_utc: float) -> Credential | None:
    """The first that is good now; else the one that ended last; None if none can be used."""
    usable = [(one, found) for one in credentials if (found := _read(one, name)) is not None]
    good = [one for one, found in usable if _begins(found) <= now_utc < _ends(found)]
    if good:
        return good[0]
    return max(usable, key=lambda pair: _ends(pair[1]), default=(None, None))[0]


def status(credential: Credential | None, name: str, now_utc: float) -> CertificateStatus:
    """For the panel."""
    found = _read(credential, name) if credential is not None else None
    if credential is None or found is None:
        return CertificateStatus(name=name)
    begins, ends = _begins(found), _ends(found)
    state: Literal["good", "half", "expired"] = "good"
    if not begins <= now_utc < ends:
        state = "expired"
    elif now_utc - begins > (ends - begins) / 2:
        state = "half"
    return CertificateStatus(kind=credential.kind, state=state, until_utc=ends, name=name)


def load_into(context: ssl.SSLContext, credential: Credential) -> None:
    """Shown from the next connection on. Raises DeviceError."""
    try:
        context.load_cert_chain(credential.chain, credential.key)
    except (OSError, ssl.SSLError) as error:
        raise DeviceError(f"{credential.chain}: cannot be used: {error}") from error


class PublicCredential:
    """Key, request and chain in a directory of the service's own."""

    def __init__(self, directory: Path, names: Sequence[str]):
        """`names`: the fleet's name first, then the box's own."""
        self._names = list(names)
        self.credential = Credential("public", directory / "tls.pem", directory / "tls.key")

    def request(self) -> str:
        """The signing request (PKCS 10, RFC 2986), PEM; makes the key if there is none."""
        key = self._key()
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in self._names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._names[0][:64])])
        built = x509.CertificateSigningRequestBuilder().subject_name(subject)
        signed = built.add_extension(names, critical=False).sign(key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def take(self, chain: str) -> bool:
        """Keep what the hub sent; False if it is what is kept already.

        Raises RemoteProtocolError if it is no chain for our key and our name, or is older.
        """
        try:
            found = x509.load_pem_x509_certificates(chain.encode())[0]
            fits = _public(found.public_key()) == _public(self._key().public_key())
        except ValueError as error:
            raise RemoteProtocolError(f"not a certificate: {error}") from error
        if not fits:
            raise RemoteProtocolError("the certificate is for another key")
        if not _covers(found, self._names[0]):
            raise RemoteProtocolError(f"the certificate is not for {self._names[0]}")
        kept = _read(self.credential, self._names[0])
        if kept is not None and _ends(kept) >= _ends(found):
            return False
        write_whole(self.credential.chain, chain.encode(), mode=FILE_MODE)
        return True

    def _key(self) -> ec.EllipticCurvePrivateKey:
        path = self.credential.key
        try:
            found = serialization.load_pem_private_key(path.read_bytes(), None)
        except (FileNotFoundError, ValueError):
            pass
        else:
            if isinstance(found, ec.EllipticCurvePrivateKey):
                return found
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_whole(path, pem, mode=KEY_MODE)
        return made


def _read(credential: Credential, name: str) -> x509.Certificate | None:
    """The certificate itself, if it and its own key are there and it is for this name."""
    try:
        found = x509.load_pem_x509_certificates(credential.chain.read_bytes())[0]
        key = serialization.load_pem_private_key(credential.key.read_bytes(), None)
        is_its_own = key.public_key() == found.public_key()
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return found if is_its_own and _covers(found, name) else None


def _covers(certificate: x509.Certificate, name: str) -> bool:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return False
    listed = extension.value.get_values_for_type(x509.DNSName)
    return name in listed or f"*.{name.partition('.')[2]}" in listed


def _begins(certificate: x509.Certificate) -> float:
    return certificate.not_valid_before_utc.timestamp()


def _ends(certificate: x509.Certificate) -> float:
    return certificate.not_valid_after_utc.timestamp()


def _public(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, form)


def words(found: CertificateStatus, now_utc: float) -> str:
    """For the technician: empty if there is nothing to say."""
    until = datetime.fromtimestamp(found.until_utc, UTC).strftime("%Y-%m-%d")
    match found.state:
        case "good" | "off":
            return ""
        case "half":
            return f"the certificate for {found.name} was not renewed in time; it ends on {until}"
        case "expired":
            return f"the certificate for {found.name} ended on {until}, or the clock is wrong"
        case "missing":
            return f"there is no certificate for {found.name}: headsets cannot connect"
