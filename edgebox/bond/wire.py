"""Byte layout of bond packets: encode and decode, nothing else. Tables: docs/PROTOCOL.md.

Numbers are big-endian. A packet is a clear header (associated data of the seal), then the sealed
body. Times are microseconds of the sender's monotonic clock, modulo 2^32.
"""

import struct
from enum import IntEnum
from typing import NamedTuple, Protocol

from edgebox.bond.galois import PARITY_MAX
from edgebox.errors import RemoteProtocolError

VERSION = 1
HEADER_SIZE = 12
TAG_SIZE = 16
DATA_SIZE = 21
FRAGMENT_SIZE = 4
PARITY_SIZE = 19
FRAME_BITS = 64
"""Members of a parity packet are at most so far apart in sequence."""
OVERHEAD = HEADER_SIZE + DATA_SIZE + TAG_SIZE
"""Bytes a datagram grows by inside the outer UDP payload."""
IP_UDP_SIZE = 28
"""IPv4's and UDP's headers: what a small packet costs besides."""
OUTER_MAX = 1280 - 40 - 8 - 1
"""Largest outer UDP payload: below the least IPv6 MTU even with IPv6 and UDP headers."""
PAYLOAD_MAX = OUTER_MAX - OVERHEAD
"""A larger inner datagram travels in fragments."""
LINKS_MAX = 16
ANNOUNCE_MAX = 64
"""Bytes of a destination's text."""

_HEADER = struct.Struct("!BBHII")
_DATA = struct.Struct("!BBIIIHHHB")
_PARITY = struct.Struct("!BBIIQB")
_SYMBOL = struct.Struct("!HBIHHB")
_FRAGMENT = struct.Struct("!HBB")
_FIRST_BYTE = VERSION << 4

WRAP = 1 << 32
HALF = 1 << 31


class Kind(IntEnum):
    """First byte of the body."""

    DATA = 0
    CONTROL = 1
    PARITY = 2


class TrafficClass(IntEnum):
    """How a datagram is treated; two bits on the wire."""

    CONTROL = 0
    AUDIO = 1
    VIDEO = 2
    DEFAULT = 3


class Copy(IntEnum):
    """Why this copy of a datagram was sent; two bits on the wire."""

    FIRST = 0
    SECOND = 1
    RESCUE = 2
    PROBE = 3


class Header(NamedTuple):
    """The clear part: what the receiver needs to find the key and the nonce."""

    link: int
    epoch: int
    session: int
    sequence: int
    """Low 32 bits of the link's packet number."""


class Fragment(NamedTuple):
    """One piece of a datagram larger than PAYLOAD_MAX."""

    group: int
    place: int
    total: int


class Data(NamedTuple):
    """One copy of a datagram, or of a piece of one."""

    sent_us: int
    traffic_class: TrafficClass
    copy: Copy
    sequence: int
    """Bond-wide number of the datagram, low 32 bits; the same in every copy."""
    flow: int
    back: int
    """How far back in `sequence` the datagram is that should come out before this one; 0: none."""
    age: int
    """Time between acceptance and this sending, in 100 us, at most 65535."""
    frame: int
    """Video frame (or burst) of the flow, modulo 2^16."""
    place: int
    """In the frame, at most 255."""
    fragment: Fragment | None
    announce: str
    """Where the flow goes at the far end, `host:port`; empty once the far end knows."""
    payload: bytes


class Parity(NamedTuple):
    """One row of the code over the symbols of some datagrams; see encode_symbol."""

    sent_us: int
    traffic_class: TrafficClass
    base: int
    """Sequence number of the first member, low 32 bits."""
    members: int
    """Bit i: `base + i` is a member; bit 0 is set."""
    row: int
    payload: bytes

    def sequences(self) -> list[int]:
        """Of the members, low 32 bits, in order."""
        return [(self.base + i) % WRAP for i in range(FRAME_BITS) if self.members >> i & 1]


class Coded(Protocol):
    """What parity protects of a datagram."""

    @property
    def traffic_class(self) -> TrafficClass: ...
    @property
    def flow(self) -> int: ...
    @property
    def back(self) -> int: ...
    @property
    def frame(self) -> int: ...
    @property
    def place(self) -> int: ...
    @property
    def fragment(self) -> Fragment | None: ...
    @property
    def payload(self) -> bytes: ...


_FLAG_FRAGMENT, _FLAG_ANNOUNCE = 0x10, 0x20
_CLASSES = tuple(TrafficClass)
_COPIES = tuple(Copy)


def microseconds(now: float) -> int:
    """A monotonic time as it stands on the wire."""
    return int(now * 1e6) % WRAP


def difference(later: int, earlier: int) -> int:
    """Signed `later - earlier` of two 32-bit counters less than 2^31 apart."""
    return ((later - earlier + HALF) % WRAP) - HALF


def unwrap(low: int, near: int) -> int:
    """The full number with these low 32 bits that is nearest to `near`. May be negative."""
    return near + difference(low, near % WRAP)


def encode_header(link: int, epoch: int, session: int, sequence: int) -> bytes:
    """The 12 clear bytes; `sequence` may be the full 64-bit number."""
    return _HEADER.pack(_FIRST_BYTE, link, epoch, session, sequence % WRAP)


def decode_header(packet: bytes) -> Header:
    """Raises RemoteProtocolError unless this looks like a sealed packet of this version."""
    if len(packet) <= HEADER_SIZE + TAG_SIZE:
        raise RemoteProtocolError("short packet")
    first, link, epoch, session, sequence = _HEADER.unpack_from(packet)
    if first != _FIRST_BYTE or link >= LINKS_MAX:
        raise RemoteProtocolError("not a bond packet")
    return Header(link, epoch, session, sequence)


def session_of(packet: bytes) -> int:
    """The session id of a packet of any content; -1 if there is none."""
    if len(packet) <= HEADER_SIZE + TAG_SIZE or packet[0] != _FIRST_BYTE:
        return -1
    return int.from_bytes(packet[4:8], "big")


def encode_data(data: Data) -> bytes:
    """Body of a DATA packet."""
    flags = data.traffic_class | data.copy << 2
    middle = b""
    if data.fragment is not None:
        flags |= _FLAG_FRAGMENT
        middle = _FRAGMENT.pack(*data.fragment)
    if data.announce:
        flags |= _FLAG_ANNOUNCE
        text = data.announce.encode("ascii")
        middle += bytes((len(text),)) + text
    return (
        _DATA.pack(
            Kind.DATA,
            flags,
            data.sent_us,
            data.sequence % WRAP,
            data.flow,
            data.back,
            data.age,
            data.frame,
            data.place,
        )
        + middle
        + data.payload
    )


def encode_parity(parity: Parity) -> bytes:
    """Body of a PARITY packet."""
    return (
        _PARITY.pack(
            Kind.PARITY,
            parity.traffic_class,
            parity.sent_us,
            parity.base,
            parity.members,
            parity.row,
        )
        + parity.payload
    )


def encode_symbol(datagram: Coded) -> bytes:
    """What a row of the code is made over: length of the rest, then all but sequence and times."""
    flags: int = datagram.traffic_class
    middle = b""
    if datagram.fragment is not None:
        flags |= _FLAG_FRAGMENT
        middle = _FRAGMENT.pack(*datagram.fragment)
    rest = len(middle) + len(datagram.payload)
    return (
        _SYMBOL.pack(rest, flags, datagram.flow, datagram.back, datagram.frame, datagram.place)
        + middle
        + datagram.payload
    )


def decode_symbol(symbol: bytes, sequence: int, sent_us: int) -> Data:
    """A datagram out of its symbol, padded at the end. Raises RemoteProtocolError."""
    if len(symbol) < _SYMBOL.size:
        raise RemoteProtocolError("short symbol")
    rest, flags, flow, back, frame, place = _SYMBOL.unpack_from(symbol)
    end = _SYMBOL.size + rest
    if end > len(symbol) or flags & ~(3 | _FLAG_FRAGMENT) or any(symbol[end:]):
        raise RemoteProtocolError("parity does not fit what arrived")
    at = _SYMBOL.size
    fragment = None
    if flags & _FLAG_FRAGMENT:
        fragment = _decode_fragment(symbol[:end], at)
        at += FRAGMENT_SIZE
    return Data(
        sent_us, _CLASSES[flags & 3], Copy.FIRST, sequence, flow, back, 0, frame, place, fragment,
        "", symbol[at:end],
    )  # fmt: skip


def decode_data(body: bytes) -> Data:
    """Body of a DATA packet. Raises RemoteProtocolError."""
    if len(body) < DATA_SIZE:
        raise RemoteProtocolError("short data header")
    _, flags, sent_us, sequence, flow, back, age, frame, place = _DATA.unpack_from(body)
    at = DATA_SIZE
    fragment = None
    announce = ""
    if flags & _FLAG_FRAGMENT:
        fragment = _decode_fragment(body, at)
        at += FRAGMENT_SIZE
    if flags & _FLAG_ANNOUNCE:
        announce, at = _decode_announce(body, at)
    traffic_class, copy = _CLASSES[flags & 3], _COPIES[flags >> 2 & 3]
    return Data(
        sent_us, traffic_class, copy, sequence, flow, back, age, frame, place, fragment, announce,
        body[at:],
    )  # fmt: skip


def decode_parity(body: bytes) -> Parity:
    """Body of a PARITY packet. Raises RemoteProtocolError."""
    if len(body) < PARITY_SIZE + _SYMBOL.size:
        raise RemoteProtocolError("short parity")
    _, flags, sent_us, base, members, row = _PARITY.unpack_from(body)
    if not members & 1 or row >= PARITY_MAX or flags > TrafficClass.DEFAULT:
        raise RemoteProtocolError("no row of the code")
    return Parity(sent_us, _CLASSES[flags], base, members, row, body[PARITY_SIZE:])


def _decode_fragment(body: bytes, at: int) -> Fragment:
    if len(body) < at + FRAGMENT_SIZE:
        raise RemoteProtocolError("short fragment header")
    fragment = Fragment(*_FRAGMENT.unpack_from(body, at))
    if fragment.place >= fragment.total:
        raise RemoteProtocolError("fragment outside its datagram")
    return fragment


def _decode_announce(body: bytes, at: int) -> tuple[str, int]:
    size = body[at] if len(body) > at else 0
    text = body[at + 1 : at + 1 + size]
    if not 0 < size <= ANNOUNCE_MAX or len(text) != size or not _is_printable(text):
        raise RemoteProtocolError("bad announcement")
    return text.decode("ascii"), at + 1 + size


def _is_printable(text: bytes) -> bool:
    """ASCII without spaces and line ends: it is looked up and stands in logs."""
    return all(33 <= byte <= 126 for byte in text)
