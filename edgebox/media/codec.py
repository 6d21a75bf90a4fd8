"""H.264 encoders behind one interface: libx264, and h264_v4l2m2m where hardware has it.

Constrained baseline, no B-pictures, parameter sets repeated at each IDR, IDR only on request,
constant bit rate with a buffer of a few pictures: delay stays small and a change of the rate works
at once.
"""

import contextlib
import fcntl
import glob
import logging
import struct
from fractions import Fraction
from pathlib import Path
from typing import Protocol, cast

import av
from av.video.frame import PictureType

from edgebox.errors import DeviceError
from edgebox.media import h264

logger = logging.getLogger(__name__)

CLOCK_HZ = 90_000
TIME_BASE = Fraction(1, CLOCK_HZ)
NEVER = 1 << 20
"""Pictures between IDRs nobody asked for."""
BUFFER_S, BUFFER_LOW_S = 0.15, 0.4
BUFFER_LOW_BITS = 80_000
"""Rate control may save up BUFFER_S of the rate, and a keyframe is at most that large. At low rates
that would be a grey smear: there it is BUFFER_LOW_S, up to BUFFER_LOW_BITS."""
REOPEN_BELOW, REOPEN_ABOVE = 0.5, 2.0
"""libx264's buffer is fixed when it is opened. Beyond these ratios of the rate it was opened for, a
new encoder (whose first picture is an IDR) obeys at once where a retuned one takes seconds."""


Unit = tuple[int, bytes]
"""Presentation time in 1/90000 s and one access unit (Annex B)."""


class Encoder(Protocol):
    """Encodes pictures of one size."""

    name: str
    width: int
    height: int

    def encode(self, frame: av.VideoFrame, pts: int, *, keyframe: bool) -> list[Unit]:
        """What is ready: hardware queues, so it may be nothing now and two pictures next time."""
        ...

    def retune(self, bitrate_bps: int, fps: float) -> None:
        """From the next picture on: this rate at this many pictures a second."""
        ...


class X264:
    """Software."""

    name = "libx264"

    def __init__(self, width: int, height: int, camera_fps: float):
        self.width, self.height = width, height
        self._camera_fps = camera_fps
        self._rate_bps = 0
        self._opened_bps = 0
        self._context: av.VideoCodecContext | None = None

    def retune(self, bitrate_bps: int, fps: float) -> None:
        # libx264 is told of camera_fps; if some pictures are left out the others may be larger.
        self._rate_bps = int(bitrate_bps * self._camera_fps / fps)
        if self._context is None:
            return
        ratio = self._rate_bps / self._opened_bps
        if REOPEN_BELOW <= ratio <= REOPEN_ABOVE:
            self._context.bit_rate = self._rate_bps
        else:
            self._context = None

    def encode(self, frame: av.VideoFrame, pts: int, *, keyframe: bool) -> list[Unit]:
        if self._context is None:
            self._context = self._open()
        return _encode(self._context, frame, pts, keyframe=keyframe)

    def _open(self) -> av.VideoCodecContext:
        context = _context("libx264", self.width, self.height, self._camera_fps, self._rate_bps)
        pixels = self.width * self.height
        low_bits = min(self._rate_bps * BUFFER_LOW_S, BUFFER_LOW_BITS)
        one_picture_bits = self._rate_bps / self._camera_fps
        buffer_bits = max(self._rate_bps * BUFFER_S, low_bits, one_picture_bits)
        context.options = {
            "preset": "superfast",
            "tune": "zerolatency",
            "profile": "baseline",
            "maxrate": str(self._rate_bps),
            "bufsize": str(int(buffer_bits)),
            "forced-idr": "1",
            "sc_threshold": "0",
            "threads": "1" if pixels <= 1280 * 720 else "2",
        }
        self._opened_bps = self._rate_bps
        return context


class V4l2M2m:
    """Hardware through the kernel's memory-to-memory interface (Raspberry Pi 3 and 4)."""

    name = "h264_v4l2m2m"

    def __init__(self, width: int, height: int, camera_fps: float):
        self.width, self.height = width, height
        self._camera_fps = camera_fps
        self._rate_bps = 0
        self._context: av.VideoCodecContext | None = None
        self._device: int | None = None
        self._parameter_sets = b""

    def retune(self, bitrate_bps: int, fps: float) -> None:
        self._rate_bps = int(bitrate_bps * self._camera_fps / fps)
        if self._device is not None and not _set_bitrate(self._device, self._rate_bps):
            self._context = self._device = None

    def encode(self, frame: av.VideoFrame, pts: int, *, keyframe: bool) -> list[Unit]:
        if self._context is None:
            before = _video_descriptors()
            self._context = self._open()
            units = _encode(self._context, frame, pts, keyframe=True)
            self._device = next(iter(_video_descriptors() - before), None)
        else:
            units = _encode(self._context, frame, pts, keyframe=keyframe)
        return [(at, whole) for at, data in units if (whole := self._completed(data))]

    def _open(self) -> av.VideoCodecContext:
        context = _context(self.name, self.width, self.height, self._camera_fps, self._rate_bps)
        context.options = {"num_capture_buffers": "4", "num_output_buffers": "4"}
        return context

    def _completed(self, data: bytes) -> bytes:
        """Some drivers send parameter sets once and alone: keep them, put them before each IDR."""
        self._parameter_sets = h264.parameter_sets(data) or self._parameter_sets
        if not h264.types(data) & {h264.SLICE, h264.IDR}:
            return b""
        return h264.with_parameter_sets(data, self._parameter_sets)


def hardware_works(width: int, height: int, fps: float) -> bool:
    """Try h264_v4l2m2m on a few grey pictures; no device, no driver or no output is False."""
    if not glob.glob("/dev/video*"):  # noqa: PTH207 - a pattern of device nodes
        return False
    encoder = V4l2M2m(width, height, fps)
    encoder.retune(1_000_000, fps)
    try:
        for number in range(8):
            frame = av.VideoFrame(width, height, "yuv420p")
            if encoder.encode(frame, int(number * CLOCK_HZ / fps), keyframe=number == 0):
                return True
    except (av.FFmpegError, OSError) as error:
        logger.info("h264_v4l2m2m is of no use here: %s", error)
    return False


def open_encoder(*, hardware: bool, width: int, height: int, fps: float) -> Encoder:
    """The encoder to use where `hardware_works` or not. Raises DeviceError if there is none."""
    if hardware:
        return V4l2M2m(width, height, fps)
    try:
        av.Codec("libx264", "w")
    except (av.FFmpegError, ValueError) as error:
        raise DeviceError("no H.264 encoder: install the `av` wheel from PyPI") from error
    return X264(width, height, fps)


def _context(name: str, width: int, height: int, fps: float, rate_bps: int) -> av.VideoCodecContext:
    context = cast("av.VideoCodecContext", av.CodecContext.create(name, "w"))
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate = Fraction(fps).limit_denominator(1001)
    context.time_base = TIME_BASE
    context.bit_rate = rate_bps
    context.gop_size = NEVER
    context.max_b_frames = 0
    return context


def _encode(
    context: av.VideoCodecContext, frame: av.VideoFrame, pts: int, *, keyframe: bool
) -> list[Unit]:
    frame.pts, frame.time_base = pts, TIME_BASE
    frame.pict_type = PictureType.I if keyframe else PictureType.NONE
    return [
        (pts if packet.pts is None else packet.pts, bytes(packet))
        for packet in context.encode(frame)
    ]


# FFmpeg tells h264_v4l2m2m its rate when it opens the device and never again, but the kernel takes
# a new one at any time (V4L2 stateful encoder, "dynamic parameter changes").

VIDIOC_S_CTRL = 0xC008561C
V4L2_CID_MPEG_VIDEO_BITRATE = 0x009909CF


def _video_descriptors() -> set[int]:
    """This process's open file descriptors of video devices."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith("/dev/video"):
                found.add(int(entry.name))
    return found


def _set_bitrate(device: int, rate_bps: int) -> bool:
    control = struct.pack("=Ii", V4L2_CID_MPEG_VIDEO_BITRATE, rate_bps)
    try:
        fcntl.ioctl(device, VIDIOC_S_CTRL, control)
    except OSError:
        return False
    return True
