"""Nobody beats the bound: ours and every rival, in the same run, at every delay."""

import dataclasses
import math

import pytest

from edgebox.sim.bond_run import run
from edgebox.sim.bound import percentile_s
from edgebox.sim.contenders import contenders
from edgebox.sim.regimes import Regime, regimes, seeds_of
from edgebox.sim.rtp_stream import percentile

ROUNDING_S = 0.001
"""Percentiles of the bound are whole milliseconds, rounded down; so is this comparison."""
LIMITS_MS = (10, 20, 30, 40, 50, 60, 80, 100, 150, 250, 400, 1000, 3000)
SECONDS = 8.0
REGIMES = {regime.name: regime for regime in regimes("development", None)}


def shortened(regime: Regime) -> Regime:
    """Its faults and all, in the first seconds."""
    factor = SECONDS / regime.scenario.duration_s
    scenario = dataclasses.replace(
        regime.scenario,
        duration_s=SECONDS,
        script=tuple((at * factor, action) for at, action in regime.scenario.script),
    )
    return dataclasses.replace(regime, scenario=scenario)


@pytest.mark.parametrize(
    "name",
    [
        "steady 4+3+2",
        "LTE driving, bursts, blackout",
        "400 kbit/s left for 10 s",
        "weak 1 Mbit/s",
        "urban, adaptive",
        "satellite, handover every 15 s",
        "Wi-Fi, jitter and bursts",
    ],
)
def test_nobody_beats_the_bound(name: str) -> None:
    regime = shortened(REGIMES[name])
    seed = seeds_of("development", 1)[0]
    for contender in contenders(regime.weights):
        result = run(regime.scenario, seed, contender)
        frames = result.video.window(result.start, result.end)
        bound = result.bound()
        for frame, least_s in zip(frames, bound.alone_s, strict=True):
            assert frame.delay_s >= least_s - 1e-6, (contender.name, frame)
        delays_s = [frame.delay_s for frame in frames]
        for limit_ms in LIMITS_MS:
            done = sum(delay_s <= limit_ms / 1000 for delay_s in delays_s)
            assert done <= bound.within(limit_ms / 1000 + 1e-6), (contender.name, limit_ms)
        for share in (0.5, 0.95, 0.99):
            reached_s = percentile(delays_s, share)
            assert math.isinf(reached_s) or percentile_s([bound], share) <= reached_s + ROUNDING_S
