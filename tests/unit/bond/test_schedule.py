"""The choice of link, and the target."""

import pytest

from edgebox.bond.meter import Allowance, Rate
from edgebox.bond.path import Path, PathState
from edgebox.bond.schedule import choose, ranked, usable
from edgebox.bond.target import DRAIN_S, DRAIN_SHARE, FLOOR_BPS, SHARE, Target


def path(link: int, base_s: float, rate_bps: float) -> Path:
    one = Path(link, link, 0.0)
    for step in range(20):
        at = step * 0.01
        one.estimate.on_progress(at, 2 * base_s, base_s, at, step * 10_000, 50)
    one.estimate.capacity_bps = rate_bps
    one.estimate.starting = False
    return one


def test_earliest_arrival_wins() -> None:
    fast, slow = path(0, 0.02, 4e6), path(1, 0.04, 8e6)
    assert choose([slow, fast], 1200, 1.0) is fast
    fast.ready_at = 1.1
    assert choose([slow, fast], 1200, 1.0) is slow


def test_frame_stays_on_its_link_when_that_costs_little() -> None:
    one, other = path(0, 0.020, 4e6), path(1, 0.022, 4e6)
    assert choose([one, other], 1200, 1.0, stay_on=1) is other
    far = path(2, 0.030, 4e6)
    assert choose([one, far], 1200, 1.0, stay_on=2) is one


def test_last_link_is_never_gated() -> None:
    up, suspect, down = path(0, 0.02, 1e6), path(1, 0.02, 1e6), path(2, 0.02, 1e6)
    suspect.state, down.state = PathState.SUSPECT, PathState.DOWN
    assert usable([up, suspect, down]) == [up]
    assert usable([suspect, down]) == [suspect]
    assert usable([down]) == [down]
    down.attached = False
    assert usable([down]) == []
    assert choose([], 1200, 1.0) is None


def test_two_best_links_come_first() -> None:
    links = [path(0, 0.05, 1e6), path(1, 0.02, 1e6), path(2, 0.03, 1e6)]
    assert [one.link for one in ranked(links, 1.0)] == [1, 2, 0]


def settled(target: Target, paths: list[Path], urgent_bps: float = 0.0) -> float:
    bps = 0.0
    for step in range(2000):
        bps = target.update(paths, urgent_bps, 0, step * 0.1)
    return bps


def test_target_is_a_share_of_all_links() -> None:
    paths = [path(0, 0.02, 2e6), path(1, 0.04, 1e6)]
    assert settled(Target(0.0), paths, 100_000) == pytest.approx(SHARE * 3e6 - 100_000)


def test_target_falls_at_once_and_rises_slowly() -> None:
    one = path(0, 0.02, 2e6)
    target = Target(0.0)
    settled(target, [one])
    one.estimate.capacity_bps = 1.9e6
    assert target.update([one], 0, 0, 200.1) == pytest.approx(SHARE * 1.9e6)
    one.estimate.capacity_bps = 4e6
    assert target.update([one], 0, 0, 201.1) <= SHARE * 1.9e6 * 1.151


def test_target_drains_what_waits() -> None:
    one = path(0, 0.02, 2e6)
    target = Target(0.0)
    before = settled(target, [one])
    assert target.update([one], 0, 20_000, 200.1) == pytest.approx(before - 20_000 * 8 / DRAIN_S)


def test_long_queue_leaves_a_share_of_the_picture() -> None:
    one = path(0, 0.02, 2e6)
    target = Target(0.0)
    before = settled(target, [one])
    assert target.update([one], 0, 180_000, 200.1) == pytest.approx(DRAIN_SHARE * before)


def test_what_only_a_burst_showed_is_not_counted() -> None:
    one = path(0, 0.02, 20e6)
    # It has delivered 8 Mbit/s at most.
    assert settled(Target(0.0), [one]) == pytest.approx(SHARE * 12e6, rel=0.01)


def test_target_rises_from_almost_nothing_within_seconds() -> None:
    one = path(0, 0.02, 60_000)
    target = Target(0.0)
    assert settled(target, [one]) == pytest.approx(SHARE * 60_000)
    one.estimate.capacity_bps = 4e6
    for step in range(20):
        bps = target.update([one], 0, 0, 200.1 + step * 0.1)
    assert bps > 300_000


def test_satellite_does_not_count_beside_a_good_link() -> None:
    near, far = path(0, 0.02, 2e6), path(1, 0.3, 10e6)
    assert settled(Target(0.0), [near, far]) == pytest.approx(SHARE * 2e6)
    starved = path(2, 0.02, 0.3e6)
    assert settled(Target(0.0), [starved, far]) == pytest.approx(SHARE * 10.3e6)


def test_without_links_the_floor_remains() -> None:
    one = path(0, 0.02, 2e6)
    one.state = PathState.DOWN
    assert settled(Target(0.0), [one]) == FLOOR_BPS


def test_allowance_is_a_share_of_what_was_sent() -> None:
    one = Allowance(0.25, 1000)
    assert one.spend(1000)
    assert not one.spend(1)
    one.earn(400)
    assert one.spend(100)
    assert not one.spend(1)
    one.earn(1_000_000)
    assert one.left == 1000


def test_rate_is_of_the_last_second() -> None:
    rate = Rate()
    for step in range(30):
        rate.add(125, step * 0.1 + 0.05)
    assert rate.bps(2.99) == pytest.approx(10_000)
    assert rate.bps(10.0) == 0.0
