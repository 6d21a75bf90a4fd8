"""The box's key and its certificate request. P-256, SHA-256; PKCS 8 and PKCS 10 in PEM."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgebox.errors import RemoteProtocolError

REQUEST_MAX = 8192


def make_key() -> ec.EllipticCurvePrivateKey:
    """A fresh one; it never leaves the box."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS 8 without a password: the file's mode guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def make_request(key: ec.EllipticCurvePrivateKey, box: str) -> str:
    """PEM; signed with the key, which proves that whoever asks has it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, box)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def key_of(request: str) -> ec.EllipticCurvePublicKey:
    """The public key of a request. Raises RemoteProtocolError."""
    if len(request) > REQUEST_MAX:
        raise RemoteProtocolError("certificate request: too long")
    try:
        parsed = x509.load_pem_x509_csr(request.encode())
        key = parsed.public_key()
        is_signed = parsed.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise RemoteProtocolError("certificate request: not readable") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise RemoteProtocolError("certificate request: the key is not P-256")
    if not is_signed:
        raise RemoteProtocolError("certificate request: not signed with its own key")
    return key


def spki(key: ec.EllipticCurvePublicKey) -> bytes:
    """DER SubjectPublicKeyInfo (RFC 5280, 4.1.2.7): what a key is compared by."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign(key: ec.EllipticCurvePrivateKey, text: str) -> str:
    """ECDSA with SHA-256, DER in hex."""
    return key.sign(text.encode(), ec.ECDSA(hashes.SHA256())).hex()


def is_signed(key: ec.EllipticCurvePublicKey, text: str, signature: str) -> bool:
    """Whether the owner of the key signed the text."""
    try:
        key.verify(bytes.fromhex(signature), text.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
