"""How fast a link is: padded pings, as many as its path lets go, and what came of them.

A path's own budget and pacing (path.py) say when the next may go, as for data, so a link is filled
as far as the bond would fill it and not a packet further. Drawn on by box and hub alike.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgebox.bond.estimate import QUEUE_LOW_S
from edgebox.bond.path import Path, PathState
from edgebox.bond.sender import Sender
from edgebox.bond.wire import HEADER_SIZE, IP_UDP_SIZE, TAG_SIZE

LOAD_S = 3.0
FULL_S = 0.5
LOOK_S = 0.01
LEAST_S = 0.001
LEAST_BYTES = 400
IN_FLIGHT = 6
"""Pings that a link's budget has room for, at least."""
POINTS_BYTES = 10_000
"""From so much a rate can be told."""
POINTS_S = 0.03
"""Times are not known better: what came faster is told as if it had taken so long."""


class Load:
    """Sends; never more than `size` bytes, never longer than LOAD_S."""

    def __init__(self, path: Path, sender: Sender, size: int, now: float):
        """`size`: IP headers included."""
        self.left = size
        self.is_full = False
        """A queue stood on the link in the last FULL_S: it takes no more."""
        self._path = path
        self._sender = sender
        self._ends_at = now + LOAD_S
        self._full_at = float("-inf")

    def is_over(self, now: float) -> bool:
        """Bytes or time are used up."""
        return self.left < self._outer() + IP_UDP_SIZE or now >= self._ends_at

    @property
    def is_alive(self) -> bool:
        """The link answers, or did a moment ago."""
        return self._path.attached and self._path.state is not PathState.DOWN

    def pump(self, now: float) -> float:
        """Send what may go, but nothing while a datagram waits; when to look again."""
        if self._sender.queued_bytes:
            return now + LEAST_S
        path, outer = self._path, self._outer()
        while self.left >= outer + IP_UDP_SIZE and path.wait_s(outer, now) == 0:
            self._sender.outlet.ping(path, now, pad_to=outer - HEADER_SIZE - TAG_SIZE)
            self.left -= outer + IP_UDP_SIZE
        # As of datagrams that wait: only our own estimate holds them back.
        path.estimate.pressed_at = now
        if path.estimate.standing_s > QUEUE_LOW_S:
            self._full_at = now
        self.is_full = now - self._full_at < FULL_S
        return now + min(LOOK_S, max(LEAST_S, path.wait_s(outer, now)))

    def _outer(self) -> int:
        """Payload of a ping: large ones would leave a thin link idle while one is awaited."""
        budget = self._path.budget() // IN_FLIGHT
        return min(self._path.mtu.size, max(LEAST_BYTES, budget))


class Point(NamedTuple):
    """So many bytes had come until then."""

    at: float
    """Of any clock."""
    total: int


class Passage:
    """What has come through, from counts that grow."""

    def __init__(self, read: Callable[[float], Point], now: float):
        self._read = read
        self._points = [read(now)]

    def look(self, now: float) -> None:
        """Keep the count if it has grown by more than a lone ping."""
        point = self._read(now)
        if point.total >= self._points[-1].total + LEAST_BYTES:
            self._points.append(point)

    @property
    def carried_bytes(self) -> int:
        """Outer payload since the beginning."""
        return self._points[-1].total - self._points[0].total

    def bps(self) -> int | None:
        """See `rate_bps`."""
        return rate_bps(self._points)


def rate_bps(points: Sequence[Point]) -> int | None:
    """Bits per second of the second half of the bytes: the first finds out how fast may be sent.

    None: too little came to tell.
    """
    last = points[-1]
    if last.total - points[0].total < POINTS_BYTES:
        return None
    half = (points[0].total + last.total) / 2
    middle = next((point for point in points[:-1] if point.total >= half), points[-2])
    return round((last.total - middle.total) * 8 / max(POINTS_S, last.at - middle.at))
