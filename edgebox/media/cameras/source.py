"""What every picture source looks like to the encoder process.

A source blocks in `read` until the camera has the next picture. It gives either a `Picture`,
which is drawn or decoded only if somebody wants it, or an `AccessUnit` of a camera that encodes
H.264 itself. When the camera goes away `read` raises CameraGoneError; the encoder process closes
the source and opens it anew until the camera is back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import av

from edgebox.errors import DeviceError


class CameraGoneError(DeviceError):
    """The camera is not there, or not any more; the text says what to plug."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One uncompressed picture."""

    at: float
    """When it was taken, monotonic seconds."""
    frame: Callable[[], av.VideoFrame]
    """Draws or decodes it; call it once, or never if nobody wants the picture."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One compressed picture: H.264, Annex B, parameter sets inline before each IDR."""

    at: float
    data: bytes


class Source(Protocol):
    """An opened camera. Not thread-safe, except that `close` ends a blocked `read`."""

    width: int
    height: int
    fps: float

    def read(self) -> Picture | AccessUnit:
        """The next picture. Raises CameraGoneError, or DeviceError if it can never work."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


def held(frame: av.VideoFrame) -> Callable[[], av.VideoFrame]:
    """For a Picture that is decoded already."""
    return lambda: frame
