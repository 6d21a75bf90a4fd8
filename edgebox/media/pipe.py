"""What an encoder process and its owner tell each other, and how it looks on their socket pair.

Both sides send records on a stream socket, big endian:

| bytes | content                                                          |
|-------|------------------------------------------------------------------|
| 1     | kind: 1 frame, 2 report, 4 still (to the owner), 3 order, 5 unit |
|       | (to the process)                                                 |
| 1     | frame: 1 for a keyframe, else 0; unit: 0 for H.264, 1 for VP8    |
| 4     | length of the body                                               |
| 8     | frame, unit: time it was taken, 1/90000 s, monotonic clock       |
| n     | body: an Annex B access unit (or a VP8 frame, RFC 6386), JSON of |
|       | Report, Start or Orders, or a still: Still as JSON, a line feed, |
|       | and its JPEG                                                     |
"""

import struct
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from edgebox.config.media import Camera
from edgebox.media.cut import WHOLE, Part

HEADER = struct.Struct("!BBIQ")
FRAME, REPORT, ORDER, STILL, UNIT = 1, 2, 3, 4, 5
UNIT_CODECS = ("H264", "VP8")
BODY_MAX = 16 * 1024 * 1024


class Start(Struct, frozen=True, tag=True):
    """The owner's first record: what to open."""

    camera: Camera
    directory: str
    """Relative file names start here."""
    hardware: Literal["auto", "off"]


class Form(Struct, frozen=True):
    """How pictures are made from what the camera gives."""

    width: int = 0
    """They are made no larger than this, in their own shape. 0: as configured."""
    height: int = 0
    fps: float = 0.0
    """No more a second than this. 0: as many as the camera gives."""
    every_s: float = 0.0
    """Not 0: single pictures, each a keyframe, this far apart."""


class Orders(Struct, frozen=True, tag=True):
    """What the owner wants from now on; always all of it."""

    encode: bool = False
    bitrate_bps: int = 1_000_000
    """0: no picture for the moment."""
    keyframes: int = 0
    """Rises by one for each keyframe that is wanted."""
    form: Form = Form()
    part: Part = WHOLE
    """What of the camera's picture is shown."""
    stills: int = 0
    """Rises by one for each still that is wanted."""


class Report(Struct, frozen=True, tag=True):
    """Twice a second, and at once when something other than the counters changes."""

    state: Literal["starting", "ready", "live", "absent", "failed"]
    detail: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    encoder: str = ""
    captured: int = 0
    """Pictures the camera gave since the process started."""
    asks: int = 0
    """Rises by one for each keyframe that is wanted of a camera that can be asked."""


class Still(Struct, frozen=True, tag=True):
    """A picture in the camera's full resolution."""

    number: int
    """Of the order it answers."""
    at_utc: float = 0.0
    width: int = 0
    height: int = 0
    problem: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One access unit on its way to the viewers."""

    data: bytes
    pts: int
    keyframe: bool


def frame_header(data: bytes, pts: int, *, keyframe: bool) -> bytes:
    """What stands before `data` on the socket."""
    return HEADER.pack(FRAME, keyframe, len(data), pts)


def unit_record(codec: str, data: bytes, pts: int) -> bytes:
    """A whole record with what a headset sent. `codec`: of UNIT_CODECS."""
    return HEADER.pack(UNIT, UNIT_CODECS.index(codec), len(data), pts) + data


def still_record(still: Still, jpeg: bytes) -> bytes:
    """A whole record with a still."""
    body = msgspec.json.encode(still) + b"\n" + jpeg
    return HEADER.pack(STILL, 0, len(body), 0) + body


def parse_still(body: bytes) -> tuple[Still, bytes]:
    """The still and its JPEG."""
    head, _, jpeg = body.partition(b"\n")
    return msgspec.json.decode(head, type=Still), jpeg


def record(kind: int, body: Struct) -> bytes:
    """A whole record with a JSON body."""
    data = msgspec.json.encode(body)
    return HEADER.pack(kind, 0, len(data), 0) + data
