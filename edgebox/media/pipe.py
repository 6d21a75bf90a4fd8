"""What an encoder process and its owner tell each other, and how it looks on their socket pair.

Both sides send records on a stream socket, big endian:

| bytes | content                                                          |
|-------|------------------------------------------------------------------|
| 1     | kind: 1 frame, 2 report (to the owner), 3 order (to the process) |
| 1     | frame: 1 for a keyframe, else 0                                  |
| 4     | length of the body                                               |
| 8     | frame: presentation time, 1/90000 s of the monotonic clock       |
| n     | body: an Annex B access unit, or JSON of Report, Start or Orders |
"""

import struct
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from edgebox.config import Camera

HEADER = struct.Struct("!BBIQ")
FRAME, REPORT, ORDER = 1, 2, 3
BODY_MAX = 16 * 1024 * 1024


class Start(Struct, frozen=True, tag=True):
    """The owner's first record: what to open."""

    camera: Camera
    directory: str
    """Relative file names start here."""
    hardware: Literal["auto", "off"]


class Orders(Struct, frozen=True, tag=True):
    """What the owner wants from now on; always all of it."""

    encode: bool = False
    bitrate_bps: int = 1_000_000
    keyframes: int = 0
    """Rises by one for each keyframe that is wanted."""


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


@dataclass(frozen=True, slots=True)
class Frame:
    """One access unit on its way to the viewers."""

    data: bytes
    pts: int
    keyframe: bool


def frame_header(data: bytes, pts: int, *, keyframe: bool) -> bytes:
    """What stands before `data` on the socket."""
    return HEADER.pack(FRAME, keyframe, len(data), pts)


def record(kind: int, body: Struct) -> bytes:
    """A whole record with a JSON body."""
    data = msgspec.json.encode(body)
    return HEADER.pack(kind, 0, len(data), 0) + data
