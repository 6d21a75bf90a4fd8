"""Byte layout of what the two bonds say to each other. Tables: docs/PROTOCOL.md.

A CONTROL packet holds items, each a kind, a length and its content; items of a later version are
skipped, and padding ends them.
"""

import struct
from typing import NamedTuple

from edgebox.bond.wire import Kind
from edgebox.errors import RemoteProtocolError

CONTROL_SIZE = 6
ACK_SIZE = 25

_CONTROL = struct.Struct("!BBI")
_ACK = struct.Struct("!BIQIII")
_FLOW = struct.Struct("!I")
_USE = struct.Struct("!BB")
_TOKEN = struct.Struct("!8s")
_PROBE = struct.Struct("!II")
_ECHO = struct.Struct("!III")
_LOAD = struct.Struct("!IIB")


class Ack(NamedTuple):
    """What has arrived on one link."""

    link: int
    highest: int
    """Highest packet number seen, low 32 bits."""
    bitmap: int
    """Bit i: packet `highest - 1 - i` has arrived."""
    received_us: int
    """When `highest` arrived, receiver's clock."""
    bytes_total: int
    """Outer UDP payload bytes authenticated on this link so far, modulo 2^32."""
    packets_total: int


class FlowRefused(NamedTuple):
    """The far end will not serve this flow: destination not allowed, or too many flows."""

    flow: int


class FlowUnknown(NamedTuple):
    """The far end has forgotten where this flow goes: announce it again."""

    flow: int


class LinkUse(NamedTuple):
    """The box says how a link shall be used; the hub keeps to it in its own direction."""

    link: int
    use: int
    """path.Use: 0 ordinary, 1 reserve, 2 last, 3 closed."""


class PathChallenge(NamedTuple):
    """Whoever reads this at the link's address sends it back: RFC 9000, 8.2."""

    token: bytes
    """8 bytes nobody can guess."""


class PathResponse(NamedTuple):
    """A challenge, sent back."""

    token: bytes


class LinkProbe(NamedTuple):
    """Of a test of the link it comes on: echo it there at once."""

    test: int
    number: int
    """Counts from 0."""


class LinkEcho(NamedTuple):
    """A probe has come."""

    test: int
    number: int
    seen: int
    """Probes of this test that have come so far, this one included."""


class LoadAsked(NamedTuple):
    """The box wants to know how fast the link it comes on is towards it."""

    test: int
    size: int
    """Bytes it would take, IP headers included; 0: no more."""


class LoadState(NamedTuple):
    """What becomes of it."""

    test: int
    size: int
    """Bytes granted; never more are sent."""
    state: int
    """LOAD_REFUSED, LOAD_RUNS, LOAD_FILLED or LOAD_ENDED."""


TestItem = LinkProbe | LinkEcho | LoadAsked | LoadState
Item = Ack | FlowRefused | FlowUnknown | LinkUse | PathChallenge | PathResponse | TestItem
LOAD_REFUSED, LOAD_RUNS, LOAD_FILLED, LOAD_ENDED = range(4)
"""FILLED: it is over, and the link was full. ENDED: it is over, and it never was."""


class Control(NamedTuple):
    """Acknowledgements and notices between the two bonds; never forwarded."""

    sent_us: int
    eliciting: bool
    """The sender wants an acknowledgement: a ping."""
    items: tuple[Item, ...]


ITEM_PADDING, ITEM_ACK, ITEM_REFUSED, ITEM_UNKNOWN = 0, 1, 2, 3
ITEM_USE, ITEM_CHALLENGE, ITEM_RESPONSE = 16, 17, 18
ITEM_PROBE, ITEM_ECHO, ITEM_LOAD_ASKED, ITEM_LOAD_STATE = 32, 33, 34, 35
_LAYOUTS: dict[type[Item], tuple[int, struct.Struct]] = {
    Ack: (ITEM_ACK, _ACK),
    FlowRefused: (ITEM_REFUSED, _FLOW),
    FlowUnknown: (ITEM_UNKNOWN, _FLOW),
    LinkUse: (ITEM_USE, _USE),
    PathChallenge: (ITEM_CHALLENGE, _TOKEN),
    PathResponse: (ITEM_RESPONSE, _TOKEN),
    LinkProbe: (ITEM_PROBE, _PROBE),
    LinkEcho: (ITEM_ECHO, _ECHO),
    LoadAsked: (ITEM_LOAD_ASKED, _PROBE),
    LoadState: (ITEM_LOAD_STATE, _LOAD),
}


def encode_control(sent_us: int, *, eliciting: bool, items: list[Item], pad_to: int = 0) -> bytes:
    """Body of a CONTROL packet, padded to at least `pad_to` bytes."""
    parts = [_CONTROL.pack(Kind.CONTROL, int(eliciting), sent_us)]
    for item in items:
        kind, body = _encode_item(item)
        parts.append(bytes((kind, len(body))) + body)
    return b"".join(parts).ljust(pad_to, b"\0")


def _encode_item(item: Item) -> tuple[int, bytes]:
    kind, layout = _LAYOUTS[type(item)]
    return kind, layout.pack(*item)


def decode_control(body: bytes) -> Control:
    """Body of a CONTROL packet. Raises RemoteProtocolError."""
    if len(body) < _CONTROL.size:
        raise RemoteProtocolError("short control header")
    _, flags, sent_us = _CONTROL.unpack_from(body)
    items: list[Item] = []
    at = _CONTROL.size
    while at < len(body) and body[at] != ITEM_PADDING:
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise RemoteProtocolError("short control item")
        kind, content = body[at], body[at + 2 : at + 2 + body[at + 1]]
        at += 2 + len(content)
        item = _decode_item(kind, content)
        if item is not None:
            items.append(item)
    return Control(sent_us, bool(flags & 1), tuple(items))


def _decode_item(kind: int, content: bytes) -> Item | None:
    """None for an item of a later version: skipped."""
    try:
        if kind == ITEM_ACK:
            return Ack(*_ACK.unpack(content))
        if kind == ITEM_REFUSED:
            return FlowRefused(*_FLOW.unpack(content))
        if kind == ITEM_UNKNOWN:
            return FlowUnknown(*_FLOW.unpack(content))
        if kind == ITEM_USE:
            return LinkUse(*_USE.unpack(content))
        if kind == ITEM_CHALLENGE:
            return PathChallenge(*_TOKEN.unpack(content))
        if kind == ITEM_RESPONSE:
            return PathResponse(*_TOKEN.unpack(content))
        if kind == ITEM_PROBE:
            return LinkProbe(*_PROBE.unpack(content))
        if kind == ITEM_ECHO:
            return LinkEcho(*_ECHO.unpack(content))
        if kind == ITEM_LOAD_ASKED:
            return LoadAsked(*_PROBE.unpack(content))
        if kind == ITEM_LOAD_STATE:
            return LoadState(*_LOAD.unpack(content))
    except struct.error as error:
        raise RemoteProtocolError("control item of a wrong size") from error
    return None
