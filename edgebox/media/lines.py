"""What has been drawn on the pictures and not been wiped (no I/O).

Kept so that who comes later sees the same as everybody else; bounded, so that nobody can fill the
memory.
"""

from collections.abc import Collection

Point = tuple[float, float]

LINES_MAX = 200
POINTS_MAX = 20_000


class Lines:
    """All lines of one session."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, int], list[Point]] = {}
        self._points = 0

    def draw(self, camera: str, participant: str, stroke: int, points: Collection[Point]) -> bool:
        """More points of a line; False if there are too many already."""
        key = (camera, participant, stroke)
        if self._points + len(points) > POINTS_MAX:
            return False
        if key not in self._lines and len(self._lines) >= LINES_MAX:
            return False
        self._lines.setdefault(key, []).extend(points)
        self._points += len(points)
        return True

    def erase(self, camera: str) -> bool:
        """All lines on this camera's picture; False if there is none."""
        gone = [key for key in self._lines if key[0] == camera]
        for key in gone:
            self._points -= len(self._lines.pop(key))
        return bool(gone)

    def on(self, camera: str) -> list[tuple[str, int, tuple[Point, ...]]]:
        """Participant, stroke and points of each line on this camera's picture."""
        return [
            (participant, stroke, tuple(points))
            for (where, participant, stroke), points in self._lines.items()
            if where == camera
        ]

    @property
    def cameras(self) -> frozenset[str]:
        """Those with a line on their picture."""
        return frozenset(camera for camera, _, _ in self._lines)
