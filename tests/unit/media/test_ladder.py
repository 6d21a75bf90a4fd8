"""What goes out when the links cannot carry all; time is a literal."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.ladder import (
    BACK,
    BELOW,
    FEW_FRAMES,
    LEVELS,
    RISE_MAX_S,
    STILLS,
    THUMBNAIL,
    Ladder,
    Level,
    Plan,
    Situation,
)
from edgebox.media.pipe import Form

TICK_S = 0.1


def situation(rate_bps: int, viewers: int = 1) -> Situation:
    return Situation(rate_bps, ("a",), ("b",), {"a": viewers, "b": viewers})


def run(ladder: Ladder, rate_bps: int, start: float, seconds: float) -> Plan:
    """As the bond speaks: ten times a second."""
    plan = Plan("nothing", {})
    for step in range(max(1, round(seconds / TICK_S) + 1)):
        plan = ladder.update(situation(rate_bps), start + step * TICK_S)
    return plan


@pytest.mark.parametrize(
    ("rate_bps", "level", "main", "thumbnail"),
    [
        (2_000_000, "full", Form(), THUMBNAIL),
        (800_000, "reduced", Form(), THUMBNAIL),
        (400_000, "main-only", Form(), None),
        (200_000, "few-frames", FEW_FRAMES, None),
        (60_000, "stills", STILLS, None),
        (20_000, "sound-only", None, None),
        (0, "sound-only", None, None),
    ],
)
def test_what_each_rate_carries(
    rate_bps: int, level: str, main: Form | None, thumbnail: Form | None
) -> None:
    plan = run(Ladder(), rate_bps, 100.0, 2.0)
    assert plan.level == level
    made = {camera: picture.form for camera, picture in plan.pictures.items()}
    assert made == {
        camera: form for camera, form in (("a", main), ("b", thumbnail)) if form is not None
    }
    assert sum(picture.bitrate_bps for picture in plan.pictures.values()) <= rate_bps


def test_the_rate_is_obeyed_at_once_whatever_the_level() -> None:
    ladder = Ladder()
    run(ladder, 2_000_000, 0.0, 1.0)
    plan = ladder.update(situation(150_000), 1.1)
    assert sum(picture.bitrate_bps for picture in plan.pictures.values()) <= 150_000
    assert "b" not in plan.pictures, "thumbnails go first"


def test_a_short_dip_changes_no_size() -> None:
    ladder = Ladder()
    run(ladder, 2_000_000, 0.0, 1.0)
    assert ladder.update(situation(100_000), 1.1).pictures["a"].form == Form()
    assert ladder.update(situation(2_000_000), 1.2).pictures["a"].form == Form()


def test_while_a_queue_drains_pictures_pause_and_go_on_as_they_were() -> None:
    ladder = Ladder()
    run(ladder, 2_000_000, 0.0, 1.0)
    for step in range(4):
        plan = ladder.update(situation(8_000), 1.1 + step * TICK_S)
        assert {camera: one.bitrate_bps for camera, one in plan.pictures.items()} == {"a": 0}
        assert plan.pictures["a"].form == Form()
    assert ladder.update(situation(700_000), 1.5).pictures["a"].form == Form()


def test_a_rate_that_grows_is_followed_up_to_where_it_is() -> None:
    ladder = Ladder()
    run(ladder, 10_000, 0.0, 5.0)
    rate_bps, now = 10_000.0, 5.1
    while rate_bps < 1_500_000:
        ladder.update(situation(int(rate_bps)), now)
        rate_bps, now = rate_bps * 1.25, now + TICK_S
    assert ladder.level != "sound-only"
    assert run(ladder, 1_500_000, now, 0.5).level == "full"


def test_all_comes_back_within_a_second_of_the_rate() -> None:
    ladder = Ladder()
    run(ladder, 10_000, 0.0, 30.0)
    assert ladder.level == "sound-only"
    plan = run(ladder, 2_500_000, 30.1, 0.9)
    assert plan.level == "full"
    assert set(plan.pictures) == {"a", "b"}


def test_everybody_who_watches_costs() -> None:
    ladder = Ladder()
    for step in range(20):
        plan = ladder.update(situation(1_200_000, viewers=3), step * TICK_S)
    assert plan.level == "main-only"
    assert plan.pictures["a"].bitrate_bps == 400_000


def test_without_cameras_there_is_nothing_to_decide() -> None:
    assert Ladder().update(Situation(1_000_000, ()), 0.0) == Plan("sound-only", {})


@pytest.mark.parametrize("level", list(BELOW))
def test_between_the_two_thresholds_nothing_changes(level: Level) -> None:
    assert ("all", *BELOW) == LEVELS
    between = (BELOW[level] + BACK[level]) // 2
    ladder = Ladder()
    run(ladder, BELOW[level] - 1, 0.0, 3.0)
    assert ladder.level == level
    run(ladder, between, 3.1, 20.0)
    assert ladder.level == level
    run(ladder, BACK[level], 24.0, 4.0)
    above = ladder.level
    assert above != level
    run(ladder, between, 29.0, 20.0)
    assert ladder.level == above


def changes(rates: list[tuple[float, int]]) -> list[float]:
    """When the level changed."""
    ladder = Ladder()
    found, level = [], ladder.level
    for now, rate_bps in rates:
        ladder.update(situation(rate_bps), now)
        if ladder.level != level:
            level = ladder.level
            found.append(now)
    return found


def test_a_rate_that_swings_makes_the_picture_swing_ever_less() -> None:
    swinging = [(step * TICK_S, 900_000 if step // 10 % 2 else 350_000) for step in range(600)]
    at = changes(swinging)
    assert len([one for one in at if one < 10.0]) <= 6
    assert not [one for one in at if one > 20.0]


@given(st.lists(st.integers(0, 3_000_000), min_size=2, max_size=200))
def test_no_sequence_of_rates_rises_twice_within_the_hold(rates: list[int]) -> None:
    ladder = Ladder()
    places = [0]
    for step, rate_bps in enumerate(rates):
        plan = ladder.update(situation(rate_bps), step * TICK_S)
        assert sum(one.bitrate_bps for one in plan.pictures.values()) <= max(2, rate_bps)
        places.append(LEVELS.index(ladder.level))
    rises = [step for step, (old, new) in enumerate(itertools.pairwise(places)) if new < old]
    assert all(later - earlier >= 4 for earlier, later in itertools.pairwise(rises))


def test_the_wait_before_a_rise_has_an_end() -> None:
    ladder = Ladder()
    for cycle in range(10):
        run(ladder, 100_000, cycle * 8.0, 3.0)
        run(ladder, 2_000_000, cycle * 8.0 + 3.1, 4.5)
        assert ladder.level == "all", f"not back after {RISE_MAX_S} s"
