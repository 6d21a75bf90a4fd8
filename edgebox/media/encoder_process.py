"""The process that opens one camera and encodes its pictures; `encoder.py` is its owner.

Run as `python -m edgebox.media.encoder_process FD`: FD is its end of a socket pair (pipe.py).
It opens the camera at once and keeps it open, so that starting to encode costs no time; pictures
nobody wants are dropped undecoded where that is possible. A camera that goes away is opened anew
until it is back. The process ends when its owner does: the socket closes, and the kernel kills it
(PR_SET_PDEATHSIG) should it hang.

Threads: one reads the camera into a mailbox that never holds an old picture, one reads the owner's
orders, the main one encodes and writes, and one for each still makes its JPEG. PyAV lets go of the
interpreter lock in all of it.
"""

import logging
import math
import os
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO

import av
import msgspec

from edgebox.errors import DeviceError
from edgebox.media import child, pipe
from edgebox.media.cameras import open_source
from edgebox.media.cameras.headset import Codec, HeadsetSource, Inbox
from edgebox.media.cameras.source import AccessUnit, CameraGoneError, Picture, Source
from edgebox.media.codec import CLOCK_HZ, hardware_works
from edgebox.media.cut import WHOLE, Part
from edgebox.media.pipeline import Output, PicturePipeline, StreamPipeline
from edgebox.media.still import jpeg_of

logger = logging.getLogger(__name__)

REPORT_EVERY_S = 0.5
REOPEN_FIRST_S, REOPEN_MAX_S = 0.25, 2.0
"""Back-off between attempts to open a camera."""
BACKLOG_MAX = 90
"""Access units that may wait; more means that this machine cannot keep up."""
FPS_WINDOW = 31
ASK_EVERY_S = 1.0
"""A headset's own keyframe is wanted no more often: each costs bits that pictures need."""
SILENT_S = 2.0
"""An open camera that gives nothing for this long is not ready."""


class Gap:
    """Stands between access units that do not belong to one stream."""


class Mailbox:
    """Between camera and encoder: a newer picture replaces one that still waits."""

    def __init__(self) -> None:
        self._items: deque[Picture | AccessUnit | Gap] = deque()
        self._arrived = threading.Condition()

    def put(self, item: Picture | AccessUnit | Gap) -> None:
        """Access units depend on each other: they queue, and when too many do all are dropped."""
        with self._arrived:
            if isinstance(item, Picture):
                self._items.clear()
            elif len(self._items) >= BACKLOG_MAX:
                self._items.clear()
                self._items.append(Gap())
            self._items.append(item)
            self._arrived.notify()

    def take(self, timeout_s: float) -> Picture | AccessUnit | Gap | None:
        """The oldest; None if none comes in time."""
        with self._arrived:
            if not self._items:
                self._arrived.wait(timeout_s)
            return self._items.popleft() if self._items else None


class Capture(threading.Thread):
    """Keeps the camera open and its items coming."""

    def __init__(self, start: pipe.Start, mailbox: Mailbox, inbox: Inbox):
        """`inbox`: what a headset sends; other cameras are opened."""
        super().__init__(name="capture", daemon=True)
        self._camera, self._directory = start.camera, Path(start.directory)
        self._mailbox, self._inbox = mailbox, inbox
        self._taken: deque[float] = deque(maxlen=FPS_WINDOW)
        self.report = pipe.Report("starting")
        self.taken_at = 0.0
        """When the camera gave the last picture, monotonic seconds."""

    def run(self) -> None:
        wait_s = REOPEN_FIRST_S
        while True:
            captured = self.report.captured
            try:
                self._read_all(self._open())
            except CameraGoneError as error:
                self._set(state="absent", detail=str(error)[:200])
            except DeviceError as error:
                self._set(state="failed", detail=str(error)[:200])
            if self.report.captured > captured:
                wait_s = REOPEN_FIRST_S
            time.sleep(wait_s)
            wait_s = min(REOPEN_MAX_S, wait_s * 2)

    def _open(self) -> Source:
        if self._camera.kind != "headset":
            return open_source(self._camera, self._directory)
        return HeadsetSource(self._inbox, patient=self.report.state == "absent")

    def _read_all(self, source: Source) -> None:
        self._taken.clear()
        self._mailbox.put(Gap())
        try:
            while True:
                item = source.read()
                self._taken.append(item.at)
                self.taken_at = time.monotonic()
                self._set(
                    state="ready",
                    detail="",
                    width=source.width,
                    height=source.height,
                    fps=self._fps(source.fps),
                    captured=self.report.captured + 1,
                )
                self._mailbox.put(item)
        finally:
            source.close()

    def _fps(self, promised: float) -> float:
        span = self._taken[-1] - self._taken[0]
        return round((len(self._taken) - 1) / span, 1) if len(self._taken) > 9 else promised

    def _set(self, **changes: object) -> None:
        self.report = msgspec.structs.replace(self.report, **changes)


class Worker:
    """Encodes what the mailbox holds, as ordered."""

    def __init__(self, channel: socket.socket):
        self._channel = channel
        self._incoming: BinaryIO = channel.makefile("rb")
        start = msgspec.json.decode(_read_raw(self._incoming)[2], type=pipe.Start)
        camera = self._camera = start.camera
        # Now, not when somebody waits for the first picture.
        self._hardware = start.hardware == "auto" and hardware_works(
            camera.width, camera.height, camera.fps
        )
        self._orders = pipe.Orders()
        self._mailbox = Mailbox()
        self._inbox = Inbox()
        self._capture = Capture(start, self._mailbox, self._inbox)
        self._asks = 0
        self._asked_at = -math.inf
        self._pipeline: PicturePipeline | StreamPipeline | None = None
        self._bitrate_bps = 0
        self._keyframes = 0
        self._shape: tuple[pipe.Form, Part] = (pipe.Form(), WHOLE)
        self._stills = 0
        self._writing = threading.Lock()
        self._encoding = False
        self._reported: pipe.Report | None = None
        self._report_at = 0.0

    def run(self) -> None:
        """Until the owner goes away."""
        self._capture.start()
        threading.Thread(target=self._read_orders, name="orders", daemon=True).start()
        while True:
            item = self._mailbox.take(REPORT_EVERY_S)
            if isinstance(item, Gap):
                self._pipeline = None
                self._encoding = False
            elif item is not None:
                self._take(item)
            self._report()

    def _read_orders(self) -> None:
        while True:
            try:
                kind, codec, body, pts = _read_raw(self._incoming)
            except EOFError:
                os._exit(0)
            if kind == pipe.UNIT:
                name: Codec = "VP8" if codec else "H264"
                self._inbox.put(pts / CLOCK_HZ, name, body)
            else:
                self._orders = msgspec.json.decode(body, type=pipe.Orders)

    def _take(self, item: Picture | AccessUnit) -> None:
        orders, now = self._orders, time.monotonic()
        pipeline = self._pipeline_for(item)
        if orders.stills != self._stills:
            self._stills = orders.stills
            self._start_still(item, pipeline)
        if not orders.encode:
            self._encoding = False
            if isinstance(pipeline, StreamPipeline) and isinstance(item, AccessUnit):
                pipeline.keep(item)
            return
        if orders.bitrate_bps == 0:
            # A pause: the next picture builds on the last one that was sent.
            if isinstance(pipeline, StreamPipeline) and isinstance(item, AccessUnit):
                pipeline.keep(item)
                self._encoding = False  # a camera's own stream cannot be taken up in the middle
            return
        keyframe = not self._encoding or orders.keyframes != self._keyframes
        self._encoding, self._keyframes = True, orders.keyframes
        if (orders.form, orders.part) != self._shape:
            self._shape = (orders.form, orders.part)
            pipeline.shape(*self._shape)
        if orders.bitrate_bps != self._bitrate_bps:
            self._bitrate_bps = orders.bitrate_bps
            pipeline.retune(orders.bitrate_bps, now)
        outputs: list[Output] = []
        match pipeline, item:
            case StreamPipeline(), AccessUnit():
                outputs = pipeline.take(item, keyframe=keyframe, now=now)
            case PicturePipeline(), Picture():
                outputs = pipeline.take(item, keyframe=keyframe, now=now)
        if isinstance(pipeline, StreamPipeline) and pipeline.wants_keyframe:
            self._ask(now)
        for output in outputs:
            self._write(output)

    def _ask(self, now: float) -> None:
        if now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            self._asks += 1

    def _pipeline_for(self, item: Picture | AccessUnit) -> PicturePipeline | StreamPipeline:
        kind = PicturePipeline if isinstance(item, Picture) else StreamPipeline
        if not isinstance(self._pipeline, kind):
            camera = self._camera
            width, height = (
                min(camera.width, camera.send_width),
                min(camera.height, camera.send_height),
            )
            self._pipeline = kind(width, height, camera.fps, hardware=self._hardware)
            self._bitrate_bps = 0
            self._shape = (pipe.Form(), WHOLE)
        return self._pipeline

    def _start_still(
        self, item: Picture | AccessUnit, pipeline: PicturePipeline | StreamPipeline
    ) -> None:
        """From this picture, all of it, beside the encoding of pictures."""
        frame: av.VideoFrame | None = None
        match pipeline, item:
            case StreamPipeline(), AccessUnit():
                frame = pipeline.still()
            case PicturePipeline(), Picture():
                frame = item.frame()
        threading.Thread(
            target=self._make_still,
            args=(self._stills, frame, time.time()),
            name="still",
            daemon=True,
        ).start()

    def _make_still(self, number: int, frame: av.VideoFrame | None, at_utc: float) -> None:
        if frame is None:
            still, jpeg = pipe.Still(number, problem="no picture yet"), b""
        else:
            still, jpeg = pipe.Still(number, at_utc, frame.width, frame.height), jpeg_of(frame)
        self._send(pipe.still_record(still, jpeg))

    def _write(self, output: Output) -> None:
        header = pipe.frame_header(output.data, output.pts, keyframe=output.keyframe)
        self._send(header + output.data)

    def _send(self, data: bytes) -> None:
        with self._writing:
            self._channel.sendall(data)

    def _report(self) -> None:
        report, now = self._capture.report, time.monotonic()
        report = msgspec.structs.replace(report, asks=self._asks)
        if report.state == "ready" and now - self._capture.taken_at > SILENT_S:
            report = msgspec.structs.replace(
                report, state="failed", detail="the camera is open but gives no pictures"
            )
        elif report.state == "ready" and self._encoding:
            report = msgspec.structs.replace(report, state="live")
        if self._pipeline is not None and self._encoding:
            report = msgspec.structs.replace(report, encoder=self._pipeline.encoder_name)
        if now < self._report_at and self._same(report):
            return
        self._reported, self._report_at = report, now + REPORT_EVERY_S
        self._send(pipe.record(pipe.REPORT, report))

    def _same(self, report: pipe.Report) -> bool:
        """Equal but for the counters."""
        old = self._reported
        return old is not None and old == msgspec.structs.replace(
            report, captured=old.captured, fps=old.fps
        )


def _read_raw(incoming: BinaryIO) -> tuple[int, int, bytes, int]:
    """Kind, second byte, body and time. Raises EOFError when the owner has gone."""
    header = child.read_exactly(incoming, pipe.HEADER.size)
    kind, second, length, pts = pipe.HEADER.unpack(header)
    return kind, second, child.read_exactly(incoming, length), pts


def main() -> None:
    """Become the encoder process of the socket given as the first argument."""
    child.become("camera", lambda channel: Worker(channel).run())


if __name__ == "__main__":
    main()
