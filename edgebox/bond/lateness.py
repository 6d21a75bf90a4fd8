"""Which datagrams came late, for the counters: compared with the fastest of the last seconds.

The ends' clocks need not agree.
"""

from edgebox.bond.wire import Data, difference, microseconds

LATE_S = 0.150
"""Longer than the fastest datagrams by this: counted as late."""


class Lateness:
    """Of one direction."""

    __slots__ = ("_least_us", "_next_us")

    def __init__(self) -> None:
        self._least_us: int | None = None
        self._next_us: int | None = None

    def is_late(self, data: Data, now: float) -> bool:
        """`now`: when it came, by our clock."""
        delay = (microseconds(now) - data.sent_us) % (1 << 32)
        least = self._least_us
        if least is None or difference(delay, least) < 0:
            self._least_us = least = delay
        if self._next_us is None or difference(delay, self._next_us) < 0:
            self._next_us = delay
        return difference(delay, least) / 1e6 + data.age / 1e4 > LATE_S

    def keep_house(self) -> None:
        """A second has passed: what was before it counts no more."""
        self._least_us, self._next_us = self._next_us, None
