"""One camera's encoder process as its owner sees it: orders, frames, a new one when it dies.

The process runs from the start of the service, so that starting to send costs no time.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.media import child, pipe
from edgebox.media.cut import Part

logger = logging.getLogger(__name__)

KEYFRAME_EVERY_S, KEYFRAME_EVERY_LOW_S = 0.3, 1.0
LOW_BPS = 400_000
"""Requests that come faster share one keyframe: below LOW_BPS one costs much of a second."""
STILL_S = 8.0
"""A still that has not come by now will not. Only a busy box takes more than a fraction of it."""
UNRESPONSIVE_S = 5.0
"""A process that reports nothing for this long, or whose open camera gave no picture, is killed."""
BITRATE_WINDOW_S = 1.0

Sink = Callable[[pipe.Frame], None]


@dataclass(frozen=True, slots=True)
class Still:
    """One picture in full resolution."""

    jpeg: bytes
    at_utc: float
    width: int
    height: int


class Encoder:
    """Use as a task running `run`. `changed` is called whenever `report` says something new."""

    def __init__(
        self,
        camera: Camera,
        directory: str,
        hardware: Literal["auto", "off"],
        changed: Callable[[], None],
    ):
        self.camera = camera
        self._start = pipe.Start(camera, directory, hardware)
        self._changed = changed
        self._orders = pipe.Orders()
        self._writer: asyncio.StreamWriter | None = None
        self._sinks: list[Sink] = []
        self._keyframe_at = -KEYFRAME_EVERY_LOW_S
        self._keyframe_timer: asyncio.TimerHandle | None = None
        self._stills: dict[int, asyncio.Future[Still]] = {}
        self._sent: deque[tuple[float, int]] = deque()
        self._last_report_at = 0.0
        self._captured_at = 0.0
        self.report = pipe.Report("starting")
        self.since_utc = time.time()
        self.progress: Callable[[], None] = lambda: None
        """Called for each frame, and for each report that tells of new pictures."""

    # What others ask for

    def add_sink(self, sink: Sink) -> None:
        """Call `sink` with each frame from now on; it must not block."""
        self._sinks.append(sink)

    def remove_sink(self, sink: Sink) -> None:
        """Never mind if it is not there."""
        with contextlib.suppress(ValueError):
            self._sinks.remove(sink)

    def encode(self, wanted: bool) -> None:
        """Encode from now on, or drop pictures unencoded."""
        if wanted != self._orders.encode:
            self._order(encode=wanted)
            if not wanted:
                self._sent.clear()

    def make(self, form: pipe.Form, bitrate_bps: int) -> None:
        """Encode from now on, so; a changed size begins with a keyframe."""
        old = self._orders
        if (True, form, bitrate_bps) != (old.encode, old.form, old.bitrate_bps):
            self._order(encode=True, form=form, bitrate_bps=bitrate_bps)

    def set_part(self, part: Part) -> None:
        """The next picture shows this part of what the camera sees."""
        if part != self._orders.part:
            self._order(part=part)

    @property
    def ordered_bps(self) -> int:
        """What it was told to keep to; 0 while nothing is encoded."""
        return self._orders.bitrate_bps if self._orders.encode else 0

    @property
    def part(self) -> Part:
        """What of the camera's picture is shown."""
        return self._orders.part

    async def take_still(self) -> Still:
        """The camera's next picture in full resolution. Raises DeviceError, or TimeoutError."""
        number = self._orders.stills + 1
        waiting: asyncio.Future[Still] = asyncio.get_running_loop().create_future()
        self._stills[number] = waiting
        try:
            async with asyncio.timeout(STILL_S):
                self._order(stills=number)
                return await waiting
        finally:
            del self._stills[number]

    def set_bitrate(self, bitrate_bps: int) -> None:
        """The encoder obeys with its next picture."""
        if bitrate_bps != self._orders.bitrate_bps:
            self._order(bitrate_bps=bitrate_bps)

    def request_keyframe(self) -> None:
        """At once, or when enough time has passed since the last one was asked for."""
        if self._keyframe_timer is not None:
            return
        loop = asyncio.get_running_loop()
        low = self._orders.bitrate_bps < LOW_BPS
        every_s = KEYFRAME_EVERY_LOW_S if low else KEYFRAME_EVERY_S
        wait_s = self._keyframe_at + every_s - loop.time()
        if wait_s <= 0:
            self._ask_for_keyframe()
        else:
            self._keyframe_timer = loop.call_later(wait_s, self._ask_for_keyframe)

    @property
    def bitrate_bps(self) -> int:
        """What really came out of the encoder during the last second."""
        self._forget(time.monotonic())
        return int(sum(size for _, size in self._sent) * 8 / BITRATE_WINDOW_S)

    @property
    def fps(self) -> float:
        """Pictures that came out of the encoder during the last second."""
        self._forget(time.monotonic())
        return len(self._sent) / BITRATE_WINDOW_S

    # The process

    async def run(self) -> None:
        """Keep a process running until cancelled."""
        await child.keep("edgebox.media.encoder_process", self)

    def begun(self, writer: asyncio.StreamWriter) -> None:
        """For child.keep."""
        self._writer = writer
        writer.write(pipe.record(pipe.ORDER, self._start))
        writer.write(pipe.record(pipe.ORDER, self._orders))
        self._last_report_at = self._captured_at = time.monotonic()
        self._begin()

    def ended(self, how: str) -> None:
        """For child.keep."""
        self._writer = None
        logger.warning("camera %s: encoder process ended (%s)", self.camera.id, how)
        detail = f"its encoder process ended ({how}) and starts anew"
        self._set_report(pipe.Report("starting", detail))

    def is_hung(self, now: float) -> bool:
        """For child.keep: it says nothing, or the open camera gives no picture."""
        is_open = self.report.width > 0 and self.report.state != "absent"
        silent = is_open and now - self._captured_at > UNRESPONSIVE_S
        return silent or now - self._last_report_at > UNRESPONSIVE_S

    def _begin(self) -> None:
        """A new process runs."""

    async def read(self, reader: asyncio.StreamReader) -> None:
        """For child.keep."""
        decoder = msgspec.json.Decoder(pipe.Report)
        while True:
            header = await reader.readexactly(pipe.HEADER.size)
            kind, keyframe, length, pts = pipe.HEADER.unpack(header)
            body = await reader.readexactly(length)
            if kind == pipe.FRAME:
                self._take_frame(pipe.Frame(body, pts, bool(keyframe)))
            elif kind == pipe.STILL:
                self._take_still(body)
            else:
                self._take_report(decoder.decode(body))

    def _take_frame(self, frame: pipe.Frame) -> None:
        if not self._orders.encode:
            return  # was on its way when the order to stop was given
        now = time.monotonic()
        self._sent.append((now, len(frame.data)))
        self._forget(now)
        self.progress()
        for sink in list(self._sinks):
            sink(frame)

    def _take_still(self, body: bytes) -> None:
        still, jpeg = pipe.parse_still(body)
        # Orders that come close together are one: a still answers all before it.
        for number, waiting in self._stills.items():
            if number > still.number or waiting.done():
                continue
            if still.problem:
                waiting.set_exception(DeviceError(still.problem))
            else:
                waiting.set_result(Still(jpeg, still.at_utc, still.width, still.height))

    def _take_report(self, report: pipe.Report) -> None:
        self._last_report_at = time.monotonic()
        if report.captured != self.report.captured:
            self._captured_at = self._last_report_at
            self.progress()
        self._set_report(report)

    def _set_report(self, report: pipe.Report) -> None:
        old, self.report = self.report, report
        if old.state != report.state:
            self.since_utc = time.time()
        if old != msgspec.structs.replace(report, captured=old.captured, fps=old.fps):
            self._changed()

    def _forget(self, now: float) -> None:
        while self._sent and now - self._sent[0][0] > BITRATE_WINDOW_S:
            self._sent.popleft()

    def _ask_for_keyframe(self) -> None:
        self._keyframe_timer = None
        self._keyframe_at = asyncio.get_running_loop().time()
        self._order(keyframes=self._orders.keyframes + 1)

    def _order(self, **changes: object) -> None:
        self._orders = msgspec.structs.replace(self._orders, **changes)
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(pipe.record(pipe.ORDER, self._orders))
