"""One headset as a camera: its packets' pictures in, what viewers get out.

Its pictures pass through an encoder process like those of every camera: that process forwards them
as they are while that serves the viewers, and makes thumbnails, single pictures, cut-outs and
stills of them otherwise (pipeline.py).
"""

import hashlib
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from edgebox.config.media import Camera
from edgebox.media import pipe
from edgebox.media.codec import CLOCK_HZ
from edgebox.media.encoder import Encoder
from edgebox.media.guest import GuestPicture

MOST_BPS, LEAST_BPS = 2_000_000, 200_000
"""What it is told to send when it is a main picture; below the least the box makes less of it."""
HELD_BPS = 600_000
"""While it is no main picture: enough to become one at once, the access point carries it easily."""
HELD_OUTSIDE_BPS = 150_000
"""The same outside the vehicle, where it goes over the vehicle's links."""
BACKLOG_MAX = 2_000_000
"""Bytes that wait for a process that does not read."""
DRIFT_PER_S = 0.001
"""A sender's clock may run faster or slower than ours by this."""


def camera_id(device: str) -> str:
    """The same for each device, and nothing of the device's own name in it."""
    return "headset-" + hashlib.sha256(device.encode()).hexdigest()[:16]


class CaptureClock:
    """A sender's time stamps as our monotonic time (no I/O, told the time).

    The packet that took the shortest way tells the offset; later ones only came later.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._at = 0.0

    def taken_at(self, pts: int, now: float) -> float:
        """When the picture with this time stamp (1/90000 s) was taken, at the latest."""
        offset_s = now - pts / CLOCK_HZ
        if self._offset_s is None or abs(offset_s - self._offset_s) > 1.0:
            self._offset_s = offset_s
        else:
            drift_s = (now - self._at) * DRIFT_PER_S
            self._offset_s = min(offset_s, self._offset_s + drift_s)
        self._at = now
        return pts / CLOCK_HZ + self._offset_s


class HeadsetCamera(Encoder):
    """Use as a task running `run`; `attach` a picture that comes in, `detach` it when it ends."""

    def __init__(
        self,
        identity: str,
        name: str,
        directory: str,
        hardware: Literal["auto", "off"],
        changed: Callable[[], None],
    ):
        """`identity`: from `camera_id`."""
        camera = Camera(id=identity, name=_fit(name), kind="headset", width=1280, height=720)
        super().__init__(camera, directory, hardware, changed)
        self.outside = False
        self._picture: GuestPicture | None = None
        self._clock = CaptureClock()
        self._whole = True

    @property
    def attached(self) -> bool:
        """Does a connection stand that pictures may come on?"""
        return self._picture is not None

    @property
    def limit_bps(self) -> int:
        """What the headset shall send at most, now."""
        orders = self._orders
        is_main = orders.encode and orders.form == pipe.Form()
        if is_main:
            return max(LEAST_BPS, min(MOST_BPS, orders.bitrate_bps))
        if not self.outside:
            return HELD_BPS
        # From outside it costs the vehicle's links: no more than is used of it.
        return HELD_OUTSIDE_BPS

    def rename(self, name: str) -> None:
        """People call the device something else now."""
        if self.camera.name != _fit(name):
            self.camera = msgspec.structs.replace(self.camera, name=_fit(name))
            self._changed()

    def attach(self, picture: GuestPicture, *, outside: bool) -> None:
        """Take the pictures of this connection from now on."""
        self.detach()
        self._picture, self.outside = picture, outside
        self._clock = CaptureClock()
        picture.add_sink(self._put)
        picture.request_keyframe()

    def detach(self) -> None:
        """No pictures come any more; it is absent a moment later."""
        if self._picture is not None:
            self._picture.remove_sink(self._put)
            self._picture = None

    def _put(self, frame: pipe.Frame) -> None:
        writer, picture = self._writer, self._picture
        if writer is None or writer.is_closing() or picture is None:
            return
        if writer.transport.get_write_buffer_size() > BACKLOG_MAX:
            self._whole = False
        elif frame.keyframe:
            self._whole = True
        if not self._whole:
            picture.request_keyframe()
            return
        at = self._clock.taken_at(frame.pts, time.monotonic())
        writer.write(pipe.unit_record(picture.codec, frame.data, int(at * CLOCK_HZ)))

    def _begin(self) -> None:
        # A new process has seen no keyframe.
        if self._picture is not None:
            self._picture.request_keyframe()

    def _take_report(self, report: pipe.Report) -> None:
        if report.asks != self.report.asks and self._picture is not None:
            self._picture.request_keyframe()
        super()._take_report(report)


def _fit(name: str) -> str:
    return name[:40] or "Headset"
