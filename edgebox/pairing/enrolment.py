"""Enrolment: fleet staff show a code, the device answers with its key. Once for each device.

The code, as text in a QR: `EDGE1:<22 characters>:<43 characters>`: a ticket of 128 random bits,
good once and for 15 minutes, and the SHA-256 of the fleet authority's certificate (DER). So the
device learns by the way of the picture, which nobody else writes on, whom it may believe. The
device signs the transcript ("edgebox pairing enrol 1", ticket): it does hold the key.
"""

import hashlib
import re

from edgebox.errors import RemoteProtocolError
from edgebox.messages.pairing import Enrol
from edgebox.pairing import keys

CONTEXT = "edgebox pairing enrol 1"
TICKET_S = 900.0
TICKET_SIZE = 16
TEXT = re.compile(r"EDGE1:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})")


def code(ticket: str, authority_der: bytes) -> str:
    """The text of the QR."""
    return f"EDGE1:{ticket}:{keys.encode(hashlib.sha256(authority_der).digest())}"


def check(enrol: Enrol) -> tuple[str, bytes]:
    """Device id and short point of a device that holds its key. Raises RemoteProtocolError."""
    key = keys.load_point(keys.decode(enrol.key, 65))
    signature = keys.decode(enrol.signature, keys.SIGNATURE_SIZE)
    if not keys.is_signed(key, signature, keys.transcript(CONTEXT, enrol.ticket)):
        raise RemoteProtocolError("signature does not fit")
    return keys.device_id(key), keys.short_point(key)
