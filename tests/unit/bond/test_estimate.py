"""What a link is thought to carry, from acknowledged points."""

import pytest

from edgebox.bond.estimate import POINTS_MAX, QUEUE_HIGH_S, START_BPS, Estimate, WindowedMin


class Feed:
    """A link of constant delay whose acknowledgements come every 10 ms."""

    def __init__(self, estimate: Estimate):
        self.estimate = estimate
        self.now = 10.0
        self.total = 0
        self.queue_s = 0.0

    def run(self, seconds: float, sent_bps: float, carried_bps: float) -> None:
        for _ in range(round(seconds / 0.01)):
            self.now += 0.01
            self.queue_s = max(0.0, self.queue_s + 0.01 * (sent_bps / carried_bps - 1))
            out_bps = carried_bps if self.queue_s else sent_bps
            self.total += round(out_bps * 0.01 / 8)
            self.estimate.on_progress(
                self.now, 0.05 + self.queue_s, 0.02 + self.queue_s, self.now + 5, self.total, 50
            )


def test_windowed_min_forgets() -> None:
    one = WindowedMin(10.0)
    for now, value, least in ((0.0, 5.0, 5.0), (4.0, 7.0, 5.0), (9.0, 6.0, 5.0), (11.0, 8.0, 6.0)):
        one.update(value, now)
        assert one.value == least


def test_application_limited_rate_never_lowers_the_capacity() -> None:
    feed = Feed(Estimate(10.0))
    feed.run(3, 3_000_000, 5_000_000)
    before = feed.estimate.capacity_bps
    assert before > 2_900_000
    feed.run(20, 200_000, 5_000_000)
    assert feed.estimate.capacity_bps >= before


def test_capacity_is_found_when_a_queue_shows() -> None:
    feed = Feed(Estimate(10.0))
    feed.run(2, 1_900_000, 2_000_000)
    feed.run(0.4, 3_000_000, 2_000_000)
    assert feed.estimate.capacity_bps == pytest.approx(2_000_000, rel=0.15)
    assert not feed.estimate.starting


def test_fall_is_seen_a_tenth_of_a_second_after_the_queue_begins() -> None:
    feed = Feed(Estimate(10.0))
    feed.run(3, 2_100_000, 2_500_000)
    began_at = feed.now
    while feed.estimate.capacity_bps > 1_400_000:
        feed.run(0.01, 2_100_000, 1_000_000)
        assert feed.now - began_at < 0.16
    assert feed.estimate.queue_s > QUEUE_HIGH_S


def test_growth_is_held_to_what_was_delivered() -> None:
    feed = Feed(Estimate(10.0))
    feed.run(30, 1_000_000, 100_000_000)
    assert feed.estimate.capacity_bps < 1_700_000


def test_start_grows_fast() -> None:
    feed = Feed(Estimate(10.0))
    for _ in range(20):
        feed.run(0.1, 0.9 * feed.estimate.capacity_bps, 10_000_000)
    assert feed.estimate.capacity_bps > 2.5 * START_BPS


def test_unused_capacity_is_believed_less_and_less() -> None:
    feed = Feed(Estimate(10.0))
    feed.run(4, 4_000_000, 8_000_000)
    before = feed.estimate.capacity_bps
    assert before > 3_000_000
    feed.run(65, 10_000, 8_000_000)
    assert feed.estimate.capacity_bps == pytest.approx(before / 2, rel=0.1)
    assert feed.estimate.starting
    feed.run(300, 10_000, 8_000_000)
    assert feed.estimate.capacity_bps == START_BPS


def test_jump_of_the_far_clock_is_no_queue() -> None:
    estimate = Estimate(10.0)
    for step in range(100):
        jump_s = 0.5 if step > 50 else 0.0
        now = 10.0 + step * 0.01
        estimate.on_progress(now, 0.05, 0.02 + jump_s, now + jump_s, step * 1000, 50)
    assert estimate.queue_s < 0.010
    assert estimate.capacity_bps >= START_BPS


def test_loss_is_a_share_of_the_last_second() -> None:
    estimate = Estimate(10.0)
    for step in range(100):
        estimate.on_loss(10.0 + step * 0.01, 9, 1)
    assert estimate.loss == pytest.approx(0.1)
    estimate.on_loss(13.0, 10, 0)
    assert estimate.loss == 0.0


@pytest.mark.parametrize("step_s", [0.0, -1.0])
def test_far_clock_that_stands_or_runs_backwards_costs_no_memory(step_s: float) -> None:
    estimate = Estimate(0.0)
    for number in range(POINTS_MAX + 100):
        estimate.on_progress(number * 0.01, 0.05, 0.02, number * step_s, number * 1000, 1000)
    assert len(estimate._points) <= POINTS_MAX


def test_burst_without_a_queue_shows_what_the_link_carries() -> None:
    estimate = Estimate(10.0)
    estimate.on_progress(10.0, 0.05, 0.02, 15.0, 1000, 50)
    # 6000 bytes in 8 ms, and the last of them waited 4 ms: 12 ms for all.
    estimate.on_progress(10.1, 0.054, 0.024, 15.1, 7000, 1200, 6000, 0.008)
    assert estimate.capacity_bps == pytest.approx(4_000_000, rel=0.01)


def test_burst_that_made_a_queue_shows_nothing() -> None:
    estimate = Estimate(10.0)
    estimate.on_progress(10.0, 0.05, 0.02, 15.0, 1000, 50)
    estimate.capacity_bps = 4_000_000
    estimate.on_progress(10.1, 0.09, 0.06, 15.1, 7000, 1200, 6000, 0.008)
    assert estimate.capacity_bps == pytest.approx(4_000_000, rel=0.01)


def test_short_burst_shows_nothing() -> None:
    estimate = Estimate(10.0)
    estimate.on_progress(10.0, 0.05, 0.02, 15.0, 1000, 50)
    estimate.on_progress(10.1, 0.05, 0.02, 15.1, 3400, 1200, 2400, 0.0)
    assert estimate.capacity_bps == START_BPS


def test_steady_delay_is_rescued_sooner_than_varying_delay() -> None:
    estimate = Estimate(10.0)
    assert estimate.rescue_after_s() == pytest.approx(0.12)
    estimate.on_progress(10.0, 0.05, 0.02, 15.0, 1000, 50)
    estimate.rttvar_s = 0.001
    assert estimate.rescue_after_s() == pytest.approx(0.075)
    estimate.rttvar_s = 0.030
    assert estimate.rescue_after_s() == pytest.approx(0.09)
    estimate.srtt_s = estimate.rttvar_s = 0.001
    assert estimate.rescue_after_s() == pytest.approx(0.05)
