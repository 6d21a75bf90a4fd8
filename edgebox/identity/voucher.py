"""The one-time voucher that turns a fresh box into a vehicle's.

As text, on paper, in a QR code or in a file on a USB stick:

    https://hub.example.org/enrol#ambulance-7.mzxw6ytboi4tqmjsgaztcmzvge

The part after `#` is the box id and 128 secret bits in base32 (RFC 4648, lower case, no padding).
It never travels: both ends prove by HMAC-SHA-256 that they have it. So neither somebody on the
way, nor a false hub, can have a key of their own certified or their own authority believed, with
or without TLS below.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

from edgebox.errors import RemoteProtocolError

SECRET_BYTES = 16
TEXT_MAX = 400
_FORM = re.compile(
    r"(?P<hub>https://[^/\s#]+|http://(?:127\.0\.0\.1|localhost)(?::[0-9]+)?)/enrol"
    r"#(?P<box>[a-z0-9][a-z0-9-]{0,31})\.(?P<secret>[a-z2-7]{26})"
)


class Voucher(NamedTuple):
    """What the text holds."""

    hub: str
    """Base address of the hub's web side, without a slash at its end."""
    box: str
    secret: bytes

    def text(self) -> str:
        """As people carry it."""
        digits = base64.b32encode(self.secret).decode().rstrip("=").lower()
        return f"{self.hub}/enrol#{self.box}.{digits}"


def draw(hub: str, box: str) -> Voucher:
    """A new one."""
    return Voucher(hub, box, secrets.token_bytes(SECRET_BYTES))


def parse(text: str) -> Voucher:
    """From the text, blanks around it ignored. Raises RemoteProtocolError; it never quotes it."""
    found = _FORM.fullmatch(text.strip()) if len(text) <= TEXT_MAX else None
    if found is None:
        raise RemoteProtocolError(
            "not a voucher: it looks like https://hub.example.org/enrol#ambulance-7.mzxw6..."
        )
    try:
        secret = base64.b32decode(found["secret"].upper() + "=" * 6)
    except binascii.Error as error:
        raise RemoteProtocolError("not a voucher: a character of it is wrong") from error
    return Voucher(found["hub"], found["box"], secret)


def prove(secret: bytes, what: str, *parts: str) -> str:
    """HMAC-SHA-256 in hex over the purpose and the parts, each with its length before it."""
    mac = hmac.new(secret, digestmod=hashlib.sha256)
    for part in (what, *parts):
        data = part.encode()
        mac.update(len(data).to_bytes(4, "big") + data)
    return mac.hexdigest()


def is_proved(proof: str, secret: bytes, what: str, *parts: str) -> bool:
    """Whether somebody who has the secret said these parts."""
    return hmac.compare_digest(proof.encode(), prove(secret, what, *parts).encode())
