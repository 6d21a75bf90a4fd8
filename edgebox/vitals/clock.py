"""How far a monitor's clock is ahead of the box's. No I/O, told the time.

Every message gives received - source = delay - ahead, with a delay that is never negative. The
least of a minute is the nearest to the truth: `ahead_s` errs by that least delay, always downwards.
It is shown; no time of the monitor is ever changed by it.
"""

from collections import deque

WINDOW_S = 60.0
JUMP_S = 2.0
"""A step of the estimate that no drift and no delay makes: somebody set a clock."""
JUMP_SAMPLES = 3
"""Must agree on it: one late message is no jump."""
SETTLE_SAMPLES = 5
"""Before that nothing is a jump: what comes first may have waited for us."""


class SourceClock:
    """The clock of one monitor."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()
        """Monotonic time and received - source, smallest first."""
        self._off: list[float] = []
        self._heard = 0

    @property
    def ahead_s(self) -> float | None:
        """Positive: the monitor's clock is ahead. None: nothing heard."""
        return -self._late[0][1] if self._late else None

    def observe(self, source_utc: float, received_utc: float, now: float) -> float | None:
        """One message; a number of seconds if the clock has jumped by that much."""
        late = received_utc - source_utc
        while self._late and self._late[0][0] < now - WINDOW_S:
            self._late.popleft()
        self._heard += 1
        is_off = self._heard > SETTLE_SAMPLES and bool(self._late)
        if is_off and abs(late - self._late[0][1]) >= JUMP_S:
            jump = self._note_off(late)
            if jump is None:
                return None
            self._late.clear()
        else:
            jump = None
            self._off.clear()
        while self._late and self._late[-1][1] >= late:
            self._late.pop()
        self._late.append((now, late))
        return jump

    def _note_off(self, late: float) -> float | None:
        """Keep it apart; the jump, once enough in a row agree."""
        self._off = [*self._off, late][-JUMP_SAMPLES:]
        if len(self._off) < JUMP_SAMPLES or max(self._off) - min(self._off) > JUMP_S:
            return None
        jump = self._late[0][1] - min(self._off)
        self._off.clear()
        return jump
