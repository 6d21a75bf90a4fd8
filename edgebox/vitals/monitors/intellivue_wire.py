"""Philips IntelliVue Data Export messages as bytes (guide 4535 642 59271). No I/O, no state.

All numbers are big-endian. What goes over the wire, from outside in:

    SPpdu       session_id E100, p_context_id 0002
    ROapdus     ro_type (1 invoke, 2 result, 3 error, 5 linked result), length
    ROIVapdu    invoke_id, command_type, length         and RORSapdu the same
    ROLRSapdu   state (1 first, 2 between, 3 last), count, invoke_id, command_type, length
    command     ActionArgument / ActionResult / EventReportArgument, each ending in a length

Association messages are ISO session and presentation headers with fixed contents around a few
bytes of user data. Every length must fit: a message with one that does not is refused whole.
"""

import struct
from dataclasses import dataclass
from datetime import datetime, tzinfo

from edgebox.errors import RemoteProtocolError
from edgebox.observation import known_time

TICKS_PER_S = 8000
"""RelativeTime is in units of 1/8 ms and wraps around at 2^32."""

INVOKE, RESULT, ERROR, LINKED_RESULT = 1, 2, 3, 5
CONFIRMED_EVENT, CONFIRMED_SET, CONFIRMED_ACTION = 1, 5, 7
POLL, POLL_EXTENDED = 0x0C16, 0xF13B
MDS_CREATED = 0x0D06
MDS, NUMERIC, WAVE, ALERT_MONITOR = 33, 6, 9, 54
ASSOCIATE, ACCEPT, REFUSE, ABORT = 0x0D, 0x0E, 0x0C, 0x19
RELEASE, RELEASED = 0x09, 0x0A
ALL_GROUPS, GROUP_ALARMS, GROUP_IDENTITY = 0x0000, 0x0801, 0x080C
POLL_PERIOD_ATTRIBUTE = 0xF13E
WAVE_LIST_ATTRIBUTE = 0xF23A

_SESSION_DATA = bytes.fromhex("0508130100160102800014020002")
_REQUEST_PRESENTATION = bytes.fromhex(
    "3180a0808001010000a280a003000001a480308002010106045201000130800602510100000000"
    "3080020102060c2a8648ce14020100000001013080060c2a8648ce1402010000000201000000000000"
    "61803080020101a0806080a180060c2a8648ce1402010000000301 0000be802880060c2a8648ce140201"
    "0000000101 020102 81"
)
_TRAILER = bytes(16)
_RELEASE_BODY = bytes.fromhex("c11661803080020101a08062808001000000000000000000")
_RELEASED_BODY = bytes.fromhex("c11661803080020101a08063808001000000000000000000")


@dataclass(frozen=True)
class Attribute:
    """Id and bytes."""

    id: int
    value: bytes


@dataclass(frozen=True)
class Polled:
    """One object of a poll result: a numeric, a wave, the alarms."""

    context: int
    handle: int
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class PollResult:
    """An answer to a poll, one of several if they are linked."""

    poll_number: int
    sequence: int | None
    """Of an extended poll."""
    ticks: int
    absolute: bytes
    """AbsoluteTime: eight BCD bytes."""
    object_class: int
    group: int
    objects: tuple[Polled, ...]
    is_last: bool = True


@dataclass(frozen=True)
class Created:
    """The monitor says what it is and waits for a confirmation."""

    invoke_id: int
    ticks: int
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class Refusal:
    """An error instead of a result."""

    invoke_id: int
    error: int


@dataclass(frozen=True)
class Confirmed:
    """A result that says nothing more, such as of setting a list."""

    invoke_id: int


@dataclass(frozen=True)
class Association:
    """ACCEPT, REFUSE, ABORT, RELEASE or RELEASED, or ASSOCIATE as a simulator sees it."""

    kind: int
    user_data: bytes = b""


AnyMessage = PollResult | Created | Refusal | Confirmed | Association


class Cursor:
    """Reads numbers and blocks off bytes. Raises RemoteProtocolError where they end."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if count < 0 or self._at + count > len(self._data):
            raise RemoteProtocolError("a message ends too soon")
        self._at += count
        return self._data[self._at - count : self._at]

    def u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Two bytes."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Four bytes."""
        return int.from_bytes(self.take(4), "big")

    def block(self) -> "Cursor":
        """A length of two bytes and so much."""
        return Cursor(self.take(self.u16()))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise RemoteProtocolError("a length does not fit")

    @property
    def is_at_end(self) -> bool:
        """True if nothing is left."""
        return self._at == len(self._data)


def decode(data: bytes) -> AnyMessage:
    """One message. Raises RemoteProtocolError."""
    if not data:
        raise RemoteProtocolError("an empty message")
    if data[0] != 0xE1:
        return _decode_association(data)
    cursor = Cursor(data)
    if cursor.u16() != 0xE100:
        raise RemoteProtocolError("not a data export message")
    cursor.u16()
    kind = cursor.u16()
    body = cursor.block()
    cursor.end()
    if kind == INVOKE:
        return _decode_event(body)
    if kind == ERROR:
        invoke_id, error = body.u16(), body.u16()
        body.block()
        return Refusal(invoke_id, error)
    if kind not in {RESULT, LINKED_RESULT}:
        raise RemoteProtocolError(f"remote operation {kind} is not known")
    if kind == LINKED_RESULT:
        body.take(2)
    return _decode_result(body, is_last=kind == RESULT)


def _decode_association(data: bytes) -> Association:
    if data[0] not in {ASSOCIATE, ACCEPT, REFUSE, ABORT, RELEASE, RELEASED}:
        raise RemoteProtocolError(f"session message {data[0]:#04x} is not known")
    cursor = Cursor(data[1:])
    length = cursor.u8()
    if length == 0xFF:
        length = cursor.u16()
    body = cursor.take(length)
    cursor.end()
    user = b""
    if data[0] in {ASSOCIATE, ACCEPT}:
        user = _user_data(body)
    return Association(data[0], user)


def _user_data(body: bytes) -> bytes:
    """What stands after the last `02 01 02 81` and its length (ASN.1), before the trailer."""
    mark = body.rfind(b"\x02\x01\x02\x81")
    if mark < 0:
        raise RemoteProtocolError("an association without user data")
    cursor = Cursor(body[mark + 4 :])
    length = cursor.u8()
    if length & 0x80:
        length = int.from_bytes(cursor.take(length & 0x7F), "big")
    return cursor.take(length)


def _decode_event(body: Cursor) -> Created:
    invoke_id, command = body.u16(), body.u16()
    argument = body.block()
    body.end()
    if command != CONFIRMED_EVENT:
        raise RemoteProtocolError(f"the monitor asks for {command}, which is not known")
    argument.take(6)
    ticks = argument.u32()
    if argument.u16() != MDS_CREATED:
        raise RemoteProtocolError("an event that is not known")
    info = argument.block()
    argument.end()
    if info.is_at_end:
        return Created(invoke_id, ticks, ())
    info.take(6)
    attributes = _attributes(info)
    info.end()
    return Created(invoke_id, ticks, attributes)


def _decode_result(body: Cursor, *, is_last: bool) -> PollResult | Confirmed:
    invoke_id, command = body.u16(), body.u16()
    result = body.block()
    body.end()
    if command != CONFIRMED_ACTION:
        return Confirmed(invoke_id)
    result.take(6)
    action = result.u16()
    reply = result.block()
    result.end()
    if action not in {POLL, POLL_EXTENDED}:
        raise RemoteProtocolError(f"a result of {action:#06x}, which nobody asked for")
    number = reply.u16()
    sequence = reply.u16() if action == POLL_EXTENDED else None
    ticks, absolute = reply.u32(), reply.take(8)
    reply.u16()
    object_class, group = reply.u16(), reply.u16()
    objects = _poll_info(reply)
    reply.end()
    return PollResult(number, sequence, ticks, absolute, object_class, group, objects, is_last)


def _poll_info(reply: Cursor) -> tuple[Polled, ...]:
    contexts = reply.u16()
    info = reply.block()
    found: list[Polled] = []
    for _ in range(contexts):
        context, count = info.u16(), info.u16()
        observations = info.block()
        for _ in range(count):
            handle = observations.u16()
            found.append(Polled(context, handle, _attributes(observations)))
        observations.end()
    info.end()
    return tuple(found)


def _attributes(cursor: Cursor) -> tuple[Attribute, ...]:
    """AttributeList: count, length, then id, length and value of each."""
    count = cursor.u16()
    block = cursor.block()
    found = tuple(Attribute(block.u16(), block.block().rest()) for _ in range(count))
    block.end()
    return found


# What we send


def associate(*, min_poll_ticks: int = 2500, options: int = 0x8C000000) -> bytes:
    """Association request. `options`: values each second, waves, enumerations, by extended poll."""
    profile = struct.pack(">IIIIII", 0x80000000, min_poll_ticks, 2500, 1000, 0xFFFFFFFF, 0x60000000)
    extension = struct.pack(">HHHHIHH", 1, 12, 0xF001, 8, options, 0, 0)
    supported = profile + extension
    supported = struct.pack(">HHHH", 1, len(supported) + 4, 1, len(supported)) + supported
    versions = struct.pack(">IIIII", 0x80000000, 0x40000000, 0, 0x80000000, 0x20000000)
    user = versions + struct.pack(">HH", 0, 0) + supported
    presentation = _REQUEST_PRESENTATION + bytes([len(user)]) + user + _TRAILER
    body = _SESSION_DATA + b"\xc1" + bytes([len(presentation)]) + presentation
    return bytes([ASSOCIATE, len(body)]) + body


def release() -> bytes:
    """We are done."""
    return bytes([RELEASE, len(_RELEASE_BODY)]) + _RELEASE_BODY


def released() -> bytes:
    """The monitor is done, and may be."""
    return bytes([RELEASED, len(_RELEASED_BODY)]) + _RELEASED_BODY


def confirm(created: Created) -> bytes:
    """Answer to `Created`."""
    report = struct.pack(">HHHIHH", MDS, 0, 0, created.ticks, MDS_CREATED, 0)
    return _operation(RESULT, created.invoke_id, CONFIRMED_EVENT, report)


def poll(invoke_id: int, number: int, object_class: int, group: int = ALL_GROUPS) -> bytes:
    """Ask once."""
    request = struct.pack(">HHHH", number, 1, object_class, group)
    return _action(invoke_id, POLL, request)


def poll_extended(
    invoke_id: int, number: int, object_class: int, ticks: int, group: int = ALL_GROUPS
) -> bytes:
    """Ask for results that keep coming for so long."""
    request = struct.pack(
        ">HHHHHHHHI", number, 1, object_class, group, 1, 8, POLL_PERIOD_ATTRIBUTE, 4, ticks
    )
    return _action(invoke_id, POLL_EXTENDED, request)


def choose_waves(invoke_id: int, labels: tuple[int, ...]) -> bytes:
    """Set the list of waves that an extended poll gives, best first: TextIds."""
    texts = struct.pack(f">HH{len(labels)}I", len(labels), 4 * len(labels), *labels)
    entry = struct.pack(">HHH", 0, WAVE_LIST_ATTRIBUTE, len(texts)) + texts
    argument = struct.pack(">HHHIHH", MDS, 0, 0, 0, 1, len(entry)) + entry
    return _operation(INVOKE, invoke_id, CONFIRMED_SET, argument)


def _action(invoke_id: int, action: int, request: bytes) -> bytes:
    argument = struct.pack(">HHHIHH", MDS, 0, 0, 0, action, len(request)) + request
    return _operation(INVOKE, invoke_id, CONFIRMED_ACTION, argument)


def _operation(kind: int, invoke_id: int, command: int, argument: bytes) -> bytes:
    body = struct.pack(">HHH", invoke_id, command, len(argument)) + argument
    return struct.pack(">HHHH", 0xE100, 2, kind, len(body)) + body


# Values


def to_float(data: int) -> float | None:
    """FLOAT-Type: exponent in the first byte, mantissa in three; None for NaN and infinities."""
    mantissa = data & 0xFFFFFF
    if mantissa in {0x7FFFFF, 0x7FFFFE, 0x800000, 0x800001, 0x800002}:
        return None
    exponent = data >> 24
    signed = mantissa - 0x1000000 if mantissa & 0x800000 else mantissa
    power = exponent - 256 if exponent & 0x80 else exponent
    return float(signed) * 10.0**power if power >= 0 else signed / 10.0**-power


def to_utc(absolute: bytes, zone: tzinfo) -> float | None:
    """AbsoluteTime: century, year, month, day, hour, minute, second, hundredths, each BCD."""
    digits = [(byte >> 4, byte & 15) for byte in absolute]
    if len(digits) != 8 or any(high > 9 or low > 9 for high, low in digits):
        return None
    century, year, month, day, hour, minute, second, hundredth = (h * 10 + n for h, n in digits)
    try:
        moment = datetime(
            century * 100 + year, month, day, hour, minute, second, hundredth * 10_000, zone
        )
        return known_time(moment.timestamp())
    except (ValueError, OverflowError):
        return None


def to_text(data: bytes) -> str:
    """String: a length and UTF-16, often with a zero at the end."""
    cursor = Cursor(data)
    return cursor.block().rest().decode("utf-16-be", "replace").rstrip("\x00")
