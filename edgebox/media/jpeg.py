"""JPEG (ITU-T T.81, annex B) from a browser: taken apart, and put together of what is known.

A device that shows it decodes it; what it gets has the shape of a picture, a size that it can hold,
and nothing besides the picture: comments and what applications add (APP1 to APP15: places, names,
thumbnails) are left out. The coded picture itself is not decoded here.
"""

import re

from edgebox.errors import RemoteProtocolError

SIDE_MAX = 1280
"""Pixels: 854 are shown."""
SEGMENTS_MAX = 200
SCANS_MAX = 16
"""A progressive picture of libjpeg has 10."""
BEGIN, END = b"\xff\xd8", b"\xff\xd9"
APP0, COMMENT = 0xE0, 0xFE
FRAMES = {0xC0, 0xC1, 0xC2}
"""SOF: baseline, extended, progressive; all by Huffman's code."""
SCAN = 0xDA
KEPT = {APP0, 0xDB, 0xC4, 0xDD, SCAN} | FRAMES
DROPPED = {*range(APP0 + 1, APP0 + 16), COMMENT}
CODED_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The first marker behind a scan; 00 is stuffing, D0 to D7 are restarts."""


def cleaned(data: bytes) -> bytes:
    """The same picture. Raises RemoteProtocolError for anything that is none."""
    if not data.startswith(BEGIN):
        raise RemoteProtocolError("not a JPEG")
    out, at, scans, frames = [BEGIN], 2, 0, 0
    for _ in range(SEGMENTS_MAX):
        if data[at : at + 2] == END:
            if at + 2 != len(data) or not (scans and frames == 1):
                raise RemoteProtocolError("a JPEG that is no single picture")
            return b"".join([*out, END])
        kind, end = _segment(data, at)
        if kind in FRAMES:
            frames += 1
            _judge(data[at + 4 : end])
        if kind == SCAN:
            scans += 1
            found = CODED_END.search(data, end)
            if found is None or scans > SCANS_MAX or not frames:
                raise RemoteProtocolError("a JPEG with a scan that does not end")
            end = found.start()
        if kind not in DROPPED:
            out.append(data[at:end])
        at = end
    raise RemoteProtocolError("a JPEG of too many segments")


def _segment(data: bytes, at: int) -> tuple[int, int]:
    """Its marker and where it ends; one that claims too little or too much is followed by none."""
    if len(data) < at + 4 or data[at] != 0xFF:
        raise RemoteProtocolError("a JPEG that is cut off")
    kind, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4])
    if kind not in KEPT | DROPPED:
        raise RemoteProtocolError(f"a JPEG with marker {kind:02x}")
    return kind, end


def _judge(frame: bytes) -> None:
    """B.2.2: precision, height, width, components."""
    if len(frame) < 6:
        raise RemoteProtocolError("a JPEG that is cut off")
    height, width = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
    if frame[0] != 8 or frame[5] not in {1, 3} or len(frame) != 6 + 3 * frame[5]:
        raise RemoteProtocolError("a JPEG of another kind")
    if not (0 < width <= SIDE_MAX and 0 < height <= SIDE_MAX):
        raise RemoteProtocolError(f"a JPEG of {width}x{height}")
