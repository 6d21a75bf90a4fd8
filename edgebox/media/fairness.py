"""What several viewers get whose own connections differ (no I/O, told the time).

Each picture is encoded once, so all who get all of it get it at one rate. That rate is what the
slowest of them can take, but nobody holds the others below half of what the best can take: who
could only take less than that gets single pictures of the main camera instead, and the sound.
"Best" is the best of those who treat (roles that guide); an observer's fast line turns no doctor's
picture into single ones. Somebody alone has only their own connection to suffer from.

An estimate says nothing about what was not sent. So who got single pictures is tried again after a
while, which doubles each time it goes wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

HELD_DOWN_MOST = 0.5
TRY_AGAIN_S, TRY_AGAIN_MAX_S = 5.0, 60.0
STEADY_S = 20.0
"""Who has kept up for this long after a try starts with TRY_AGAIN_S again."""
SINGLE_EVERY_S = 3.0


@dataclass(frozen=True, slots=True)
class Line:
    """One viewer's connection."""

    cap_bps: float
    """What it can take (share.ViewerLimit); infinite if it sets no limit."""
    guides: bool
    """They treat, and are what the others are measured by."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What follows."""

    each_bps: float
    """Send nobody more than this, all pictures together; infinite if nobody sets a limit."""
    slow: frozenset[str]
    """These get single pictures."""


@dataclass(slots=True)
class _Trial:
    wait_s: float
    until: float
    """Slow until then; in the past: tried again at that time."""


class Fairness:
    """Call `update` about once a second."""

    def __init__(self) -> None:
        self._trials: dict[str, _Trial] = {}

    def update(self, lines: Mapping[str, Line], each_bps: float, now: float) -> Terms:
        """`each_bps`: what the links would let each viewer have."""
        self._trials = {one: trial for one, trial in self._trials.items() if one in lines}
        trying = {
            one: line
            for one, line in lines.items()
            if one not in self._trials or now >= self._trials[one].until
        }
        if not trying:  # somebody must set the rate
            trying = dict(lines)
        measure = [line for line in trying.values() if line.guides] or list(trying.values())
        best_bps = min(each_bps, max((line.cap_bps for line in measure), default=math.inf))
        fits_bps = best_bps * HELD_DOWN_MOST
        for one in [one for one, line in trying.items() if line.cap_bps < fits_bps]:
            del trying[one]
            self._fail(one, now)
        slowest_bps = min((line.cap_bps for line in trying.values()), default=math.inf)
        return Terms(slowest_bps, frozenset(lines.keys() - trying.keys()))

    def _fail(self, one: str, now: float) -> None:
        trial = self._trials.get(one)
        if trial is None or now - trial.until > STEADY_S:
            trial = self._trials[one] = _Trial(TRY_AGAIN_S, now)
        else:
            trial.wait_s = min(TRY_AGAIN_MAX_S, trial.wait_s * 2)
        trial.until = now + trial.wait_s


def single_every_s(keyframe_bits: int, cap_bps: float) -> float:
    """How far apart single pictures of this size are for a line that takes so much."""
    return max(SINGLE_EVERY_S, keyframe_bits / max(1.0, cap_bps * HELD_DOWN_MOST))
