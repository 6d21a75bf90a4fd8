"""A camera on USB or an HDMI grabber: Video4Linux through FFmpeg's v4l2 input.

Name it by /dev/v4l/by-path/...: that name is the socket it is plugged into. It vanishes when the
camera is unplugged and comes back with it.
"""

import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import av

from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.media import h264
from edgebox.media.cameras.source import AccessUnit, CameraGoneError, Picture

VIDIOC_ENUM_FMT = 0xC0405602
FORMAT_DESCRIPTION = struct.Struct("=III32sIIIII")
"""struct v4l2_fmtdesc: index, type, flags, description, pixelformat, mbus_code, 3 reserved."""
VIDEO_CAPTURE = 1
WISHES = ((b"H264", "h264"), (b"MJPG", "mjpeg"), (b"YUYV", "yuyv422"))
"""FourCC and FFmpeg's name, the cheapest to handle first. USB 2 has no room for YUYV in 720p."""
YUYV_PIXELS_MAX = 640 * 480
READ_TIMEOUT_S = 2.0


class V4l2Source:
    """Opens `camera.source`, the path of a device node."""

    def __init__(self, camera: Camera):
        self._path = camera.source
        wished = choose_format(_formats(self._path), camera.width * camera.height)
        options = {
            "video_size": f"{camera.width}x{camera.height}",
            "framerate": str(camera.fps),
            "input_format": wished,
            "fflags": "nobuffer",
            "probesize": "32",
            "analyzeduration": "0",
        }
        try:
            self._container = av.open(
                self._path, format="v4l2", options=options, timeout=(None, READ_TIMEOUT_S)
            )
        except (av.FFmpegError, OSError) as error:
            raise _refused(self._path, error) from error
        stream = self._container.streams.video[0]
        self.width, self.height = stream.codec_context.width, stream.codec_context.height
        self.fps = float(stream.average_rate or camera.fps)
        self._items: Iterator[Picture | AccessUnit] = (
            self._units() if wished == "h264" else self._pictures()
        )

    def read(self) -> Picture | AccessUnit:
        try:
            return next(self._items)
        except (av.FFmpegError, OSError, StopIteration) as error:
            raise CameraGoneError(f"camera at {self._path} was unplugged: plug it in") from error

    def close(self) -> None:
        self._container.close()

    def _units(self) -> Iterator[AccessUnit]:
        parameter_sets = b""
        for packet in self._container.demux(self._container.streams.video[0]):
            at, data = time.monotonic(), bytes(packet)
            parameter_sets = h264.parameter_sets(data) or parameter_sets
            if data:
                yield AccessUnit(at, h264.with_parameter_sets(data, parameter_sets))

    def _pictures(self) -> Iterator[Picture]:
        """Each packet is a picture of its own: it is decoded only if somebody wants it."""
        stream = self._container.streams.video[0]
        for packet in self._container.demux(stream):
            if packet.size:
                yield Picture(time.monotonic(), _decoding(packet))


def choose_format(offered: list[bytes], pixels: int) -> str:
    """FFmpeg's name of the format to ask the camera for. Raises DeviceError if none will do."""
    usable = [
        name
        for code, name in WISHES
        if code in offered and (name != "yuyv422" or pixels <= YUYV_PIXELS_MAX or len(offered) == 1)
    ]
    if usable:
        return usable[0]
    if b"YUYV" in offered:
        return "yuyv422"
    names = ", ".join(code.decode("ascii", "replace") for code in offered) or "no format"
    raise DeviceError(f"the camera offers {names}; H264, MJPG or YUYV is needed")


def _formats(path: str) -> list[bytes]:
    """FourCCs the device captures. Raises CameraGoneError or DeviceError."""
    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(path, error) from error
    found: list[bytes] = []
    try:
        while len(found) < 64:
            asked = bytearray(
                FORMAT_DESCRIPTION.pack(len(found), VIDEO_CAPTURE, 0, b"", 0, 0, 0, 0, 0)
            )
            fcntl.ioctl(device, VIDIOC_ENUM_FMT, asked)
            found.append(struct.pack("=I", FORMAT_DESCRIPTION.unpack(asked)[4]))
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL is the end of the list
            raise DeviceError(f"{path} is not a camera: {error.strerror}") from error
    finally:
        os.close(device)
    return found


def _decoding(packet: "av.Packet[Any]") -> Callable[[], av.VideoFrame]:
    def decode() -> av.VideoFrame:
        frame = packet.decode()[0]
        if not isinstance(frame, av.VideoFrame):
            raise DeviceError("the camera gives something that is not a picture")
        return frame

    return decode


def _refused(path: str, error: Exception) -> DeviceError:
    """What to tell the technician about an error on opening."""
    code = getattr(error, "errno", None)
    if code in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return CameraGoneError(f"no camera at {path}: plug it in")
    if code in {errno.EACCES, errno.EPERM}:
        return DeviceError(f"no permission for {path}: add this user to the group `video`")
    if code == errno.EBUSY:
        return DeviceError(f"{path} is in use by another program: end that one")
    return DeviceError(f"{path} cannot be opened: {error}")
