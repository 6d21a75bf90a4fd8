"""The simulated network and what can happen to it, with ends that only write down what they see."""

from collections.abc import Hashable

import pytest

from edgebox.sim.lane import LaneSettings
from edgebox.sim.network import (
    HUB_CLOCK_AHEAD_S,
    SOCKET_BYTES,
    NatAddress,
    Network,
    NetworkLink,
    Stranger,
)

FAR = 1e12


class Note:
    """An end that sends what it is given and notes what it hears."""

    def __init__(self, wake_at: float = FAR) -> None:
        self.outbox: list[tuple[Hashable, bytes]] = []
        self.heard: list[tuple[Hashable, bytes, float]] = []
        self.woken: list[float] = []
        self.wake_at = wake_at

    def receive_datagram(self, address: Hashable, packet: bytes, now: float) -> None:
        self.heard.append((address, packet, round(now, 6)))

    def datagrams_to_send(self, now: float) -> list[tuple[Hashable, bytes]]:
        outbox, self.outbox = self.outbox, []
        return outbox

    def next_timeout(self) -> float:
        return self.wake_at

    def handle_timeout(self, now: float) -> None:
        self.woken.append(round(now, 5))
        self.wake_at = FAR


class Rig:
    """Two of them and a link of 10 ms."""

    def __init__(self, **link: object) -> None:
        self.box, self.hub = Note(), Note()
        lane = LaneSettings(delay_ms=10)
        self.link = NetworkLink(lane, lane, **link)  # type: ignore[arg-type]
        self.network = Network(self.box, self.hub, [self.link], 1, now=0.0)

    def up(self, packet: bytes) -> None:
        self.box.outbox.append((0, packet))
        self.network.flush()

    def down(self, packet: bytes, port: int = 0) -> None:
        self.hub.outbox.append((NatAddress(0, port), packet))
        self.network.flush()


def test_each_end_is_told_its_own_time() -> None:
    rig = Rig()
    rig.up(b"a")
    rig.down(b"b")
    rig.network.run_until(1.0)
    assert rig.hub.heard == [(NatAddress(0, 0), b"a", HUB_CLOCK_AHEAD_S + 0.01)]
    assert rig.box.heard == [(0, b"b", 0.01)]


def test_rebinding_shows_another_port_and_closes_the_old() -> None:
    rig = Rig()
    rig.network.rebind(0)
    rig.up(b"a")
    rig.down(b"lost", port=0)
    rig.down(b"b", port=1)
    rig.network.run_until(1.0)
    assert rig.hub.heard[0][0] == NatAddress(0, 1)
    assert [packet for _, packet, _ in rig.box.heard] == [b"b"]


def test_packet_before_a_rebinding_comes_from_the_old_port() -> None:
    rig = Rig()
    rig.up(b"a")
    rig.network.rebind(0)
    rig.network.run_until(1.0)
    assert rig.hub.heard[0][0] == NatAddress(0, 0)


def test_large_packets_vanish_in_the_direction_that_is_narrow() -> None:
    rig = Rig(mtu={"up": 100})
    rig.up(bytes(72))
    rig.up(bytes(73))
    rig.down(bytes(1200))
    rig.network.run_until(1.0)
    assert [len(packet) for _, packet, _ in rig.hub.heard] == [72]
    assert len(rig.box.heard) == 1


@pytest.mark.parametrize("suspended", [True, False])
def test_end_that_is_not_run_hears_late_what_its_socket_held(suspended: bool) -> None:
    rig = Rig()
    rig.hub.wake_at = HUB_CLOCK_AHEAD_S + 0.5
    rig.network.at(0.1, lambda: rig.network.freeze("down", 1.0, suspended=suspended))
    rig.network.at(0.2, lambda: rig.up(b"a"))
    rig.network.run_until(0.9)
    assert rig.hub.heard == []
    assert rig.hub.woken == []
    rig.network.run_until(3.0)
    slept_s = 1.0 if suspended else 0.0
    assert rig.hub.heard[0][2] == pytest.approx(HUB_CLOCK_AHEAD_S + 1.1 - slept_s, abs=1e-3)
    woken_after_s = rig.hub.woken[0] - HUB_CLOCK_AHEAD_S
    assert woken_after_s == pytest.approx(0.5 if suspended else 1.1, abs=1e-3)


def test_socket_of_a_stopped_end_overflows() -> None:
    rig = Rig()
    rig.network.freeze("down", 1.0, suspended=False)
    for _ in range(2 * SOCKET_BYTES // 1000):
        rig.up(bytes(1000))
        rig.network.run_until(rig.network.now + 0.001)
    rig.network.run_until(3.0)
    assert 0 < len(rig.hub.heard) <= SOCKET_BYTES // 1000


def test_clock_never_goes_back_when_two_sleeps_overlap() -> None:
    rig = Rig()
    rig.network.freeze("up", 1.0, suspended=True)
    rig.network.at(0.5, lambda: rig.network.freeze("up", 0.1, suspended=False))
    rig.network.run_until(0.9)
    assert rig.network.is_frozen("up")
    rig.network.run_until(2.0)
    assert rig.network.clock("up") == pytest.approx(1.0)


def test_call_to_an_end_waits_until_it_is_run() -> None:
    rig, called = Rig(), []
    rig.network.freeze("up", 1.0, suspended=False)
    rig.network.when_run("up", lambda: called.append(rig.network.now))
    rig.network.run_until(0.9)
    assert called == []
    rig.network.run_until(2.0)
    assert called == [1.0]


def test_clock_jumps_for_one_end_only() -> None:
    rig = Rig()
    rig.box.wake_at = 50.0
    rig.network.jump("up", 100.0)
    rig.network.run_until(0.1)
    assert rig.box.woken == [100.0]
    assert rig.network.clock("down") == pytest.approx(HUB_CLOCK_AHEAD_S + 0.1)


def test_what_goes_to_a_stranger_is_noticed() -> None:
    rig = Rig()
    rig.network.inject("up", 0, b"x")
    assert rig.hub.heard[0][0] == Stranger(0)
    rig.hub.outbox.append((Stranger(0), b"y"))
    rig.network.flush()
    rig.network.run_until(1.0)
    assert rig.network.misled == 1
    assert rig.box.heard == []


def test_damage_and_copies() -> None:
    rig = Rig(damaged=1.0, duplicated=1.0)
    rig.up(bytes(50))
    rig.network.run_until(1.0)
    packets = [packet for _, packet, _ in rig.hub.heard]
    assert len(packets) == 2
    assert packets[0] == packets[1] != bytes(50)


def test_links_draw_the_same_whatever_others_carry() -> None:
    arrivals = []
    for others in (0, 30):
        lane = LaneSettings(delay_ms=10, jitter_ms=50, loss=0.3)
        box, hub = Note(), Note()
        network = Network(box, hub, [NetworkLink(lane, lane) for _ in range(2)], 5, now=0.0)
        box.outbox += [(1, b"other")] * others
        box.outbox += [(0, bytes([number])) for number in range(30)]
        network.flush()
        network.run_until(1.0)
        arrivals.append([one for one in hub.heard if one[1] != b"other"])
    assert arrivals[0] == arrivals[1]
