"""P-256 keys and signatures as WebCrypto has them, and what exactly is signed.

A public key is a point: 65 bytes 04 | x | y, or 33 bytes compressed (SEC 1, 2.3.3). A signature is
64 bytes r | s (IEEE P1363; WebCrypto, "ECDSA"), over SHA-256. In JSON both are base64url without
padding (RFC 4648, 5).

What is signed is a `transcript`: a context, which no two kinds of statement share, and fields,
each with its length, so that no other fields give the same bytes.
"""

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from edgebox.errors import RemoteProtocolError

SIGNATURE_SIZE = 64
NONCE_SIZE = 32
DEVICE_ID = re.compile(r"[0-9a-f]{32}")
_COORDINATE = 32
_TEXT = re.compile(r"[A-Za-z0-9_-]*")


def transcript(context: str, *fields: str | bytes | int) -> bytes:
    """Context and fields, each as 4 bytes length (big-endian) and its bytes.

    Text is UTF-8, a number its decimal digits.
    """
    parts = []
    for field in (context, *fields):
        data = field if isinstance(field, bytes) else str(field).encode()
        parts.append(len(data).to_bytes(4, "big") + data)
    return b"".join(parts)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str, size: int | None = None) -> bytes:
    """Undo `encode`. Raises RemoteProtocolError; also when it is not `size` bytes."""
    if not _TEXT.fullmatch(text):
        raise RemoteProtocolError("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise RemoteProtocolError("not base64url") from error
    if encode(data) != text:
        raise RemoteProtocolError("not the only way to write these bytes")
    if size is not None and len(data) != size:
        raise RemoteProtocolError(f"{len(data)} bytes where {size} belong")
    return data


def load_point(point: bytes) -> ec.EllipticCurvePublicKey:
    """A public key, compressed or not. Raises RemoteProtocolError."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise RemoteProtocolError("no point of P-256") from error


def short_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """33 bytes, as the registry has it."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


def device_id(key: ec.EllipticCurvePublicKey) -> str:
    """Name of a device: the first half of SHA-256 of its long point, 32 hex digits.

    Nobody can take another's name, and it says nothing about person or vehicle.
    """
    point = key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return hashlib.sha256(point).hexdigest()[:32]


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """64 bytes r | s."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")


def is_signed(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether that key signed it."""
    if len(signature) != SIGNATURE_SIZE:
        return False
    r = int.from_bytes(signature[:_COORDINATE], "big")
    s = int.from_bytes(signature[_COORDINATE:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
