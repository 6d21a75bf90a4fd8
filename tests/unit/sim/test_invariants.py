"""Each check of a connection's state fails on a state that breaks it."""

from collections.abc import Callable

import pytest

from edgebox.bond.connection import EVENTS_MAX, Connection
from edgebox.bond.events import TargetFell
from edgebox.bond.flows import FLOWS_MAX
from edgebox.bond.seal import Keys
from edgebox.sim.invariants import (
    BYTES_MAX,
    StateError,
    check_always,
    check_memory,
    check_now_and_then,
    fingerprint,
    footprint,
)

KEYS = Keys(7, "chacha20-poly1305", b"a" * 32, b"b" * 32)


def busy_box() -> Connection:
    """With packets under way."""
    box = Connection("box", KEYS, 1000.0)
    box.attach_path(0, 0, 1000.0)
    box.open_flow(5, "10.0.0.1:5", 1000.0)
    for _ in range(3):
        box.send_datagram(5, bytes(500), 1000.0)
    box.datagrams_to_send(1000.0)
    return box


def check(box: Connection) -> None:
    check_always(box)
    check_now_and_then(box)
    check_memory(box)


def test_sound_connection_passes() -> None:
    check(busy_box())


def _gate(box: Connection) -> None:
    box.sender.links.usable = []


def _miscount(box: Connection) -> None:
    box.paths[0].in_flight += 1


def _too_many_flows(box: Connection) -> None:
    box.sender.flows.update(dict.fromkeys(range(FLOWS_MAX + 1), box.sender.flows[5]))


def _events_pile_up(box: Connection) -> None:
    box._events.extend([TargetFell(1.0)] * (EVENTS_MAX + 1))


def _target_is_no_number(box: Connection) -> None:
    box.sender.target.bps = float("nan")


def _queue_grows(box: Connection) -> None:
    box.sender._backlogs[0].bytes = 10_000_000


def _hoards_bytes(box: Connection) -> None:
    box.hoard = [bytes(1000 + number) for number in range(BYTES_MAX // 1000)]  # type: ignore[attr-defined]


def _never_forgets(box: Connection) -> None:
    box.hoard = {str(number): object() for number in range(100_000)}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "mutate",
    [
        _gate, _miscount, _too_many_flows, _events_pile_up, _target_is_no_number, _queue_grows,
        _hoards_bytes, _never_forgets,
    ],
)  # fmt: skip
def test_broken_state_is_found(mutate: Callable[[Connection], None]) -> None:
    box = busy_box()
    mutate(box)
    with pytest.raises(StateError):
        check(box)


def test_footprint_counts_each_thing_once() -> None:
    shared = b"x" * 1000
    assert footprint([shared, [shared]])[1] == 2000  # byte strings are counted where they stand
    items = [[1], [2]]
    assert footprint([items, items])[0] < footprint([items, [[1], [2], [3]]])[0]


def test_fingerprint_tells_a_packet_that_was_taken() -> None:
    box, hub = Connection("box", KEYS, 1000.0), Connection("hub", KEYS, 1000.0)
    box.attach_path(0, 0, 1000.0)
    box.handle_timeout(1000.0)
    before = fingerprint(hub)
    for address, packet in box.datagrams_to_send(1000.0):
        hub.receive_datagram(address, packet[:-1], 1000.0)
        assert fingerprint(hub) == before
        hub.receive_datagram(address, packet, 1000.0)
    assert fingerprint(hub) != before
