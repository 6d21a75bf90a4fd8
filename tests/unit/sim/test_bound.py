"""The bound against what can be worked out by hand or by trying everything."""

import itertools
import math
import random

import pytest

from edgebox.sim.bound import Bound, Load, Supply, percentile_s
from edgebox.sim.lane import LaneSettings
from edgebox.sim.traces import Trace, parse_trace

MBIT = LaneSettings(rate_bps=1_000_000, delay_ms=20)
"""125 bytes a millisecond."""


def load(at: float, size: int, packets: int = 1) -> Load:
    """A frame of equal packets."""
    return Load(at, size, packets, size / packets)


def bound_of(loads: list[Load], *links: LaneSettings) -> Bound:
    return Bound(loads, [[(0.0, settings, None)] for settings in links], 1000.0)


def test_one_packet_takes_its_time_on_the_line_and_the_delay() -> None:
    bound = bound_of([load(1.0, 1250)], MBIT)
    assert bound.alone_s == [pytest.approx(0.030, abs=1e-5)]
    assert bound.within(0.0299) == 0
    assert bound.within(0.0301) == 1


def test_frames_wait_for_those_before_them() -> None:
    bound = bound_of([load(1.0, 1250), load(1.0, 1250)], MBIT)
    assert [bound.within(limit) for limit in (0.031, 0.039, 0.041)] == [1, 1, 2]


def test_two_links_carry_a_frame_together_but_not_half_a_packet() -> None:
    assert bound_of([load(1.0, 2500, 2)], MBIT, MBIT).within(0.0301) == 1
    single = bound_of([load(1.0, 2500, 1)], MBIT, MBIT)
    assert single.within(0.0301) == 0
    assert single.within(0.0401) == 1


def test_link_slower_than_the_limit_is_no_help() -> None:
    slow = LaneSettings(rate_bps=100_000_000, delay_ms=300)
    bound = bound_of([load(1.0, 12_500, 10)], MBIT, slow)
    assert bound.within(0.110) == 0
    assert bound.within(0.301) == 1


def test_large_frame_is_left_out_for_two_small_ones() -> None:
    loads = [load(1.0, 5000), load(1.0, 1250), load(1.001, 1250)]
    assert bound_of(loads, MBIT).within(0.045) == 2


def test_nothing_leaves_during_a_cut_or_a_burst_of_loss() -> None:
    for fault in ({"cut": True}, {"loss": 1.0}):
        history = [
            (0.0, MBIT, None),
            (1.0, LaneSettings(rate_bps=1_000_000, delay_ms=20, **fault), None),
            (2.0, MBIT, None),
        ]
        bound = Bound([load(1.5, 1250), load(3.0, 1250)], [history], 10.0)
        assert bound.within(0.031) == 1
        assert bound.alone_s == [pytest.approx(0.530, abs=1e-5), pytest.approx(0.030, abs=1e-5)]


def test_supply_follows_rate_changes() -> None:
    history = [
        (0.0, LaneSettings(rate_bps=8000), None),
        (10.0, LaneSettings(rate_bps=16_000), None),
    ]
    supply = Supply(history, 100.0)
    assert [supply.until(at) for at in (0.0, 5.0, 10.0, 11.0)] == [0, 5000, 10_000, 12_000]
    assert supply.when(11_000) == pytest.approx(10.5)
    assert supply.when(1e9) == math.inf


def test_supply_of_a_trace_counts_its_opportunities() -> None:
    trace = parse_trace(b"10\n10\n20\n")
    supply = Supply([(5.0, LaneSettings(trace="t"), trace)], 6.0)
    assert [supply.until(5 + ms / 1000) for ms in (9, 10, 19.9, 20, 30)] == [
        0, 3000, 3000, 4500, 7500,
    ]  # fmt: skip
    assert supply.when(3001) == pytest.approx(5.020)


def test_longer_delay_from_some_moment_on() -> None:
    history = [
        (0.0, MBIT, None),
        (1.0, LaneSettings(rate_bps=1_000_000, delay_ms=100), None),
    ]
    supply = Supply(history, 10.0)
    assert supply.arrived(1.05) == pytest.approx(supply.until(1.0))
    assert supply.arrived(1.2) == pytest.approx(supply.until(1.1))


def test_percentile_is_the_least_delay_that_many_can_keep() -> None:
    bound = bound_of([load(1.0 + number, 1250) for number in range(10)], MBIT)
    assert percentile_s([bound], 0.5) == pytest.approx(0.029)
    never = Bound([load(1.0, 1250)], [[(0.0, LaneSettings(cut=True), None)]], 10.0)
    assert percentile_s([never], 0.5) == math.inf


def test_encoder_that_knows_the_future_fills_the_line() -> None:
    bound = bound_of([load(1.0 + number / 30, 1) for number in range(300)], MBIT)
    assert bound.rate_bytes(0.15, 1e9) == pytest.approx(1_250_000 * (10 / 10), rel=0.02)
    assert bound.rate_bytes(0.15, 1000) == pytest.approx(300_000)


def _fits(chosen: tuple[Load, ...], trace: Trace, limit_s: float) -> bool:
    """First come, first served, byte by byte, over one traced link without delay."""
    supply = Supply([(0.0, LaneSettings(trace="t"), trace)], 20.0)
    done = 0.0
    for one in chosen:
        done = max(done, supply.until(one.captured_at)) + one.wire_bytes
        if supply.until(one.captured_at + limit_s) < done:
            return False
    return True


@pytest.mark.parametrize("seed", range(30))
def test_largest_set_is_the_one_found_by_trying_all(seed: int) -> None:
    chance = random.Random(seed)
    moments = sorted(chance.randrange(1, 200) for _ in range(chance.randrange(3, 12)))
    trace = parse_trace("\n".join(map(str, [*moments, 200])).encode())
    loads = sorted(
        (load(chance.uniform(0, 0.3), chance.randrange(100, 4000)) for _ in range(6)),
        key=lambda one: one.captured_at,
    )
    limit_s = chance.uniform(0.01, 0.2)
    bound = Bound(loads, [[(0.0, LaneSettings(trace="t"), trace)]], 20.0)
    best = max(
        count
        for count in range(len(loads) + 1)
        for chosen in itertools.combinations(loads, count)
        if _fits(chosen, trace, limit_s)
    )
    assert bound.within(limit_s) == best
