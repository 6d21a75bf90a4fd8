"""Delays of links when one of the clocks jumps or stands still."""

import pytest

from edgebox.bond.clocks import SETTLE_S, SHIFT_S, Clocks
from edgebox.bond.control import Ack
from edgebox.bond.path import Path, Sent
from edgebox.bond.wire import WRAP, microseconds


class Far:
    """Links of constant delay; `ahead_s` is the far clock less ours."""

    def __init__(self, *ways_s: float):
        self.now = 50.0
        self.ahead_s = 7.0
        self.ways_s = list(ways_s)
        self.back_s = 0.030
        self.paths = {link: Path(link, link, self.now) for link in range(len(ways_s))}
        self.clocks = Clocks(self.paths)
        self.number = 0

    def send(self) -> Sent:
        return Sent(0, 100, self.now, microseconds(self.now), eliciting=True, datagram=None)

    def acknowledge(self, link: int, sent: Sent | None = None, held_s: float = 0.0) -> None:
        """The packet's whole way, and back."""
        sent = sent or self.send()
        path = self.paths[link]
        arrived_at = sent.sent_at + self.ways_s[link]
        path.sent[sent.number] = sent
        self.number += 1
        received_us = microseconds(arrived_at + self.ahead_s)
        ack_sent_us = (received_us + round(held_s * 1e6)) % WRAP
        ack = Ack(link, self.number, 0, received_us, 100 * self.number, self.number)
        self.now = max(self.now, arrived_at + self.back_s)
        self.clocks.measure(path, ack, sent, ack_sent_us, self.now)

    def settle(self, seconds: float = 1.0) -> None:
        for _ in range(round(seconds / 0.2)):
            for link in self.paths:
                self.acknowledge(link)
            self.now += 0.2

    def apart_s(self) -> float:
        return self.paths[1].estimate.base_s - self.paths[0].estimate.base_s


@pytest.mark.parametrize("jump_s", [0.06, 0.5, 20.0, 1000.0, -0.2, -30.0])
def test_jump_of_a_clock_is_no_queue_and_leaves_links_comparable(jump_s: float) -> None:
    far = Far(0.020, 0.045)
    far.settle()
    far.ahead_s += jump_s
    far.acknowledge(0)
    assert far.clocks.shifts == 1
    assert far.apart_s() == pytest.approx(0.025, abs=1e-4)
    far.settle()
    assert far.clocks.shifts == 1
    assert far.apart_s() == pytest.approx(0.025, abs=1e-4)
    assert all(path.estimate.queue_s < 0.001 for path in far.paths.values())
    assert far.paths[0].estimate.min_rtt_s == pytest.approx(0.050, abs=1e-4)


def test_queue_is_not_taken_for_a_jump() -> None:
    far = Far(0.020, 0.045)
    far.settle()
    far.ways_s[0] += 0.3
    far.acknowledge(0)
    assert far.clocks.shifts == 0
    assert far.paths[0].estimate.queue_s > 0.25


def test_jump_while_an_acknowledgement_is_held_spoils_no_round_trip() -> None:
    far = Far(0.020, 0.045)
    far.settle()
    far.acknowledge(0, held_s=3.0)
    assert far.paths[0].estimate.min_rtt_s == pytest.approx(0.050, abs=1e-4)
    # Less than what is recognised: the least is forgotten as soon as the delays tell.
    far.acknowledge(0, held_s=0.3)
    assert far.paths[0].estimate.min_rtt_s < 0.001
    far.ahead_s += 0.3
    far.acknowledge(0)
    far.acknowledge(0)
    assert far.paths[0].estimate.min_rtt_s == pytest.approx(0.050, abs=1e-4)
    assert far.paths[0].estimate.queue_s < 0.001


def test_what_was_under_way_while_we_were_away_is_no_measure() -> None:
    far = Far(0.020, 0.045)
    far.settle()
    before = far.send()
    far.now += 2.0
    far.clocks.on_away(far.now)
    far.acknowledge(0, before)
    assert far.paths[0].estimate.srtt_s < 0.06
    far.acknowledge(0)
    assert far.paths[0].estimate.srtt_s == pytest.approx(0.050, abs=1e-3)


def test_way_that_became_shorter_there_and_longer_back_does_not_swing() -> None:
    far = Far(0.220, 0.045)
    far.settle()
    far.ways_s[0] -= 0.2
    at = far.now
    while far.now < at + 0.9 * SETTLE_S:
        for link, back_s in ((0, 0.230), (1, 0.030)):
            far.back_s = back_s
            far.acknowledge(link)
        far.now += 0.05
    assert far.clocks.shifts <= 2
    assert far.apart_s() == pytest.approx(0.025, abs=1e-3)
    assert all(path.estimate.queue_s < SHIFT_S for path in far.paths.values())
