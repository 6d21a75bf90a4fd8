"""A camera on the Raspberry Pi's ribbon connector, through picamera2 (libcamera).

Pictures come uncompressed and go through the same encoder as all others (h264_v4l2m2m on a Pi 4).
picamera2's own encoder is not used: its rate is fixed at start, it makes no keyframe on demand, and
it encodes while nobody watches; a Pi 5 has no hardware for it either.
"""

import time
from typing import Any

import av

from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.media.cameras.source import CameraGoneError, Picture, held


class PicameraSource:
    """Opens the camera whose number is `camera.source`; empty means 0."""

    def __init__(self, camera: Camera):
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise DeviceError(
                f"picamera2 cannot be used here ({error}): on Raspberry Pi OS install the package "
                "python3-picamera2 and make the environment with --system-site-packages"
            ) from error
        if not camera.source.isdecimal() and camera.source:
            raise DeviceError(f"camera number {camera.source!r} is not a number")
        number = int(camera.source or 0)
        try:
            self._device = Picamera2(number)
        except (IndexError, RuntimeError) as error:
            raise CameraGoneError(
                f"no camera {number} on the ribbon connector: check the cable ({error})"
            ) from error
        self._configure(camera)

    def _configure(self, camera: Camera) -> None:
        device: Any = self._device
        wish = device.create_video_configuration(
            main={"size": (camera.width, camera.height), "format": "YUV420"},
            controls={"FrameRate": camera.fps},
            buffer_count=4,
        )
        try:
            device.configure(wish)
            device.start()
        except RuntimeError as error:
            device.close()
            raise DeviceError(f"the camera refuses its configuration: {error}") from error
        main = device.camera_configuration()["main"]
        self.width, self.height = main["size"]
        self._stride: int = main["stride"]
        self.fps = float(camera.fps)

    def read(self) -> Picture:
        try:
            request = self._device.capture_request()
        except RuntimeError as error:
            raise CameraGoneError(f"the camera stopped: check the cable ({error})") from error
        at = time.monotonic()
        try:
            data = memoryview(request.make_buffer("main"))
        finally:
            request.release()
        return Picture(at, held(planar(data, self._stride, self.width, self.height)))

    def close(self) -> None:
        self._device.close()


def planar(data: memoryview, stride: int, width: int, height: int) -> av.VideoFrame:
    """A picture from libcamera's YUV420 buffer: Y rows of `stride` bytes, then U and V of half."""
    frame = av.VideoFrame(width, height, "yuv420p")
    start = 0
    for index, plane in enumerate(frame.planes):
        half = 1 if index == 0 else 2
        rows, row, step = height // half, width // half, stride // half
        if step == plane.line_size:
            plane.update(bytes(data[start : start + step * rows]).ljust(plane.buffer_size, b"\0"))
        else:
            target = memoryview(plane)
            for y in range(rows):
                at = y * plane.line_size
                target[at : at + row] = data[start + y * step : start + y * step + row]
        start += step * rows
    return frame
