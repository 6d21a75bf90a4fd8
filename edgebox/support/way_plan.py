"""When technical help needs a way to the hub of its own. No I/O, told the time.

The bridge of the box's broker is believed when it is said to be down, and when it is said to be up
only if the hub answers over it: one that died in silence goes on being called up. A way of its own
is left again when the bridge has been well for a while: one that comes and goes is no way.
"""

import math

BAD_S = 1.5
"""So long a broker or bridge is away before anything is done: both are often back at once."""
SILENT_S = 8.0
"""Two questions to the hub that got no answer."""
STEADY_S = 10.0


class WayPlan:
    """Of one box."""

    def __init__(self) -> None:
        self.is_open = False
        """Whether a way of its own is wanted now."""
        self.bridge_works = False
        self._needed = False
        self._answered_at = -math.inf
        self._bad_since = math.inf
        self._good_since = math.inf

    def answered(self, now: float) -> None:
        """The hub answered over the bridge."""
        self._answered_at = now

    def update(self, now: float, *, needed: bool, broker: bool, bridge: bool | None) -> bool:
        """Whether it shall be open. `needed`: help is asked for, or somebody is in."""
        if not needed:
            self.is_open = self._needed = False
            self._bad_since = self._good_since = math.inf
            return False
        if not self._needed:
            # The hub is given its time to answer for the first time.
            self._needed, self._answered_at = True, max(self._answered_at, now)
        there = broker and bridge is not False
        self.bridge_works = there and now - self._answered_at <= SILENT_S
        self._bad_since = math.inf if there else min(self._bad_since, now)
        self._good_since = min(self._good_since, now) if self.bridge_works else math.inf
        if self.is_open:
            self.is_open = now - self._good_since < STEADY_S
        else:
            silent = there and not self.bridge_works
            self.is_open = silent or now - self._bad_since >= BAD_S
        return self.is_open
