"""The search for the size that passes, against a link that lets some sizes through."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.mtu import (
    CEILING,
    HOLE_PACKETS,
    LADDER,
    RAISE_S,
    RETRY_S,
    SAFE,
    STEP,
    TRIES,
    MtuSearch,
)


def search(mtu: MtuSearch, passes: int, now: float, seconds: float) -> tuple[float, list[int]]:
    """Answer its probes as a link that lets `passes` bytes through; returns time and probes."""
    probes = []
    for _ in range(round(seconds / 0.1)):
        now += 0.1
        size = mtu.probe(now)
        if not size:
            continue
        probes.append(size)
        if size <= passes:
            mtu.on_acked(size, now)
        else:
            mtu.on_lost(size, now, is_probe=True)
    return now, probes


def test_starts_at_what_passes_everywhere() -> None:
    assert MtuSearch(5.0).size == SAFE < 1280 - 48


def test_wide_link_is_found_with_one_probe() -> None:
    mtu = MtuSearch(5.0)
    _, probes = search(mtu, 9000, 5.0, 20)
    assert mtu.size == CEILING
    assert probes == [CEILING]


@given(st.integers(SAFE, CEILING))
def test_search_ends_close_below_what_passes(passes: int) -> None:
    mtu = MtuSearch(5.0)
    _, probes = search(mtu, passes, 5.0, 40)
    assert passes - STEP <= mtu.size <= passes
    assert len(probes) <= 6 * TRIES


def test_probe_without_any_word_is_lost_after_a_while() -> None:
    mtu = MtuSearch(0.0)
    first = mtu.probe(1.0)
    assert first
    assert not mtu.probe(1.5)
    assert mtu.probe(2.1) == first


def test_black_hole_is_found_and_left_then_searched_anew() -> None:
    mtu = MtuSearch(0.0)
    now, _ = search(mtu, CEILING, 0.0, 2)
    for n in range(HOLE_PACKETS):
        now += 0.1
        fell = mtu.on_lost(1400, now, is_probe=False)
        assert fell == (n == HOLE_PACKETS - 1)
        mtu.on_acked(300, now + 0.01)
    assert mtu.size == SAFE
    now, probes = search(mtu, 1300, now, RETRY_S - 1)
    assert not probes
    search(mtu, 1300, now, 40)
    assert 1300 - STEP <= mtu.size <= 1300


def test_below_the_assumed_size_it_goes_down_the_ladder() -> None:
    mtu = MtuSearch(0.0)
    now = 0.0
    for step in LADDER[1:]:
        while mtu.size > step:
            now += 0.1
            mtu.on_lost(mtu.size, now, is_probe=False)
            mtu.on_acked(100, now + 0.01)
        assert mtu.size == step
    for _ in range(50):
        now += 0.1
        assert not mtu.on_lost(LADDER[-1], now, is_probe=False)
    assert mtu.size == LADDER[-1]


def test_loss_of_small_and_large_alike_is_no_black_hole() -> None:
    mtu = MtuSearch(0.0)
    now, _ = search(mtu, CEILING, 0.0, 2)
    for _ in range(50):
        now += 0.1
        assert not mtu.on_lost(1400, now, is_probe=False)
        mtu.on_acked(1400, now + 0.01)
    assert mtu.size == CEILING


def test_lost_probes_are_no_black_hole() -> None:
    mtu = MtuSearch(0.0)
    search(mtu, SAFE, 0.0, 60)
    assert mtu.size == SAFE


def test_ceiling_is_tried_again() -> None:
    mtu = MtuSearch(0.0)
    now, _ = search(mtu, 1300, 0.0, 40)
    now, probes = search(mtu, 9000, now, RAISE_S + 20)
    assert mtu.size == CEILING
    assert probes == [CEILING]


def test_size_our_own_system_refuses_is_left_at_once() -> None:
    mtu = MtuSearch(0.0)
    now, _ = search(mtu, CEILING, 0.0, 2)
    assert mtu.on_refused(1400, now)
    assert mtu.size == SAFE
    assert mtu.on_refused(SAFE, now)
    assert mtu.size == LADDER[1]
    assert not mtu.on_refused(SAFE, now)


def test_outage_is_no_black_hole() -> None:
    mtu = MtuSearch(0.0)
    now, _ = search(mtu, CEILING, 0.0, 2)
    for n in range(80):
        assert not mtu.on_lost(1200, now + n * 0.005, is_probe=False)
    mtu.on_acked(300, now + 0.5)
    assert mtu.size == CEILING
