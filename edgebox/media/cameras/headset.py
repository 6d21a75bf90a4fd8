"""What a headset sends, as a source: its pictures come from the owner of the encoder process.

H.264 goes on as it came. VP8 is decoded here, for those who watch were promised H.264 when their
connections were made (docs/decisions/0008-headset-media.md).
"""

import threading
from collections import deque
from typing import Literal

import av

from edgebox.media import h264
from edgebox.media.cameras.source import AccessUnit, CameraGoneError, Picture, held

SILENT_S = 1.5
"""After this without a picture it counts as absent; WebRTC has sent what was lost again by then."""
WAITING_MAX = 120
"""Pictures that wait; more means that this machine cannot keep up."""

Codec = Literal["H264", "VP8"]


class Inbox:
    """Between the thread that reads the owner's records and the one that reads the camera."""

    def __init__(self) -> None:
        self._units: deque[tuple[float, Codec, bytes]] = deque()
        self._arrived = threading.Condition()

    def put(self, at: float, codec: Codec, data: bytes) -> None:
        """`at`: when it was taken, monotonic seconds. Each builds on those before it."""
        with self._arrived:
            if len(self._units) >= WAITING_MAX:
                self._units.clear()
            self._units.append((at, codec, data))
            self._arrived.notify()

    def take(self, timeout_s: float | None) -> tuple[float, Codec, bytes] | None:
        """The oldest; None if none comes in time."""
        with self._arrived:
            if not self._units:
                self._arrived.wait(timeout_s)
            return self._units.popleft() if self._units else None


class HeadsetSource:
    """Pictures from an Inbox. Sizes are those of the newest keyframe."""

    def __init__(self, inbox: Inbox, *, patient: bool):
        """`patient`: wait for the first picture however long it takes.

        Raises CameraGoneError if none comes.
        """
        self._inbox = inbox
        self._decoder: av.VideoCodecContext | None = None
        self.width = self.height = 0
        self.fps = 30.0
        self._first: Picture | AccessUnit | None = self._next(None if patient else SILENT_S)

    def read(self) -> Picture | AccessUnit:
        first, self._first = self._first, None
        return self._next(SILENT_S) if first is None else first

    def close(self) -> None:
        """There is nothing to let go of."""

    def _next(self, timeout_s: float | None) -> Picture | AccessUnit:
        while True:
            unit = self._inbox.take(timeout_s)
            if unit is None:
                raise CameraGoneError("no picture comes from it: is it asleep, or out of reach?")
            item = self._read_unit(*unit)
            if item is not None:
                return item

    def _read_unit(self, at: float, codec: Codec, data: bytes) -> Picture | AccessUnit | None:
        if codec == "VP8":
            return self._decoded(at, data)
        self._decoder = None
        parameters = h264.parameters(data)
        if parameters is not None:
            self.width, self.height = parameters.width, parameters.height
        # Until a keyframe has come nobody can show it.
        return AccessUnit(at, data) if self.width else None

    def _decoded(self, at: float, data: bytes) -> Picture | None:
        if self._decoder is None:
            self._decoder = av.VideoCodecContext.create("vp8", "r")
            self._decoder.thread_count = 1
        try:
            frames = self._decoder.decode(av.Packet(data))
        except av.FFmpegError:
            return None  # damaged: the next keyframe mends it
        if not frames:
            return None
        self.width, self.height = frames[-1].width, frames[-1].height
        return Picture(at, held(frames[-1]))
