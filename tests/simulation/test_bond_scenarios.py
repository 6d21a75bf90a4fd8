"""Every scenario in virtual time: what must never happen, and what a vehicle may expect.

A failure names its seed; `make simulate SEED=n` plays it again. The bounds leave room for other
seeds than those tried here: they say what is promised, not what is usual.
"""

import math
from functools import cache

import pytest

from edgebox.sim.bond_run import Result, run
from edgebox.sim.scenarios import SCENARIOS

SEEDS = (1,)
NAMES = [scenario.name for scenario in SCENARIOS]


@cache
def played(name: str, seed: int) -> Result:
    return run(next(one for one in SCENARIOS if one.name == name), seed)


def gap_ms(result: Result, start_s: float, end_s: float) -> float:
    """Longest time without a new frame in this part of the run."""
    at = result.start
    return 1e3 * result.video.longest_gap_s(at + start_s, at + end_s)


def missing(result: Result, start_s: float, end_s: float) -> float:
    """Share of frames of this part that never came."""
    frames = result.video.window(result.start + start_s, result.start + end_s)
    return sum(math.isinf(frame.delay_s) for frame in frames) / len(frames)


def target_bps(result: Result, at_s: float) -> float:
    """What the encoder had been told by then."""
    return [bps for at, bps in result.targets if at <= result.start + at_s][-1]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", NAMES)
def test_invariants_hold(name: str, seed: int) -> None:
    """`run` raises when one breaks: nothing twice, queues bounded, never all links gated."""
    result = played(name, seed)
    assert result.video.frames


def test_same_seed_same_run() -> None:
    scenario = SCENARIOS[0]
    assert run(scenario, 5).delays_ms() == run(scenario, 5).delays_ms()


@pytest.mark.parametrize("seed", SEEDS)
def test_steady_links_lose_nothing_and_copy_little(seed: int) -> None:
    result = played("steady", seed)
    assert result.late() < 0.01
    assert missing(result, 0, 20) == 0
    assert result.extra < 0.04
    assert result.rate_bps() > 2_700_000


@pytest.mark.parametrize("seed", SEEDS)
def test_session_start_reaches_its_rate_within_three_seconds(seed: int) -> None:
    assert target_bps(played("steady", seed), 2.5) > 2_500_000


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["reverse only dies", "cut and back", "best link cut"])
def test_no_link_takes_the_picture_along(name: str, seed: int) -> None:
    result = played(name, seed)
    assert gap_ms(result, 3, 20) <= 200
    assert missing(result, 3, 20) < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_cut_at_sixty_percent_load_stops_the_picture_for_150_ms_at_most(seed: int) -> None:
    result = played("best link cut, 60 % load", seed)
    assert gap_ms(result, 3, 20) <= 150
    assert missing(result, 3, 20) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_acknowledgements_find_the_link_that_is_left(seed: int) -> None:
    """They went over the two best, and those die together."""
    result = played("two of three die at once", seed)
    assert gap_ms(result, 3, 20) <= 250
    assert missing(result, 3, 20) < 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_sound_survives_a_cut(seed: int) -> None:
    result = played("best link cut", seed)
    assert result.audio_sent >= 1000
    assert result.audio_late <= 5


@pytest.mark.parametrize("seed", SEEDS)
def test_random_loss_is_repaired(seed: int) -> None:
    result = played("2 % loss", seed)
    assert missing(result, 0, 20) < 0.005
    assert result.late(200) < 0.02
    assert result.extra < 0.13  # sound on two links and all control included


@pytest.mark.parametrize("seed", SEEDS)
def test_step_down_is_told_at_once_and_does_not_freeze(seed: int) -> None:
    result = played("2.5 to 1 Mbit/s", seed)
    assert target_bps(result, 7.9) > 1_500_000
    assert target_bps(result, 8.35) < 1_250_000
    assert gap_ms(result, 7, 20) < 400
    assert max(delay for delay in result.delays_ms() if not math.isinf(delay)) < 600


@pytest.mark.parametrize("seed", SEEDS)
def test_picture_is_back_after_ten_seconds_without_any_link(seed: int) -> None:
    result = played("all dead for 10 s", seed)
    back = result.video.window(result.start + 16.0, result.end)
    assert sum(frame.arrived == frame.packets for frame in back) > 0.98 * len(back)


@pytest.mark.parametrize("seed", SEEDS)
def test_replayed_packets_do_nothing(seed: int) -> None:
    result = played("old packets replayed", seed)
    assert result.hub is not None
    assert result.hub.counters.replayed >= 1000
    assert result.late() < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_slow_link_does_not_slow_the_fast_one(seed: int) -> None:
    result = played("satellite and a thin link", seed)
    assert result.late() < 0.02


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "name", ["all ports rebound", "reordering and copies", "asymmetric links", "a link flaps"]
)
def test_picture_hardly_notices(name: str, seed: int) -> None:
    result = played(name, seed)
    assert gap_ms(result, 1, 20) <= 250
    assert missing(result, 1, 20) < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_two_links_that_are_one_do_little_harm(seed: int) -> None:
    """They are counted twice until a queue shows it: see the decision about shared bottlenecks."""
    adaptive = played("two links in one cell", seed)
    assert adaptive.late() < 0.06
    assert adaptive.rate_bps() > 3_400_000
    assert played("two links in one cell, 3.5 Mbit/s", seed).late() < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_link_that_takes_small_packets_only_loses_few_frames(seed: int) -> None:
    assert missing(played("a link takes small packets only", seed), 0, 20) < 0.02


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "away_s"),
    [
        ("box suspended for 2 s", 2.0),
        ("hub suspended for 1 s", 1.0),
        ("box stopped for 0.3 s", 0.3),
    ],
)
def test_picture_is_back_at_once_after_an_end_was_away(name: str, away_s: float, seed: int) -> None:
    result = played(name, seed)
    assert gap_ms(result, 1, 20) <= 1000 * away_s + 150
    assert missing(result, 8 + away_s + 1, 20) < 0.1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "over_s"),
    [
        ("box suspended for 2 s", 2.0),
        ("hub stopped for 0.5 s", 0.5),
        ("box stopped for 0.3 s", 0.3),
        ("hub's clock jumps 3 s", 0.0),
        ("box's clock jumps 20 s", 0.0),
    ],
)
def test_encoders_keep_their_rate_when_a_clock_jumps_or_an_end_was_away(
    name: str, over_s: float, seed: int
) -> None:
    """A clock that is off is no queue, and our own silence no fault of the links."""
    result = played(name, seed)
    before_bps = target_bps(result, 7.9)
    assert target_bps(result, 8.0 + over_s + 1.0) > 0.6 * before_bps
    told = [bps for at, bps in result.targets if at > result.start + 8.0 + over_s + 1.0]
    assert min(told) > 0.6 * before_bps
    later = result.video.window(result.start + 8.0 + over_s + 1.0, result.end)
    assert sum(frame.delay_s > 0.15 for frame in later) < 0.05 * len(later)
