"""What remote help points at and draws, for the crew's preview. Pure, bounded.

Theory of operation. A pointer is an event: the newest of each person counts, the page lets it go
POINTER_S after it was last heard of. Lines stay until they are wiped; they belong to a place in a
picture, so they are forgotten when another session begins. Each change has a number; a page that
opens late gets all lines at once, one that follows gets what is newer than what it has.
"""

from collections import deque

from msgspec import Struct

from edgebox.messages.marks import Pointing, Stroke, Wipe

LINES_MAX = 200
"""Of all cameras together; the oldest goes first."""
POINTS_MAX = 400
"""Of one line."""
EVENTS_MAX = 256
"""Kept for pages that follow; who is further behind gets all lines anew."""

Points = tuple[tuple[float, float], ...]


class Mark(Struct, frozen=True, kw_only=True):
    """One change. `kind`: `point`, `line` (more points of it), or `wipe` (empty camera: all)."""

    kind: str
    camera: str = ""
    by: str = ""
    """Participant."""
    name: str = ""
    on: bool = False
    stroke: int = 0
    points: Points = ()


class Marks:
    """Lines and the newest events."""

    def __init__(self) -> None:
        self.number = 0
        self._events: deque[tuple[int, Mark]] = deque(maxlen=EVENTS_MAX)
        self._lines: dict[tuple[str, str, int], Points] = {}

    def point(self, pointing: Pointing, name: str) -> None:
        """Somebody points, or stops. `name` as it is shown."""
        self._add(
            Mark(
                kind="point",
                camera=pointing.camera,
                by=pointing.participant,
                name=name,
                on=pointing.on,
                points=((pointing.x, pointing.y),),
            )
        )

    def draw(self, stroke: Stroke) -> None:
        """A line begins or goes on."""
        key = (stroke.camera, stroke.participant, stroke.stroke)
        before = self._lines.pop(key, ())
        fitting = stroke.points[: max(POINTS_MAX - len(before), 0)]
        self._lines[key] = before + fitting
        if len(self._lines) > LINES_MAX:
            del self._lines[next(iter(self._lines))]
        if fitting:
            self._add(_line(key, fitting))

    def wipe(self, wipe: Wipe) -> None:
        """All lines of one camera are gone."""
        self._lines = {key: line for key, line in self._lines.items() if key[0] != wipe.camera}
        self._add(Mark(kind="wipe", camera=wipe.camera))

    def clear(self) -> None:
        """Everything is gone."""
        if self._lines:
            self._lines = {}
            self._add(Mark(kind="wipe"))

    def since(self, number: int) -> list[Mark]:
        """What is newer than `number`; from the beginning if that is too long ago."""
        oldest = self._events[0][0] if self._events else self.number + 1
        if number < oldest - 1:
            return [Mark(kind="wipe"), *(_line(key, line) for key, line in self._lines.items())]
        return [mark for at, mark in self._events if at > number]

    def _add(self, mark: Mark) -> None:
        self.number += 1
        self._events.append((self.number, mark))


def _line(key: tuple[str, str, int], points: Points) -> Mark:
    camera, by, stroke = key
    return Mark(kind="line", camera=camera, by=by, stroke=stroke, points=points)
