"""What sdc_process.py and its owner say to each other.

Towards the process: one line of JSON (`Task`) on its standard input, which then stays open; when it
closes, the process ends. From it, on standard output, frames:

    length      4 bytes, big-endian, of what follows; at most FRAME_MAX
    report      MessagePack of `Report`
"""

import struct
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edgebox.errors import RemoteProtocolError
from edgebox.observation import BATCH_MAX_BYTES

FRAME_MAX = BATCH_MAX_BYTES
HEAD = struct.Struct(">I")


class Task(Struct, frozen=True):
    """Which device, from where, as whom; files are absolute paths."""

    device: str
    identity: str
    interface: str
    ca: str
    certificate: str
    private_key: str
    waves: bool


class Report(Struct, frozen=True, array_like=True):
    """`searching`: it is not there yet. `connected`: subscribed. `data`: it said something."""

    what: Literal["searching", "connected", "data"]
    text: Annotated[str, Meta(max_length=200)] = ""
    """For the technician; of `connected` the maker and model."""
    content: bytes = b""
    """`edgebox.observation.pack`."""
    readable: int = 0
    damaged: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Report)


def frame(report: Report) -> bytes:
    """One report as it goes over the pipe."""
    body = _encoder.encode(report)
    return HEAD.pack(len(body)) + body


def length(head: bytes) -> int:
    """Of the report behind a head of four bytes. Raises RemoteProtocolError."""
    (size,) = HEAD.unpack(head)
    if not 0 < size <= FRAME_MAX:
        raise RemoteProtocolError("a report of a length that cannot be")
    return int(size)


def read(body: bytes) -> Report:
    """Raises RemoteProtocolError."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise RemoteProtocolError(f"not a report: {error}") from error
