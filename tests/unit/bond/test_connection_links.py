"""What two cores agree on about their links: sizes that pass, what is spared, who is where."""

import os
from collections.abc import Hashable

from edgebox.bond.connection import Connection
from edgebox.bond.control import encode_control
from edgebox.bond.events import PathMoved
from edgebox.bond.mtu import CEILING
from edgebox.bond.path import PathState, Use
from edgebox.bond.seal import TO_HUB, Sealer
from edgebox.bond.wire import OUTER_MAX, OVERHEAD
from tests.unit.bond.test_connection import Pair, keys, rtp

HEADERS = 28


def test_size_that_passes_is_found_in_both_directions() -> None:
    pair = Pair(2)
    pair.passes = lambda direction, link, packet: len(packet) <= (1400 if link else 1300)
    pair.run(30.0)
    for end in (pair.box, pair.hub):
        assert 1284 <= end.paths[0].mtu.size <= 1300
        assert 1384 <= end.paths[1].mtu.size <= 1400


def test_found_size_spares_cutting_and_the_narrowest_link_decides() -> None:
    pair = Pair(2)
    pair.run(5.0)
    payload = rtp(1, CEILING - OVERHEAD - 20)
    pair.box.send_datagram(1, payload, pair.now)
    assert pair.box.sender._group == 0
    pair.run(0.2)
    assert pair.payloads() == [payload]
    pair.box.attach_path(7, 7, pair.now)
    pair.box.send_datagram(1, payload, pair.now)
    assert pair.box.sender._group == 1


def test_link_that_swallows_large_packets_gets_smaller_ones() -> None:
    pair = Pair(1)
    pair.run(5.0)
    assert pair.box.paths[0].mtu.size == CEILING
    pair.passes = lambda direction, link, packet: len(packet) <= 1250
    for number in range(200):
        pair.box.send_datagram(1, rtp(number, 1350), pair.now)
        pair.run(0.03)
    assert pair.box.paths[0].mtu.size == OUTER_MAX
    late = [payload for payload in pair.payloads() if payload == rtp(199, 1350)]
    assert late
    assert len(pair.payloads()) > 150


def test_refused_size_is_never_sent_again() -> None:
    pair = Pair(1)
    pair.run(5.0)
    pair.box.sender.on_refused(0, 1300, pair.now)
    sizes: list[int] = []

    def passes(direction: str, link: int, packet: bytes) -> bool:
        if direction == "up":
            sizes.append(len(packet))
        return True

    pair.passes = passes
    for number in range(20):
        pair.box.send_datagram(1, rtp(number, 1390), pair.now)
        pair.run(0.03)
    assert max(sizes) <= OUTER_MAX
    assert len(pair.payloads()) == 20


def test_probe_that_is_lost_is_not_taken_for_loss_of_the_link() -> None:
    pair = Pair(1)
    pair.passes = lambda direction, link, packet: len(packet) <= OUTER_MAX
    for _ in range(80):
        pair.run(0.1)
        assert pair.box.paths[0].estimate.loss == 0
        assert pair.box.paths[0].state is PathState.UP


def carried(pair: Pair, seconds: float) -> dict[int, int]:
    """Bytes with headers of each link while it runs, both ways."""
    bytes_of = dict.fromkeys(pair.box.paths, 0)

    def count(direction: str, link: int, packet: bytes) -> bool:
        bytes_of[link] += len(packet) + HEADERS
        return True

    pair.passes = count
    pair.hub.open_flow(1, "", pair.now)
    for number in range(round(seconds / 0.02)):
        pair.box.send_datagram(1, rtp(number, 1000), pair.now)
        pair.hub.send_datagram(1, b"feedback", pair.now)
        pair.run(0.02)
    return bytes_of


def test_reserve_is_spared_in_both_directions_and_stays_warm() -> None:
    pair = Pair(3)
    pair.run(5.0)
    pair.box.use_path(2, Use.RESERVE, pair.now, metered=True)
    pair.run(0.2)
    bytes_of = carried(pair, 20)
    assert pair.hub.paths[2].use is Use.RESERVE
    assert bytes_of[2] * 8 / 20 < 20_000
    assert bytes_of[0] + bytes_of[1] > 20 * 50 * 1000
    assert pair.box.paths[2].estimate.known


def test_reserve_helps_at_once_when_the_others_fail_and_rests_when_they_are_back() -> None:
    pair = Pair(2)
    pair.run(2.0)
    pair.box.use_path(1, Use.RESERVE, pair.now)
    pair.run(0.2)
    pair.passes = lambda direction, link, packet: link == 1
    for number in range(100):
        pair.box.send_datagram(1, rtp(number), pair.now)
        pair.run(0.02)
    assert len(pair.payloads()) > 85
    pair.passes = lambda direction, link, packet: True
    pair.run(3.0)
    assert carried(pair, 5)[1] * 8 / 5 < 20_000


def hub_use(pair: Pair) -> Use:
    return pair.hub.paths[1].use


def test_use_that_was_not_heard_is_said_again() -> None:
    pair = Pair(2)
    pair.run(2.0)
    pair.passes = lambda direction, link, packet: direction == "down"
    pair.box.use_path(1, Use.RESERVE, pair.now)
    pair.run(0.1)
    assert hub_use(pair) is Use.ORDINARY
    pair.passes = lambda direction, link, packet: True
    pair.run(2.5)
    assert hub_use(pair) is Use.RESERVE
    pair.box.use_path(1, Use.ORDINARY, pair.now)
    pair.run(0.2)
    assert hub_use(pair) is Use.ORDINARY


def test_hub_leaves_a_closed_link_alone() -> None:
    pair = Pair(2)
    pair.run(2.0)
    pair.box.use_path(1, Use.CLOSED, pair.now)
    pair.run(0.1)
    pair.box.detach_path(1, pair.now)
    quiet: list[int] = []

    def passes(direction: str, link: int, packet: bytes) -> bool:
        quiet.extend([link] if link == 1 else [])
        return True

    pair.passes = passes
    pair.run(20.0)
    assert quiet == []
    pair.box.attach_path(1, 1, pair.now)
    pair.box.use_path(1, Use.ORDINARY, pair.now)
    pair.run(2.0)
    assert pair.hub.paths[1].state is PathState.UP
    assert pair.box.paths[1].state is PathState.UP


def test_idle_metered_link_costs_less_than_20_kbit_per_second() -> None:
    pair = Pair(3)
    for link in range(3):
        pair.box.use_path(link, Use.ORDINARY, pair.now, metered=True)
    bytes_of = dict.fromkeys(range(3), 0)

    def count(direction: str, link: int, packet: bytes) -> bool:
        bytes_of[link] += len(packet) + HEADERS
        return True

    pair.passes = count
    pair.run(120.0)
    for link in range(3):
        assert 0 < bytes_of[link] * 8 / 120 < 20_000


# Where a link is


class Wire:
    """A hub, and a box's sealed packets that may come from anywhere."""

    def __init__(self) -> None:
        self.now = 10.0
        self.hub = Connection("hub", keys(), self.now)
        self.box = Connection("box", keys(), self.now)
        self.box.attach_path(0, "hub", self.now)
        self.sent: dict[Hashable, int] = {}

    def where(self) -> Hashable:
        """The link's address, as the hub knows it."""
        return self.hub.paths[0].address

    def exchange(self, source: str, *, reaches_box: bool, seconds: float = 1.0) -> None:
        """Carry packets: those of the box come from `source`."""
        for _ in range(round(seconds / 0.01)):
            self.now += 0.01
            for end in (self.box, self.hub):
                if end.next_timeout() <= self.now:
                    end.handle_timeout(self.now)
            for _, packet in self.box.datagrams_to_send(self.now):
                self.hub.receive_datagram(source, packet, self.now)
            for address, packet in self.hub.datagrams_to_send(self.now):
                self.sent[address] = self.sent.get(address, 0) + len(packet)
                if reaches_box:
                    self.box.receive_datagram(0, packet, self.now)


def test_address_of_a_link_is_proved_by_a_challenge() -> None:
    wire = Wire()
    wire.exchange("a", reaches_box=True)
    assert wire.hub._roaming.is_settled
    wire.exchange("b", reaches_box=True, seconds=2.0)
    assert wire.hub._roaming.is_settled
    assert wire.where() == "b"
    events = []
    while (event := wire.hub.next_event()) is not None:
        events.append(event)
    assert PathMoved(0, "b") in events


def test_victim_of_a_spoofed_address_gets_no_flood() -> None:
    """Whoever relays the box's packets with another sender's address turns our answers on it."""
    wire = Wire()
    wire.exchange("home", reaches_box=True)
    wire.box.open_flow(1, "server:1", wire.now)
    wire.box.send_datagram(1, b"x", wire.now)
    wire.exchange("home", reaches_box=True)
    [(_, packet)] = _one_ping(wire)
    wire.hub.receive_datagram("victim", packet, wire.now)
    assert wire.where() == "victim"
    for number in range(300):
        wire.hub.send_datagram(1, os.urandom(1000) + bytes([number % 256]), wire.now)
        wire.now += 0.01
        wire.hub.handle_timeout(wire.now)
        for address, sealed in wire.hub.datagrams_to_send(wire.now):
            wire.sent[address] = wire.sent.get(address, 0) + len(sealed)
    assert wire.sent.get("victim", 0) <= 3 * len(packet)
    wire.exchange("nowhere", reaches_box=False, seconds=0.0)
    wire.now += 3.0
    wire.hub.handle_timeout(wire.now)
    wire.hub.datagrams_to_send(wire.now)
    assert wire.where() == "home"


def _one_ping(wire: Wire) -> list[tuple[Hashable, bytes]]:
    wire.box.datagrams_to_send(wire.now)
    wire.box.sender.outlet.control(wire.box.paths[0], [], wire.now, eliciting=True)
    return wire.box.datagrams_to_send(wire.now)


def test_stranger_moves_nothing() -> None:
    wire = Wire()
    wire.exchange("home", reaches_box=True)
    forged = Sealer(keys(), TO_HUB, wire.now)
    forged._next[0] = 10_000
    body = encode_control(0, eliciting=True, items=[])
    packet = bytearray(forged.seal(0, body, wire.now))
    packet[-1] ^= 1
    wire.hub.receive_datagram("stranger", bytes(packet), wire.now)
    assert wire.where() == "home"
    assert not wire.hub.knows_address("stranger")
    assert wire.hub.knows_address("home")
