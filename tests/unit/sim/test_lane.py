"""One direction of a simulated link, with made-up time."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.sim.lane import HEADER_BYTES, Lane, LaneSettings, replaced
from edgebox.sim.traces import Trace, generate_trace, parse_trace

SIZE = 1000 - HEADER_BYTES
"""A datagram that is 1000 bytes on the link: 1 ms at 8 Mbit/s."""


def lane(settings: LaneSettings, trace: Trace | None = None, seed: int = 1) -> Lane[int]:
    return Lane(settings, random.Random(seed), 0.0, trace)


def drain(one: Lane[int], until: float = 1e9) -> list[tuple[float, int]]:
    """Wake it whenever it asks; what came out and when."""
    out: list[tuple[float, int]] = []
    while (at := one.next_at()) is not None and at <= until:
        out += [(at, item) for item in one.take(at)]
    return out


def times_ms(out: Sequence[tuple[float, int]]) -> list[float]:
    return [round(at * 1000, 3) for at, _ in out]


def test_constant_rate_spaces_a_burst_and_adds_the_delay() -> None:
    one = lane(LaneSettings(rate_bps=8_000_000, delay_ms=20))
    for item in range(3):
        one.offer(item, SIZE, 0.0)
    assert one.take(0.0209) == []
    assert times_ms(drain(one)) == [21, 22, 23]
    one.offer(3, SIZE, 1.0)
    assert times_ms(drain(one)) == [1021]
    assert one.counters.passed == 4
    assert one.counters.passed_bytes == 4 * SIZE


def test_unlimited_only_delays() -> None:
    one = lane(LaneSettings(delay_ms=5))
    one.offer(0, SIZE, 0.0)
    one.offer(1, SIZE, 0.001)
    assert times_ms(drain(one)) == [5, 6]
    assert one.next_at() is None


def test_full_queue_drops_the_last() -> None:
    one = lane(LaneSettings(rate_bps=80_000, queue_bytes=3_000))
    for item in range(5):
        one.offer(item, SIZE, 0.0)
    assert one.queued_bytes == 3_000
    assert [item for _, item in drain(one)] == [0, 1, 2]
    assert one.counters.overflowed == 2
    assert one.queued_bytes == 0


def test_changed_rate_serves_what_waits() -> None:
    one = lane(LaneSettings(rate_bps=8_000))
    one.offer(0, SIZE, 0.0)
    one.offer(1, SIZE, 0.0)
    one.change(LaneSettings(rate_bps=8_000_000), 0.5)
    assert times_ms(drain(one)) == [501, 502]


def test_cut_swallows_what_is_inside_and_what_comes() -> None:
    one = lane(LaneSettings(rate_bps=8_000_000, delay_ms=500))
    for item in range(4):
        one.offer(item, SIZE, 0.0)
    one.take(0.0021)  # two are in flight now, two in the queue
    one.change(LaneSettings(rate_bps=8_000_000, delay_ms=500, cut=True), 0.0021)
    one.offer(4, SIZE, 0.1)
    assert drain(one) == []
    assert one.counters.cut == 5
    one.change(LaneSettings(delay_ms=1), 0.2)
    one.offer(5, SIZE, 0.2)
    assert times_ms(drain(one)) == [201]


def test_jitter_keeps_order_unless_told_otherwise() -> None:
    for reorder in (False, True):
        one = lane(LaneSettings(delay_ms=10, jitter_ms=50, reorder=reorder))
        for item in range(100):
            one.offer(item, SIZE, item * 0.001)
        order = [item for _, item in drain(one)]
        assert sorted(order) == list(range(100))
        assert (order == sorted(order)) is not reorder


def test_shorter_delay_does_not_overtake() -> None:
    one = lane(LaneSettings(delay_ms=100))
    one.offer(0, SIZE, 0.0)
    one.change(LaneSettings(delay_ms=1), 0.01)
    one.offer(1, SIZE, 0.01)
    assert drain(one) == [(0.1, 0), (0.1, 1)]


def test_trace_gives_one_opportunity_a_line() -> None:
    one = lane(LaneSettings(trace="t"), parse_trace(b"10\n10\n20\n"))
    for item in range(4):
        one.offer(item, 1500 - HEADER_BYTES, 0.0)
    assert times_ms(drain(one)) == [10, 10, 20, 30]


def test_rest_of_an_opportunity_serves_those_who_wait_only() -> None:
    trace = parse_trace(b"10\n20\n30\n")
    waiting = lane(LaneSettings(trace="t"), trace)
    for item in range(3):
        waiting.offer(item, 500 - HEADER_BYTES, 0.0)
    assert times_ms(drain(waiting)) == [10, 10, 10]
    late = lane(LaneSettings(trace="t"), trace)
    late.offer(0, 500 - HEADER_BYTES, 0.0)
    late.offer(1, 500 - HEADER_BYTES, 0.0101)
    assert times_ms(drain(late)) == [10, 20]


def test_large_datagram_needs_several_opportunities() -> None:
    one = lane(LaneSettings(trace="t"), parse_trace(b"10\n20\n30\n"))
    one.offer(0, 4000, 0.0)
    one.offer(1, 100, 0.0)
    assert times_ms(drain(one)) == [30, 30]


def test_trace_carries_its_mean_rate_under_load() -> None:
    trace = generate_trace(5, 3_000_000)
    one = lane(LaneSettings(trace="t", queue_bytes=100_000), trace)
    for step in range(60_000):
        now = step * 0.001
        one.offer(step, 1172, now)
        one.take(now)
    carried_bps = (one.counters.passed_bytes + HEADER_BYTES * one.counters.passed) * 8 / 60
    assert carried_bps == pytest.approx(trace.mean_bps, rel=0.02)


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 1), (0.05, 8), (0.4, 20), (1.0, 1), (0.5, 1)])
def test_loss_has_its_share_and_comes_in_runs(loss: float, burst: float) -> None:
    one = lane(LaneSettings(loss=loss, loss_burst=burst))
    lost = []
    for item in range(40_000):
        one.offer(item, SIZE, 0.0)
        lost.append(not one.take(0.0))
    assert sum(lost) / len(lost) == pytest.approx(loss, rel=0.15)
    assert one.counters.lost == sum(lost)
    runs = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    mean_run = sum(lost) / runs
    independent = 1 / (1 - loss) if loss < 1 else len(lost)
    assert mean_run == pytest.approx(max(burst, independent), rel=0.2)


def test_same_seed_loses_the_same() -> None:
    runs = []
    for _ in range(2):
        one = lane(LaneSettings(loss=0.3, jitter_ms=5), seed=9)
        for item in range(50):
            one.offer(item, SIZE, 0.0)
        runs.append(drain(one))
    assert runs[0] == runs[1]


def test_constant_rate_replaces_a_trace() -> None:
    traced = LaneSettings(trace="lte:1:1000000", delay_ms=5)
    assert replaced(traced, {"rate_bps": 10}) == LaneSettings(rate_bps=10, delay_ms=5)
    assert replaced(traced, {"loss": 0.5}).trace == traced.trace


settings = st.builds(
    LaneSettings,
    rate_bps=st.integers(0, 20_000_000),
    delay_ms=st.floats(0, 500),
    jitter_ms=st.floats(0, 500),
    reorder=st.booleans(),
    loss=st.floats(0, 1),
    loss_burst=st.floats(1, 50),
    queue_bytes=st.integers(3_000, 50_000),
    cut=st.booleans(),
)
steps = st.lists(
    st.tuples(st.floats(0, 0.1), st.one_of(st.integers(0, 65_000), settings)), max_size=60
)


@given(settings, steps)
def test_nothing_is_made_up_or_forgotten(
    first: LaneSettings, work: list[tuple[float, int | LaneSettings]]
) -> None:
    one = lane(first)
    now, offered, out = 0.0, 0, []
    for wait, step in work:
        now += wait
        if isinstance(step, int):
            one.offer(offered, step, now)
            offered += 1
        else:
            one.change(step, now)
        out += one.take(now)
        at = one.next_at()
        assert at is None or at > now
        assert one.queued_bytes <= 50_000
    out += [item for _, item in drain(one)]
    counters = one.counters
    assert len(out) == len(set(out)) == counters.passed
    assert offered == counters.passed + counters.lost + counters.overflowed + counters.cut
    assert one.queued_bytes == 0
