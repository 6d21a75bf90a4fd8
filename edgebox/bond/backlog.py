"""What waits for a link: frames in order, each sent whole or not at all.

A picture with one packet missing is worth nothing. When the links cannot carry all of them, whole
frames are left out, the oldest first, and as long as possible only those of which nothing has been
sent yet. A datagram of which pieces have gone is still sent to its end when its frame is given up:
without the last piece nothing of it comes out. Packets of other traffic have no such bond: each is
dropped by itself when it is too old.
"""

from collections import deque

from edgebox.bond.datagram import Datagram, Frame

BACKLOG_BYTES = 192_000
"""Waiting in one backlog at most; beyond, the oldest is dropped."""
USEFUL_S = 0.20
"""A frame that cannot have arrived by then, counted from its capture, is not begun."""
GIVE_UP_S = 0.35
"""Nor is one that was begun finished."""
FRESH_S = 0.020
"""A frame younger than this is not judged."""


class Backlog:
    """First in, first out."""

    __slots__ = ("_frames", "bytes", "dropped")

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self.bytes = 0
        """Payload that waits."""
        self.dropped = 0
        """Datagrams dropped since the start."""

    def __bool__(self) -> bool:
        return bool(self._frames)

    @property
    def is_judged_at(self) -> float:
        """When the frame in front is no longer fresh; far away without one."""
        return self._frames[0].accepted_at + FRESH_S if self._frames else float("inf")

    def stale_bytes(self, now: float) -> int:
        """Payload that waits, unless it is only a frame on its way out."""
        return self.bytes if self.is_judged_at + FRESH_S <= now else 0

    def add(self, datagram: Datagram) -> None:
        """Put it behind the others."""
        frame = datagram.bundle
        if frame.dropped:
            self.dropped += 1
            return
        if not frame.waiting:
            self._frames.append(frame)
        size = len(datagram.payload)
        frame.waiting.append(datagram)
        frame.bytes += size
        self.bytes += size
        while self.bytes > BACKLOG_BYTES:
            self._drop_front()

    def head(self) -> Datagram:
        """The datagram to send next; there must be one."""
        return self._frames[0].waiting[0]

    def pop(self) -> None:
        """The head was sent."""
        frame = self._frames[0]
        frame.begun = True
        self._take(frame)

    def expire(self, now: float, carried_bps: float, way_s: float) -> None:
        """Drop from the front what comes too late.

        The links together carry `carried_bps`; the last packet then needs `way_s`.
        """
        while self._frames:
            frame = self._frames[0]
            if not frame.is_whole:
                if frame.waiting[0].expires_at > now:
                    return
                self._take(frame)
                self.dropped += 1
            elif self._is_useful(frame, now, carried_bps, way_s) or self._keep_begun(frame, now):
                return
            else:
                self._drop_front()

    def _is_useful(self, frame: Frame, now: float, carried_bps: float, way_s: float) -> bool:
        age_s = now - frame.accepted_at
        if len(self._frames) == 1:
            # Rather an old picture than none.
            return age_s < GIVE_UP_S
        done_s = age_s + frame.bytes * 8 / max(1.0, carried_bps) + way_s
        return done_s < (GIVE_UP_S if frame.begun else USEFUL_S)

    def _keep_begun(self, frame: Frame, now: float) -> bool:
        """Give up all of the frame but what a datagram lacks of which pieces have gone.

        Frame after frame, a slow link would else carry first pieces and deliver nothing at all.
        False: there is no such datagram, or it is too late for it too.
        """
        head = frame.waiting[0]
        piece = head.fragment
        if piece is None or not piece.place or head.expires_at <= now:
            return False
        beyond = len(frame.waiting) - (piece.total - piece.place)
        if beyond < 0:
            # The other pieces are just being accepted.
            return True
        for _ in range(beyond):
            size = len(frame.waiting.pop().payload)
            frame.bytes -= size
            self.bytes -= size
            self.dropped += 1
        frame.dropped = True
        return True

    def _take(self, frame: Frame) -> None:
        size = len(frame.waiting.popleft().payload)
        frame.bytes -= size
        self.bytes -= size
        if not frame.waiting:
            self._frames.popleft()

    def _drop_front(self) -> None:
        frame = self._frames.popleft()
        self.dropped += len(frame.waiting)
        self.bytes -= frame.bytes
        frame.waiting.clear()
        frame.bytes = 0
        frame.dropped = frame.is_whole
