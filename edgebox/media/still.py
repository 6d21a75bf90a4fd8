"""A JPEG of one picture; runs in the encoder process."""

from collections.abc import Sequence
from fractions import Fraction

import av

QUALITIES = (3, 8, 16)
"""FFmpeg's scale of quantizers, 2 is best. The coarser are for pictures that come too large."""
JPEG_MAX_BYTES = 8 * 1024 * 1024


def jpeg_of(
    frame: av.VideoFrame, qualities: Sequence[int] = QUALITIES, most: int = JPEG_MAX_BYTES
) -> bytes:
    """The first of `qualities` that makes it no longer than `most` bytes, or the last."""
    full_range = frame.reformat(format="yuvj420p", dst_color_range="JPEG")
    full_range.pts, full_range.time_base = 0, Fraction(1, 25)
    jpeg = b""
    for quality in qualities:
        jpeg = _encoded(full_range, quality)
        if len(jpeg) <= most:
            break
    return jpeg


def _encoded(frame: av.VideoFrame, quality: int) -> bytes:
    context = av.VideoCodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.options = {"qmin": str(quality), "qmax": str(quality)}
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))
