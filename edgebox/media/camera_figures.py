"""Figures of a picture, and a small copy of it. Pure; too slow for the event loop."""

from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np

from edgebox.errors import DeviceError
from edgebox.media.still import jpeg_of
from edgebox.messages.support_still import JPEG_MAX

WIDTH_MAX = 640
QUALITIES = (5, 10, 20, 31)
"""FFmpeg's scale of quantizers, 31 is the coarsest."""
DARK, BRIGHT = 24, 235
"""Luma, of 255."""


@dataclass(frozen=True)
class Figures:
    """As in messages.support_still.CameraFigures."""

    brightness: float
    dark: float
    bright: float
    contrast: float
    sharpness: float


def figures_of(jpeg: bytes) -> Figures:
    """Raises DeviceError for what is no picture."""
    luma = _decoded(jpeg).reformat(format="gray").to_ndarray().astype(np.int16)
    inner = luma[1:-1, 1:-1]
    laplacian = 4 * inner - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    return Figures(
        brightness=round(float(luma.mean()) / 255, 3),
        dark=round(float((luma < DARK).mean()), 3),
        bright=round(float((luma > BRIGHT).mean()), 3),
        contrast=round(float(luma.std()) / 255, 3),
        sharpness=round(float(laplacian.std()), 1),
    )


def small(jpeg: bytes) -> tuple[bytes, int, int]:
    """At most WIDTH_MAX wide and JPEG_MAX long, and its size. Raises DeviceError."""
    frame = _decoded(jpeg)
    scale = min(1.0, WIDTH_MAX / frame.width)
    width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))
    little = frame.reformat(width=width, height=height)
    made = jpeg_of(little, QUALITIES, JPEG_MAX)
    if len(made) > JPEG_MAX:
        raise DeviceError(f"a picture of {width}x{height} does not fit into {JPEG_MAX} bytes")
    return made, width, height


def _decoded(jpeg: bytes) -> av.VideoFrame:
    try:
        with av.open(BytesIO(jpeg), "r", format="mjpeg") as container:
            return next(container.decode(video=0))
    except (av.FFmpegError, StopIteration, ValueError) as error:
        raise DeviceError(f"the camera's still is no picture: {error}") from error
