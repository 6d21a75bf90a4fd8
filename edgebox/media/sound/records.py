"""What the sound process and its owner tell each other, and how it looks on their socket pair.

Both sides send records on a stream socket, big endian:

| bytes | content                                                                            |
|-------|------------------------------------------------------------------------------------|
| 1     | kind: 1 sound, 2 report (to the owner), 3 order, 4 packet (to the process)         |
| 1     | sound: whom the mix is for; packet: the guest it came from                         |
| 4     | sound: number of the order that was obeyed; packet: RTP sequence number            |
| 4     | length of the body                                                                 |
| 8     | sound: time of the first sample, 1/48000 s monotonic; packet: RTP time stamp       |
| n     | body: an Opus packet, or JSON of Start, Orders or Report                           |
"""

import struct
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from edgebox.config.media import Loudspeaker, Microphone

HEADER = struct.Struct("!BBIIQ")
NUMBERS = 1 << 32
"""Of orders: more than the longest session can give, so that old and new are told apart."""
SOUND, REPORT, ORDER, PACKET = 1, 2, 3, 4
EVERYBODY, FAR = 0, 255
"""Mixes of no single guest: of all there is, for those who do not speak themselves; of remote help
alone, for headsets: nothing in it was said near them. Guests are numbered from 1."""
GUESTS_MAX = 64

DeviceState = Literal["none", "starting", "ready", "absent", "failed"]


class Start(Struct, frozen=True, tag=True):
    """The owner's first record: what to open."""

    microphone: Microphone
    loudspeaker: Loudspeaker
    directory: str
    """Relative file names start here."""


class Orders(Struct, frozen=True, tag=True):
    """What the owner wants from now on; always all of it."""

    number: int = 0
    """Rises with each order, modulo NUMBERS."""
    live: bool = False
    muted: bool = False
    """Nothing of the cabin goes into any mix."""
    speaking: tuple[int, ...] = ()
    """Guests who are heard in the cabin and by the others."""
    near: tuple[int, ...] = ()
    """Those of them who are in the cabin themselves: the others hear them, the loudspeaker does
    not repeat them, and the cabin's mute mutes them."""
    mixes: tuple[int, ...] = ()
    """Whom to make a mix for: a guest, who does not hear themselves, EVERYBODY or FAR."""
    caller: int = 0
    """A guest who is heard in the cabin while nothing is live, the technician; 0: none."""
    talk: bool = False
    """They are sent what the microphone hears, and nothing else: the crew holds the button."""
    bitrate_bps: int = 32_000
    packet_ms: int = 20
    loss_percent: int = 5


class Report(Struct, frozen=True, tag=True):
    """Twice a second, and at once when something other than the counters changes."""

    microphone: DeviceState = "starting"
    loudspeaker: DeviceState = "starting"
    detail: str = ""
    voices: tuple[int, ...] = ()
    """Guests from whom sound came lately that is not silence."""
    steps: int = 0
    """Blocks of 20 ms worked on since the process started."""
    late: int = 0
    lost: int = 0
    refused: int = 0
    """Packets of guests: too late, never came, not Opus."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One Opus packet on its way to the listeners."""

    data: bytes
    pts: int
    """Time of the first sample, 1/48000 s monotonic."""


def record(kind: int, body: Struct) -> bytes:
    """A whole record with a JSON body."""
    data = msgspec.json.encode(body)
    return HEADER.pack(kind, 0, 0, len(data), 0) + data


def sound(mix: int, order: int, pts: int, data: bytes) -> bytes:
    """A whole record of kind SOUND."""
    return HEADER.pack(SOUND, mix, order, len(data), pts) + data


def packet(guest: int, sequence: int, timestamp: int, data: bytes) -> bytes:
    """A whole record of kind PACKET."""
    return HEADER.pack(PACKET, guest, sequence, len(data), timestamp) + data
