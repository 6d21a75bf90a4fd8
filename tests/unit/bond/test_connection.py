"""Two cores, datagrams carried between them by hand."""

import os
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebox.bond import selfcheck
from edgebox.bond.connection import Connection
from edgebox.bond.control import Ack, FlowUnknown, encode_control
from edgebox.bond.destinations import FLOWS_MAX
from edgebox.bond.events import DatagramReceived, Event, FlowWasRefused, PathMoved
from edgebox.bond.path import PathState
from edgebox.bond.seal import TO_BOX, TO_HUB, Keys, Sealer
from edgebox.bond.wire import OUTER_MAX, PAYLOAD_MAX
from edgebox.errors import LocalProtocolError

DELAY_S = 0.02
Deliver = Callable[[str, int, bytes], bool]


def keys() -> Keys:
    return Keys(9, "aes-256-gcm", b"h" * 32, b"b" * 32)


class Pair:
    """Box and hub over `links` links of 20 ms; `passes` decides which packets get through."""

    def __init__(self, links: int = 2):
        self.now = 100.0
        self.box = Connection("box", keys(), self.now)
        self.hub = Connection("hub", keys(), self.now)
        self.passes: Deliver = lambda direction, link, packet: True
        self.events: dict[str, list[Event]] = {"box": [], "hub": []}
        self.wire: list[tuple[float, str, int, bytes]] = []
        for link in range(links):
            self.box.attach_path(link, link, self.now)
        self.box.open_flow(1, "server:1", self.now)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.005)):
            self.now += 0.005
            due = [entry for entry in self.wire if entry[0] <= self.now]
            self.wire = [entry for entry in self.wire if entry[0] > self.now]
            for _, direction, link, packet in due:
                end = self.hub if direction == "up" else self.box
                end.receive_datagram(link, packet, self.now)
            for name, end, direction in (("box", self.box, "up"), ("hub", self.hub, "down")):
                if end.next_timeout() <= self.now:
                    end.handle_timeout(self.now)
                for address, packet in end.datagrams_to_send(self.now):
                    assert isinstance(address, int)
                    if self.passes(direction, address, packet):
                        self.wire.append((self.now + DELAY_S, direction, address, packet))
                while (event := end.next_event()) is not None:
                    self.events[name].append(event)

    def payloads(self, name: str = "hub") -> list[bytes]:
        return [e.payload for e in self.events[name] if isinstance(e, DatagramReceived)]


def rtp(number: int, size: int = 1000) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, number, number * 3000, 7).ljust(size, b"v")


def test_datagram_goes_there_and_the_answer_back() -> None:
    pair = Pair()
    pair.run(0.2)
    pair.box.send_datagram(1, b"question", pair.now)
    pair.run(0.1)
    assert DatagramReceived(1, "server:1", b"question") in pair.events["hub"]
    pair.hub.send_datagram(1, b"answer", pair.now)
    pair.run(0.1)
    assert pair.payloads("box") == [b"answer"]


def test_destination_is_announced_until_the_far_end_has_it() -> None:
    pair = Pair(1)
    pair.run(0.2)
    pair.passes = lambda direction, link, packet: len(packet) < 200
    pair.box.send_datagram(1, b"x" * 500, pair.now)
    pair.run(0.05)
    pair.passes = lambda direction, link, packet: True
    pair.box.send_datagram(1, b"second", pair.now)
    pair.run(0.2)
    assert DatagramReceived(1, "server:1", b"second") in pair.events["hub"]
    assert pair.box.sender.flows[1].announced


def test_forgotten_flow_is_announced_again() -> None:
    pair = Pair()
    pair.run(0.2)
    pair.box.send_datagram(1, b"one", pair.now)
    pair.run(0.2)
    pair.hub.forget_flow(1)
    pair.box.send_datagram(1, b"lost", pair.now)
    pair.run(0.2)
    pair.box.send_datagram(1, b"two", pair.now)
    pair.run(0.2)
    assert pair.payloads() == [b"one", b"two"]


def test_refused_flow_is_reported() -> None:
    pair = Pair()
    pair.run(0.2)
    pair.hub.refuse_flow(1)
    pair.run(0.1)
    assert FlowWasRefused(1) in pair.events["box"]
    assert pair.box.counters.refused == 1


def test_too_many_flows_are_refused() -> None:
    pair = Pair()
    pair.run(0.2)
    for flow in range(FLOWS_MAX + 10):
        pair.box.open_flow(1000 + flow, "server:1", pair.now)
        pair.box.send_datagram(1000 + flow, b"x", pair.now)
        pair.run(0.01)
    pair.run(0.3)
    assert len(pair.hub._destinations) == FLOWS_MAX
    assert any(isinstance(event, FlowWasRefused) for event in pair.events["box"])


def test_sound_and_control_go_over_two_links() -> None:
    pair = Pair(3)
    pair.run(0.3)
    used: list[int] = []

    def note(direction: str, link: int, packet: bytes) -> bool:
        if direction == "up" and len(packet) > 120:
            used.append(link)
        return True

    pair.passes = note
    pair.box.send_datagram(1, rtp(1, 100), pair.now)
    pair.run(0.02)
    assert len(set(used)) == 2
    pair.run(0.1)
    assert pair.payloads() == [rtp(1, 100)]


def test_lost_datagram_is_sent_again_over_the_other_link() -> None:
    pair = Pair(2)
    pair.run(0.3)
    lost: list[int] = []

    def lose_first(direction: str, link: int, packet: bytes) -> bool:
        if direction == "up" and len(packet) > 900 and not lost:
            lost.append(link)
            return False
        return True

    pair.passes = lose_first
    pair.box.sender._probing._allowance.left = 0
    pair.box.send_datagram(1, rtp(1), pair.now)
    pair.run(0.2)
    assert lost
    assert pair.payloads() == [rtp(1)]
    assert pair.box.counters.rescued == 1


def test_datagram_nobody_can_take_expires() -> None:
    pair = Pair(1)
    pair.run(0.2)
    pair.box.detach_path(0, pair.now)
    pair.box.send_datagram(1, rtp(1), pair.now)
    pair.run(0.5)
    assert pair.box.counters.expired == 1
    assert pair.box.sender.queued_bytes == 0


@pytest.mark.parametrize("size", [0, 1, 1182, 1183, 1500, 9000, 60_000])
def test_any_size_arrives_whole_in_small_outer_datagrams(size: int) -> None:
    pair = Pair(2)
    pair.run(0.3)
    largest = 0

    def measure(direction: str, link: int, packet: bytes) -> bool:
        nonlocal largest
        if len(packet) > OUTER_MAX:
            return False  # a probe
        largest = max(largest, len(packet))
        return True

    pair.passes = measure
    payload = (b"\x04" + os.urandom(size))[:size]
    pair.box.send_datagram(1, payload, pair.now)
    pair.run(0.5)
    assert pair.payloads() == [payload]
    assert largest + 48 < 1280


def test_address_moves_only_by_authenticated_newer_packets() -> None:
    hub = Connection("hub", keys(), 0.0)
    sealer = Sealer(keys(), TO_HUB, 0.0)
    first, second = (
        sealer.seal(0, encode_control(1, eliciting=True, items=[]), 0.0) for _ in range(2)
    )
    hub.receive_datagram("new", second, 1.0)
    hub.receive_datagram("old", first, 1.0)
    addresses = [hub.paths[0].address]
    third = sealer.seal(0, encode_control(1, eliciting=True, items=[]), 0.0)
    for address, packet in (("thief", third[:-1] + b"?"), ("newer", third)):
        hub.receive_datagram(address, packet, 1.0)
        addresses.append(hub.paths[0].address)
    assert addresses == ["new", "new", "newer"]
    assert hub.next_event() == PathMoved(0, "newer")


def test_hub_says_nothing_to_strangers() -> None:
    hub = Connection("hub", keys(), 0.0)
    sealer = Sealer(Keys(9, "aes-256-gcm", b"?" * 32, b"?" * 32), TO_HUB, 0.0)
    hub.receive_datagram("stranger", sealer.seal(0, b"\x01\x01\x00\x00\x00\x00", 0.0), 1.0)
    hub.handle_timeout(2.0)
    assert hub.datagrams_to_send(2.0) == []
    assert hub.counters.garbage == 1


def test_acknowledging_what_was_never_sent_is_counted() -> None:
    pair = Pair(1)
    pair.run(0.2)
    sealer = Sealer(keys(), TO_BOX, 0.0)
    sealer._next[0] = 500
    lie = encode_control(1, eliciting=False, items=[Ack(0, 4_000, 0, 0, 0, 0)])
    pair.box.receive_datagram(0, sealer.seal(0, lie, pair.now), pair.now)
    assert pair.box.counters.garbage == 1


def test_sending_on_a_flow_that_is_not_open_is_a_bug() -> None:
    with pytest.raises(LocalProtocolError):
        Connection("box", keys(), 0.0).send_datagram(5, b"x", 0.0)


def test_link_that_dies_and_returns_is_told() -> None:
    pair = Pair(2)
    pair.run(1.0)
    pair.passes = lambda direction, link, packet: link != 0
    pair.run(3.0)
    states = [pair.box.paths[0].state]
    assert not pair.box.is_silent(pair.now)
    pair.passes = lambda direction, link, packet: True
    pair.run(2.5)
    states.append(pair.box.paths[0].state)
    assert states == [PathState.DOWN, PathState.UP]
    assert pair.box.paths[0].share == 1.0


def test_far_end_that_forgot_us_is_noticed() -> None:
    pair = Pair(2)
    pair.run(1.0)
    assert not pair.box.is_silent(pair.now)
    pair.passes = lambda direction, link, packet: False
    pair.run(2.0)
    assert pair.box.is_silent(pair.now)
    assert pair.hub.established


def test_idle_bond_is_quiet() -> None:
    pair = Pair(3)
    pair.run(8.0)
    sent = [0, 0, 0]

    def count(direction: str, link: int, packet: bytes) -> bool:
        sent[link] += len(packet) + 28
        return True

    pair.passes = count
    pair.run(20.0)
    assert all(size * 8 / 20 < 20_000 for size in sent), sent
    assert all(size > 0 for size in sent)


def test_every_packet_is_large_enough_for_a_carrier() -> None:
    pair = Pair(2)
    sizes: list[int] = []

    def measure(direction: str, link: int, packet: bytes) -> bool:
        sizes.append(len(packet))
        return True

    pair.passes = measure
    pair.run(3.0)
    assert min(sizes) >= 32


def test_packets_of_an_ended_session_do_nothing() -> None:
    pair = Pair(1)
    overheard: list[bytes] = []

    def listen(direction: str, link: int, packet: bytes) -> bool:
        if direction == "up":
            overheard.append(packet)
        return True

    pair.passes = listen
    pair.box.send_datagram(1, b"secret", pair.now)
    pair.run(0.5)
    later = Connection("hub", Keys(10, "aes-256-gcm", b"H" * 32, b"B" * 32), 0.0)
    for packet in overheard:
        pair.hub.receive_datagram(0, packet, pair.now)
        later.receive_datagram(0, packet, 1.0)
    assert pair.payloads() == [b"secret"]
    assert pair.hub.counters.replayed == len(overheard)
    assert later.counters.garbage == len(overheard)
    assert later.next_event() is None


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=1300), max_size=10))
def test_any_outer_bytes_are_counted_and_dropped(packets: list[bytes]) -> None:
    hub = Connection("hub", keys(), 0.0)
    for packet in packets:
        hub.receive_datagram("stranger", packet, 1.0)
    assert hub.counters.garbage == len(packets)
    assert hub.next_event() is None


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=200) | st.builds(
    lambda kind, rest: bytes((kind,)) + rest, st.integers(0, 2), st.binary(max_size=200)
), max_size=10))  # fmt: skip
def test_any_authentic_body_is_survived(bodies: list[bytes]) -> None:
    hub = Connection("hub", keys(), 0.0)
    sealer = Sealer(keys(), TO_HUB, 0.0)
    now = 1.0
    for body in bodies:
        now += 0.01
        hub.receive_datagram("box", sealer.seal(1, body, now), now)
        hub.handle_timeout(now)
        hub.datagrams_to_send(now)
        while hub.next_event() is not None:
            continue


def test_self_check_passes_and_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert selfcheck.datagram_passes(os.urandom(32), 5.0)
    monkeypatch.setattr(Connection, "datagrams_to_send", lambda self, now: [])
    assert not selfcheck.datagram_passes(os.urandom(32), 5.0)


def test_refused_flow_takes_no_other_flows_place() -> None:
    pair = Pair()
    for flow in range(2, FLOWS_MAX + 2):
        pair.box.open_flow(flow, "forbidden:1", pair.now)
        pair.box.send_datagram(flow, b"x", pair.now)
        pair.run(0.01)
    pair.run(0.2)
    for event in pair.events["hub"]:
        if isinstance(event, DatagramReceived) and event.destination == "forbidden:1":
            pair.hub.refuse_flow(event.flow)
    pair.box.send_datagram(1, b"allowed", pair.now)
    pair.run(0.2)
    assert b"allowed" in pair.payloads()


def test_flow_announced_again_makes_no_packet_too_large() -> None:
    pair = Pair(links=1)
    sizes: list[int] = []

    def passes(direction: str, link: int, packet: bytes) -> bool:
        if len(packet) > OUTER_MAX:
            return False  # a probe
        sizes.append(len(packet))
        return True

    pair.passes = passes
    pair.box.send_datagram(1, b"x", pair.now)
    pair.run(0.2)
    assert pair.box.sender.flows[1].announced
    for number in range(60):
        pair.box.send_datagram(1, rtp(number, PAYLOAD_MAX), pair.now)
    assert pair.box.sender.queued_bytes
    pair.hub.forget_flow(1)
    sealer = Sealer(keys(), TO_BOX, pair.now)
    sealer._next[9] = 5
    body = encode_control(0, eliciting=False, items=[FlowUnknown(1)])
    pair.box.receive_datagram(0, sealer.seal(9, body, pair.now), pair.now)
    pair.run(0.1)
    assert max(sizes) == OUTER_MAX
    pair.box.send_datagram(1, rtp(99, PAYLOAD_MAX), pair.now)
    pair.run(1.0)
    assert rtp(99, PAYLOAD_MAX) in pair.payloads()
    assert max(sizes) == OUTER_MAX


def lossy_pair() -> Pair:
    """Long ways, and the first large packet up is lost."""
    pair = Pair(2)
    pair.run(0.5)
    for path in pair.box.paths.values():
        path.estimate.usual_loss = 0.05
        path.estimate.min_rtt_s = path.estimate.srtt_s = 0.3
        path.estimate.capacity_bps = 8e6
    pair.box.sender._probing._allowance.left = 0
    pair.box.sender._protection.wanted = True
    lost: list[bytes] = []

    def lose(direction: str, link: int, packet: bytes) -> bool:
        if direction == "up" and len(packet) > 900 and not lost:
            lost.append(packet)
            return False
        return True

    pair.passes = lose
    return pair


def test_parity_brings_back_what_was_lost_on_a_long_way() -> None:
    pair = lossy_pair()
    frame = [struct.pack("!BBHII", 0x80, 96, n, 3000, 7).ljust(1000, b"v") for n in range(6)]
    frame[-1] = frame[-1][:1] + b"\xe0" + frame[-1][2:]
    for packet in frame:
        pair.box.send_datagram(1, packet, pair.now)
    pair.run(0.06)
    assert sorted(pair.payloads()) == sorted(frame)
    assert pair.hub._recovery.recovered >= 1


def test_parity_brings_back_what_was_lost_of_a_burst_of_anything() -> None:
    """Nothing marks its end but the pause after it."""
    pair = lossy_pair()
    burst = [b"\xf0" + bytes((n,)) * 1000 for n in range(6)]
    for datagram in burst:
        pair.box.send_datagram(1, datagram, pair.now)
    pair.run(0.08)
    assert sorted(pair.payloads()) == sorted(burst)
    assert pair.hub._recovery.recovered >= 1
