"""How the bits that may be sent are divided, and what viewers' own limits mean (no I/O)."""

from collections.abc import Mapping, Sequence

THUMBNAIL_MAX_BPS = 80_000
THUMBNAILS_SHARE = 0.25
"""All thumbnails together get no more than this of what there is."""
SECOND_WEIGHT = 0.5
"""A picture that is the main one only for those who may not see the first, beside that."""
TOTAL_MIN_BPS = 60_000


def divide(
    rate_bps: int, mains: Sequence[str], others: Sequence[str], copies: Mapping[str, int]
) -> dict[str, int]:
    """Bits a second for each camera, so that all copies together use no more than `rate_bps`."""
    count = sum(copies.get(camera, 1) for camera in others)
    each = min(THUMBNAIL_MAX_BPS, int(rate_bps * THUMBNAILS_SHARE / max(1, count)))
    first = (rate_bps - each * count) / weigh(mains, copies)
    shares = {
        camera: max(1, int(first * (1.0 if place == 0 else SECOND_WEIGHT)))
        for place, camera in enumerate(mains)
    }
    return shares | dict.fromkeys(others, max(1, each))


def weigh(mains: Sequence[str], copies: Mapping[str, int]) -> float:
    """How many times the first main picture's rate all main pictures use."""
    return sum(
        max(1, copies.get(camera, 1)) * (1.0 if place == 0 else SECOND_WEIGHT)
        for place, camera in enumerate(mains)
    )


class ViewerLimit:
    """What one viewer's receiver estimates (REMB) says about the rate, told the time.

    The estimate runs some 1.5 times above what arrives, so most of the time it says nothing. Uneven
    arrival alone, as over several links, makes it dip to 0.85 of what arrives for a moment. Only
    when it stays clearly below what we send is the viewer's own connection too slow: then it is a
    cap, which fades so that a passing trouble does not hold the picture down.
    """

    RISE_PER_S = 1.5
    CLEARLY_BELOW = 0.75
    """The receiver's own dip is 0.85."""
    LASTING_S = 1.0

    def __init__(self) -> None:
        self._cap_bps = 0.0
        self._at = 0.0
        self._below_since: float | None = None

    def reported(self, estimate_bps: int, sent_bps: int, now: float) -> None:
        """The viewer's estimate, and what we really sent it during the last second."""
        if estimate_bps >= sent_bps * self.CLEARLY_BELOW:
            self._below_since = None
            return
        if self._below_since is None:
            self._below_since = now
        if now - self._below_since >= self.LASTING_S:
            self._cap_bps, self._at = float(max(TOTAL_MIN_BPS, estimate_bps)), now

    def cap_bps(self, now: float) -> float:
        """Send no more than this; infinite if the viewer sets no limit."""
        if not self._cap_bps:
            return float("inf")
        exponent = min(60.0, max(0.0, now - self._at))
        return float(self._cap_bps * self.RISE_PER_S**exponent)
