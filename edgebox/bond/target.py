"""What the encoders may produce together.

A share of what the links that live can carry, less sound, what goes before pictures (floor.py) and
what already waits. It falls at once. It rises quickly until the first queue is seen, quickly again
while it regains a level that was held shortly before or starts from almost nothing, and else
slowly. Of a link no more is counted than half as much again as it has carried for 300 ms: what a
burst showed need not last.
"""

from edgebox.bond.path import Path, PathState

SHARE = 0.85
START_BPS = 150_000.0
FLOOR_BPS = 8_000.0
"""Encoders that are told so little leave the links to sound."""
LOW_BPS, LOW_GROWTH = 600_000.0, 10.0
"""Below this a rise costs little and tells much."""
DRAIN_S = 0.35
"""Queues shall be gone after this, but not for the price of the whole picture."""
DRAIN_SHARE = 0.5
QUEUE_FREE_S = 0.015
PROMPT_S = 0.1
"""Links slower than the promptest by more than this help only a picture that starves."""
STARVING_BPS = 600_000.0
START_GROWTH = 3.0
REGAIN_GROWTH = 2.0
GROWTH = 1.15
"""Factors per second."""
REGAIN_S = 20.0


def _prompt(live: list[Path]) -> list[Path]:
    """The links worth counting on: a satellite's rate is no use beside a good mobile network."""
    live = sorted(live, key=lambda path: path.estimate.base_s)
    taken: list[Path] = []
    for path in live:
        slow = path.estimate.base_s > live[0].estimate.base_s + PROMPT_S
        if slow and sum(one.rate_bps for one in taken) >= STARVING_BPS:
            break
        taken.append(path)
    return taken


def _wanted(carried_bps: float, urgent_bps: float, waiting: float) -> float:
    """Of what links carry beside sound, so much that what waits is soon gone; `waiting`: bits."""
    want_bps = SHARE * carried_bps - urgent_bps
    return max(FLOOR_BPS, want_bps - waiting / DRAIN_S, DRAIN_SHARE * want_bps)


class Target:
    """Follows the links; `bps` is the latest value."""

    def __init__(self, now: float):
        self.bps = START_BPS
        self._level_bps = START_BPS
        self._updated_at = now
        self._held_bps = 0.0
        self._held_at = now
        self._starting = True

    def update(self, paths: list[Path], urgent_bps: float, queued_bytes: int, now: float) -> float:
        """Bits per second. `queued_bytes`: waiting in the sender."""
        live = _prompt(
            [path for path in paths if path.state is not PathState.DOWN and path.estimate.known]
        )
        carried_bps = [path.estimate.lasting_bps * path.share for path in live]
        sure_bps = sum(
            bps * path.confidence(now)
            for bps, path in zip(carried_bps, live, strict=True)
            if path.state is PathState.UP
        )
        waiting = queued_bytes * 8 + sum(
            max(0.0, path.estimate.standing_s - QUEUE_FREE_S) * path.rate_bps for path in live
        )
        elapsed_s = min(1.0, now - self._updated_at)
        self._updated_at = now
        self._follow(_wanted(sum(carried_bps), urgent_bps, waiting), elapsed_s, now)
        self.bps = min(self._level_bps, _wanted(sure_bps, urgent_bps, waiting))
        self._starting = all(path.estimate.starting for path in live)
        return self.bps

    def _follow(self, want_bps: float, elapsed_s: float, now: float) -> None:
        """What silence puts in doubt for less than a second does not count here."""
        if want_bps >= self._level_bps:
            grown_bps = self._level_bps * self._growth(now) ** elapsed_s
            self._level_bps = min(want_bps, grown_bps)
            return
        if self._level_bps > self._held_bps or now - self._held_at > REGAIN_S:
            self._held_bps, self._held_at = self._level_bps, now
        self._level_bps = want_bps

    def _growth(self, now: float) -> float:
        if self._starting:
            return START_GROWTH * START_GROWTH
        if self._level_bps < LOW_BPS:
            return LOW_GROWTH
        if self._level_bps < 0.8 * self._held_bps and now - self._held_at < REGAIN_S:
            return REGAIN_GROWTH
        return GROWTH
