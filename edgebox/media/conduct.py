"""What a page may ask on its data channel, and how much of it (no I/O, told the time)."""

import math
from collections.abc import Collection, Mapping
from typing import Literal

from edgebox.media.data_messages import (
    Draw,
    Erase,
    Focus,
    FromPage,
    Move,
    Picture,
    Point,
    Show,
    TakeStill,
    Write,
    Zoom,
)
from edgebox.roles import Rights

Reason = Literal["not-allowed", "not-found", "busy", "failed"]

ALLOWANCES: Mapping[type[FromPage], tuple[float, float]] = {
    Focus: (2.0, 6.0),
    Point: (40.0, 80.0),
    Draw: (40.0, 80.0),
    Erase: (2.0, 6.0),
    TakeStill: (0.5, 3.0),
    Zoom: (20.0, 40.0),
    Move: (20.0, 40.0),
    Write: (0.5, 4.0),
    Show: (0.2, 2.0),
}
"""Of each kind: so many a second, and so many at once. A hand needs no more."""
EXCESS_MAX = 200.0
EXCESS_PER_S = 10.0
"""What goes beyond is dropped; who goes on sending so much of it is cut off."""
MALFORMED_COSTS = 20.0
"""Our pages send nothing of the kind."""


class Conduct:
    """Of one person, however many pages they open."""

    def __init__(self) -> None:
        self._left: dict[type[FromPage], tuple[float, float]] = {}
        self._excess = 0.0
        self._excess_at = -math.inf

    def take(self, kind: type[FromPage], now: float) -> bool:
        """One more of this kind; False if it is too many."""
        per_s, burst = ALLOWANCES[kind]
        left, at = self._left.get(kind, (burst, now))
        left = min(burst, left + (now - at) * per_s)
        allowed = left >= 1.0
        self._left[kind] = (left - 1.0 if allowed else left, now)
        if not allowed:
            self._exceed(1.0, now)
        return allowed

    def malformed(self, now: float) -> None:
        """What came was no message at all."""
        self._exceed(MALFORMED_COSTS, now)

    def is_flood(self, now: float) -> bool:
        """Nothing more shall be heard from this person for now."""
        return self._excess_now(now) > EXCESS_MAX

    def _exceed(self, by: float, now: float) -> None:
        self._excess, self._excess_at = self._excess_now(now) + by, now

    def _excess_now(self, now: float) -> float:
        if self._excess_at == -math.inf:
            return 0.0
        return max(0.0, self._excess - (now - self._excess_at) * EXCESS_PER_S)


def refusal(
    message: FromPage | Picture, rights: Rights, visible: Collection[str], *, hidden: bool
) -> Reason | None:
    """Why it is not done. `visible`: cameras that are sent and that this person may see."""
    if not rights.guides:
        return "not-allowed"
    if message.camera not in visible:
        return "not-found"
    if hidden and isinstance(message, TakeStill):
        return "not-allowed"
    return None
