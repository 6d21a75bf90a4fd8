"""Memory stays bounded, whatever a far end that holds the keys sends, and however much."""

import random
import tracemalloc

from edgebox.bond.connection import Connection
from edgebox.bond.control import (
    Ack,
    FlowRefused,
    FlowUnknown,
    Item,
    LinkUse,
    PathChallenge,
    encode_control,
)
from edgebox.bond.wire import Copy, Data, Fragment, TrafficClass, encode_data
from tests.fuzz.targets import _Unsealed, keys

PACKETS = 6_000
HELD_MAX = 6_000_000
"""3.5 MB is what it comes to in the end; a box has at most six sessions."""


def body(chance: random.Random) -> bytes:
    """A valid body that asks for as much state as it can."""
    number = chance.getrandbits(32)
    if chance.random() < 0.3:
        items: list[Item] = [
            Ack(chance.randrange(16), number, chance.getrandbits(64), number, number, number),
            FlowRefused(number),
            FlowUnknown(number),
            LinkUse(chance.randrange(256), chance.randrange(256)),
            PathChallenge(chance.randbytes(8)),
        ]
        return encode_control(number, eliciting=True, items=items)
    fragment = Fragment(chance.randrange(65_536), 0, 255) if chance.random() < 0.5 else None
    return encode_data(
        Data(number, TrafficClass.VIDEO, Copy.FIRST, number, number, chance.randrange(65_536), 0,
             chance.randrange(65_536), 0, fragment, f"host-{number}:1", chance.randbytes(1000))
    )  # fmt: skip


def flood(end: Connection, chance: random.Random, now: float) -> float:
    for _ in range(PACKETS):
        now += 0.0005
        source = ("192.0.2.1", chance.randrange(65_536))
        end.receive_datagram(source, bytes([chance.randrange(16)]) + body(chance), now)
        if end.next_timeout() <= now:
            end.handle_timeout(now)
        end.datagrams_to_send(now)
        while end.next_event() is not None:
            continue
    return now


def test_what_a_flood_leaves_behind_is_bounded() -> None:
    for role in ("box", "hub"):
        chance = random.Random(role)
        end = Connection("box" if role == "box" else "hub", keys(), 100.0)
        end._opener = _Unsealed()
        end.attach_path(0, "link", 100.0)
        tracemalloc.start()
        flood(end, chance, 100.0)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held < HELD_MAX, role
