"""Whether the hub can be reached, told the time.

The hub counts while it answers: the broker's word on its bridge is only believed when it is bad,
because a connection that died in silence goes on standing.
"""

from edgebox.panel.view import HubState

FRESH_S = 7.5
"""Two questions unanswered (service.HUB_ASK_EVERY_S) and some delay."""
DOUBLED_S = 60.0
"""Two boxes that put each other out reach the hub by turns."""
BRIDGE_GRACE_S = 3.0
"""After the broker (re)started its bridge says 0 first and then connects."""


class HubReach:
    """Of one connection to the broker; a new one for the next."""

    def __init__(self) -> None:
        self._answered_at = float("-inf")
        self._answered_utc: float | None = None
        self._bridge_down_utc: float | None = None
        self._doubled = False

    def receive_answer(self, now: float, now_utc: float, *, doubled: bool) -> None:
        """The hub has answered. `doubled`: another box uses this one's identity."""
        self._answered_at, self._answered_utc, self._doubled = now, now_utc, doubled

    def receive_bridge(self, up: bool, now_utc: float) -> None:
        """The broker's word on its connection to the hub."""
        if up:
            self._bridge_down_utc = None
        elif self._bridge_down_utc is None:
            self._bridge_down_utc = now_utc

    def state(self, now: float, connected_at: float) -> HubState:
        """`connected_at`: since when the broker is there."""
        settled_s = now - connected_at
        if self._bridge_down_utc is not None:
            return "away" if settled_s > BRIDGE_GRACE_S else "unknown"
        if now - self._answered_at <= FRESH_S:
            return "up"
        return "away" if settled_s > FRESH_S else "unknown"

    def is_doubled(self, now: float) -> bool:
        """Another box said to be this one, lately."""
        return self._doubled and now - self._answered_at <= DOUBLED_S

    @property
    def since_utc(self) -> float | None:
        """Since when it is away: its last answer, unless the bridge said earlier."""
        known = (self._bridge_down_utc, self._answered_utc)
        return min((utc for utc in known if utc is not None), default=None)
