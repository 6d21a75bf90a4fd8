"""Packets that are not let in: an accident, or a flood (no I/O, told the time)."""

PER_S = 100
"""Beyond what a browser sends by mistake: padding, a section that was just ended."""
LASTING_S = 3.0


class Flood:
    """Of one connection."""

    def __init__(self) -> None:
        self._count = 0
        self._at: float | None = None
        self._since: float | None = None

    def goes_on(self, count: int, now: float) -> bool:
        """`count`: how many were not let in so far. True once they are too many for too long."""
        elapsed_s = now - self._at if self._at is not None else 0.0
        many = count - self._count > PER_S * elapsed_s > 0
        if not many:
            self._since = None
        elif self._since is None:
            self._since = self._at
        self._count, self._at = count, now
        return self._since is not None and now - self._since >= LASTING_S
