"""What waits to be sent to one viewer: pictures of one source, sound of one mix."""

import asyncio
import math
from collections import deque
from fractions import Fraction
from typing import Any, Protocol

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from edgebox.media.codec import CLOCK_HZ
from edgebox.media.encoder import Encoder, Sink
from edgebox.media.pipe import Frame
from edgebox.media.sound.cabin import Voice
from edgebox.media.sound.opus import RATE_HZ
from edgebox.media.sound.records import Sound

TIME_BASE = Fraction(1, CLOCK_HZ)
SOUND_TIME_BASE = Fraction(1, RATE_HZ)
QUEUE_MAX = 8
"""Pictures that wait to be sent; more are old news."""
SOUND_QUEUE_MAX = 10
"""Packets of sound; older ones would be too late."""


class PictureSource(Protocol):
    """Where encoded pictures come from: a camera's encoder, or a guest."""

    def add_sink(self, sink: Sink) -> None:
        """Call `sink` with each frame from now on."""
        ...

    def remove_sink(self, sink: Sink) -> None:
        """Never mind if it is not there."""
        ...

    def request_keyframe(self) -> None:
        """Soon, please."""
        ...


class PictureTrack(MediaStreamTrack):
    """One source's pictures for one viewer. Starts with a keyframe once somebody receives."""

    kind = "video"

    def __init__(self, source: PictureSource):
        super().__init__()
        self._source = source
        self._queue: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self._attached = False
        self._broken = True
        self._flushed = False
        self._newest_pts = 0
        self._keyframe_pts = 0
        self._every_s: float | None = None
        self._single_pts = -math.inf
        self.keyframe_bits = 0
        """Size of the newest keyframe."""

    async def recv(self) -> "av.Packet[Any]":
        """The next access unit; aiortc sends packets as they are."""
        if not self._attached:
            # Only now: what was encoded before the connection stood would be late for good.
            self._attached = True
            self._source.add_sink(self._take)
            self._source.request_keyframe()
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        frame = self._queue.popleft()
        self._newest_pts = frame.pts
        if frame.keyframe:
            self._keyframe_pts = frame.pts
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = frame.pts, TIME_BASE
        return packet

    def stop(self) -> None:
        self._source.remove_sink(self._take)
        super().stop()
        self._queue.clear()
        self._arrived.set()

    def flush(self) -> None:
        """Nothing that waits leaves any more; the next picture will be a keyframe."""
        self._queue.clear()
        self._broken = self._flushed = True

    def thin(self, every_s: float | None) -> None:
        """Send single pictures, each a keyframe, so far apart; None: all pictures.

        What a slow viewer asks for is no reason to make keyframes for everybody.
        """
        if every_s is None and self._every_s is not None:
            self._source.request_keyframe()
        self._every_s = every_s

    def ask_for_single(self, now: float) -> None:
        """Have the next single picture made if it is due."""
        if self._every_s is not None and now - self._single_pts / CLOCK_HZ >= self._every_s:
            self._source.request_keyframe()

    def request_keyframe(self) -> None:
        """The viewer needs one."""
        if self._every_s is None:
            self._source.request_keyframe()

    def may_resend(self) -> bool:
        """Not while hidden: what was held back then is among what could be sent again."""
        return not self._flushed

    def keyframe_age_s(self) -> float:
        """How much older the last keyframe is than the newest picture."""
        return (self._newest_pts - self._keyframe_pts) / CLOCK_HZ

    def captured_at(self) -> float:
        """When the picture that was sent last was taken, monotonic seconds."""
        return self._newest_pts / CLOCK_HZ

    def _take(self, frame: Frame) -> None:
        if frame.keyframe:
            self.keyframe_bits = len(frame.data) * 8
        if self._every_s is not None:
            self._broken = True
            if not frame.keyframe or frame.pts - self._single_pts < self._every_s * CLOCK_HZ:
                return
            self._single_pts = frame.pts
        if frame.keyframe:
            self._queue.clear()
            self._broken = self._flushed = False
        elif len(self._queue) >= QUEUE_MAX:
            self._queue.clear()
            self._broken = True
            self._source.request_keyframe()
        if not self._broken:
            self._queue.append(frame)
            self._arrived.set()


class CameraTrack(PictureTrack):
    """One camera's pictures for one viewer."""

    def __init__(self, encoder: Encoder):
        super().__init__(encoder)
        self.encoder = encoder


class SoundTrack(MediaStreamTrack):
    """What one listener hears."""

    kind = "audio"

    def __init__(self, voice: Voice):
        super().__init__()
        self._voice = voice
        self._queue: deque[Sound] = deque(maxlen=SOUND_QUEUE_MAX)
        self._arrived = asyncio.Event()
        self._newest_pts = 0

    async def recv(self) -> "av.Packet[Any]":
        """The next Opus packet; aiortc sends packets as they are."""
        if self._voice.sink is None and self.readyState == "live":
            self._voice.sink = self._take
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        sound = self._queue.popleft()
        self._newest_pts = sound.pts
        packet = av.Packet(sound.data)
        packet.pts, packet.time_base = sound.pts, SOUND_TIME_BASE
        return packet

    def stop(self) -> None:
        self._voice.sink = None
        super().stop()
        self._queue.clear()
        self._arrived.set()

    def captured_at(self) -> float:
        """When the cabin said what was sent last, monotonic seconds."""
        return self._newest_pts / RATE_HZ

    def _take(self, sound: Sound) -> None:
        self._queue.append(sound)
        self._arrived.set()
