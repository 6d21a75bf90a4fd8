"""One function for each parser of bytes from outside: any bytes must give an event or be refused
as the parser says, nothing else; whatever else they raise is a finding.

Used by the coverage-guided fuzzer (`make fuzz`) and, with seeds and random damage, by the tests.
"""

import asyncio
import importlib
import itertools
import pkgutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import aiomqtt
import msgspec

from edgebox import messages
from edgebox.bond import connection, revocation, usage
from edgebox.bond.body import decode_body
from edgebox.bond.connection import Connection
from edgebox.bond.control import (
    Ack,
    FlowRefused,
    FlowUnknown,
    Item,
    LinkUse,
    PathChallenge,
    PathResponse,
    encode_control,
)
from edgebox.bond.exchange import Answer, ExchangeError, Request
from edgebox.bond.key_client import KeyClient
from edgebox.bond.key_server import KeyServer
from edgebox.bond.seal import TO_BOX, TO_HUB, Keys, Opener, Sealer
from edgebox.bond.wire import (
    HEADER_SIZE,
    TAG_SIZE,
    Copy,
    Data,
    Fragment,
    TrafficClass,
    decode_header,
    encode_data,
    session_of,
)
from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.bond import Bond
from edgebox.errors import RemoteProtocolError
from edgebox.messages.base import Message, Topic
from edgebox.messages.base import Request as BusRequest
from edgebox.messages.services import ServiceStatus
from tests.fuzz.vitals_targets import VITALS_TARGETS

NOW = 1000.0


def keys() -> Keys:
    """Made anew each time: other tests look whether anybody keeps keys."""
    return Keys(9, "aes-256-gcm", b"h" * 32, b"b" * 32)


class Target(NamedTuple):
    """A parser, and inputs that it takes."""

    take: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    size_max: int = 2048


# Bodies as they may come

_ITEMS: list[Item] = [
    Ack(0, 5, 0b101, 77, 1000, 6),
    FlowRefused(1),
    FlowUnknown(2),
    LinkUse(1, 1),
    PathChallenge(b"12345678"),
    PathResponse(b"12345678"),
]
BODIES = (
    encode_control(1, eliciting=True, items=_ITEMS, pad_to=100),
    encode_control(2, eliciting=False, items=_ITEMS[:1]),
    encode_data(Data(1, TrafficClass.VIDEO, Copy.FIRST, 5, 7, 1, 0, 3, 2, None, "a:1", b"hi")),
    encode_data(Data(1, TrafficClass.AUDIO, Copy.SECOND, 6, 7, 0, 0, 3, 2, None, "", b"")),
    b"\2\2" + bytes(7) + b"\5" + bytes(7) + b"\7\1" + b"a row of parity bytes",
    encode_data(
        Data(1, TrafficClass.DEFAULT, Copy.RESCUE, 8, 7, 0, 9, 3, 2, Fragment(1, 0, 2), "", b"x")
    ),
)


def _sealed(direction: int) -> tuple[bytes, ...]:
    sealer = Sealer(keys(), direction, NOW)
    return tuple(sealer.seal(number % 3, body, NOW) for number, body in enumerate(BODIES))


def take_outer(data: bytes) -> None:
    """A datagram off the Internet."""
    session_of(data)
    with suppress(RemoteProtocolError):
        decode_header(data)
    with suppress(RemoteProtocolError):
        Opener(keys(), TO_HUB).open(data, NOW)


def take_body(data: bytes) -> None:
    """What was inside the seal."""
    with suppress(RemoteProtocolError):
        decode_body(data)


class _Unsealed(Opener):
    """Takes anything for authentic: a far end that means harm holds the keys."""

    def __init__(self, *_: object) -> None:
        # No keys are made: that would be most of the time, and it is not what is tried here.
        self._number = 0

    def open(self, packet: bytes, now: float) -> tuple[int, int, bytes]:
        if not packet:
            raise RemoteProtocolError("empty")
        self._number += 1 + (packet[0] >> 4)
        return packet[0] & 15, self._number, packet[1:]


class _Unsealing(Sealer):
    """Numbers and lengths as they should be, without a cipher."""

    def __init__(self, keys: Keys, *_: object) -> None:
        self.session = keys.session
        self.epoch = 0
        self._next = [0] * 256
        self._epoch_at = NOW

    def seal(self, link: int, body: bytes, now: float) -> bytes:
        self._next[link] += 1
        return bytes(HEADER_SIZE) + body + bytes(TAG_SIZE)


def _unsealed_ends(now: float) -> list[Connection]:
    names = vars(connection)
    kept = {"Sealer": names["Sealer"], "Opener": names["Opener"]}
    names.update(Sealer=_Unsealing, Opener=_Unsealed)
    try:
        return [Connection("box", keys(), now), Connection("hub", keys(), now)]
    finally:
        names.update(kept)


def take_conversation(data: bytes) -> None:
    """Bodies of a far end that holds the keys, one after another: length, link, body."""
    now = NOW
    ends = _unsealed_ends(now)
    ends[0].attach_path(0, 0, now)
    ends[0].open_flow(7, "a:1", now)
    at = 0
    while at < len(data):
        size = data[at] + 1
        packet, at = data[at + 1 : at + 1 + size], at + 1 + size
        now += 0.007 * (size % 16)
        for end in ends:
            end.receive_datagram(0, packet, now)
            if end.next_timeout() <= now:
                end.handle_timeout(now)
            for _ in end.datagrams_to_send(now):
                continue
            while end.next_event() is not None:
                continue
    ends[0].send_datagram(7, data[:1500], now)


def _conversation(*bodies: bytes) -> bytes:
    return b"".join(bytes((len(body) % 256, 0)) + body for body in bodies)


# Key exchange


def _configs() -> tuple[Config, Config]:
    directory = tempfile.mkdtemp(prefix="edgebox-fuzz-")
    (Path(directory) / "key").write_text("5a" * 32)
    box = Config(bond=Bond(static_key="key"), directory=directory)
    hub = Config(bond=Bond(role="hub", static_key="key"), directory=directory)
    return box, hub


class _Exchange:
    """Made when first needed: it wants files."""

    def __init__(self) -> None:
        box, hub = _configs()
        self.client = KeyClient(box)
        self.server = KeyServer(hub, lambda: 1, lambda identity, keys: True)
        self.asked = self.client._request()
        for file in Path(box.directory).iterdir():
            file.unlink()
        Path(box.directory).rmdir()


_exchange: list[_Exchange] = []


def _the_exchange() -> _Exchange:
    if not _exchange:
        _exchange.append(_Exchange())
    return _exchange[0]


def take_request(data: bytes) -> None:
    """A line that somebody sends to the hub's key exchange."""
    _the_exchange().server._answer(data, asyncio.Transport())


def take_answer(data: bytes) -> None:
    """A line that somebody answers to the box."""
    one = _the_exchange()
    with suppress(msgspec.DecodeError, RecursionError, ValueError, ExchangeError):
        one.client._take(one.asked, msgspec.json.decode(data, type=Answer))


# Files and bus


def take_usage(data: bytes) -> None:
    """The file of monthly volumes after a power cut."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with suppress(usage.UsageError):
            usage.load(Path(file.name))


def take_revoked(data: bytes) -> None:
    """The operator's list."""
    revocation.parse(data.decode("utf-8", errors="replace"))


def _bus_types() -> tuple[type[Message], ...]:
    found: list[type[Message]] = []
    modules = pkgutil.iter_modules(messages.__path__, messages.__name__ + ".")
    named = [vars(importlib.import_module(module.name)) for module in modules]
    for value in itertools.chain.from_iterable(names.values() for names in named):
        if isinstance(value, Topic):
            found.append(value.message)
        elif isinstance(value, BusRequest):
            found += [value.question, value.answer]
    return tuple(dict.fromkeys(found))


BUS_TYPES = _bus_types()
_decoders = [msgspec.json.Decoder(kind) for kind in BUS_TYPES]
_bus = Bus("/nowhere", "fuzz", box="b1")


def take_bus(data: bytes) -> None:
    """A payload on a topic; the first byte says which."""
    if not data:
        return
    decoder = _decoders[data[0] % len(_decoders)]
    raw = aiomqtt.Message("box/b1/local/x", data[1:], 0, False, 1, None)
    _bus._decode(decoder, raw)


def _bus_seeds() -> tuple[bytes, ...]:
    status = ServiceStatus(service="bond", instance="i", state="running", since_utc=1.0)
    seeds = [bytes((BUS_TYPES.index(ServiceStatus),)) + msgspec.json.encode(status)]
    seeds += [
        bytes((number,)) + msgspec.json.encode({"type": kind.__name__})
        for number, kind in enumerate(BUS_TYPES)
    ]
    return tuple(seeds)


TARGETS = {
    "outer": Target(take_outer, (*_sealed(TO_HUB), *_sealed(TO_BOX))),
    "body": Target(take_body, BODIES),
    "conversation": Target(
        take_conversation,
        (_conversation(*BODIES), _conversation(*reversed(BODIES))),
        size_max=400,
    ),
    "request": Target(
        take_request,
        (msgspec.json.encode(Request(suites=("aes-256-gcm",), box="b", nonce="n", proof="p")),),
    ),
    "answer": Target(
        take_answer,
        (msgspec.json.encode(Answer(session=1, suite="aes-256-gcm", nonce="n", proof="p")),),
    ),
    "usage": Target(take_usage, (b'{"lte":{"month":"2026-05-01","used_bytes":1}}',)),
    "revoked": Target(take_revoked, (b"# x\nbox-1\nserial:5D:21\n",)),
    "bus": Target(take_bus, _bus_seeds()),
    **{name: Target(*target) for name, target in VITALS_TARGETS.items()},
}
