"""Which refusals are written down: a flood must not fill the disk. No I/O, told the time."""

from collections import deque

REFUSALS_MAX = 20
REFUSALS_S = 600.0
"""No more refusals than this are written in this time."""


class Refusals:
    """Of one box."""

    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=REFUSALS_MAX)
        self._untold = 0

    def take(self, now: float) -> str | None:
        """What is to be added to this one about those before it; None: it is not written."""
        if len(self._at) == REFUSALS_MAX and now - self._at[0] < REFUSALS_S:
            self._untold += 1
            return None
        self._at.append(now)
        more = f", {self._untold} more before it" if self._untold else ""
        self._untold = 0
        return more
