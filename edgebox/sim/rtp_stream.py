"""A camera's RTP stream without a camera, and the log of what arrived of it.

The packets look as SRTP inside TURN ChannelData does: header readable, the rest noise-like.
"""

import math
import random
import struct
from dataclasses import dataclass

PACKET_PAYLOAD = 1080
PACKET_HEADERS = 16
"""ChannelData and RTP, in front of each payload."""
CHANNEL = 0x4000
RTP_CLOCK = 90_000
_MARK = struct.Struct("!IHH")


@dataclass
class Frame:
    """One picture on its way."""

    number: int
    captured_at: float
    packets: int
    size: int
    arrived: int = 0
    complete_at: float = math.inf

    @property
    def delay_s(self) -> float:
        """Capture to last packet; infinite if one is missing."""
        return self.complete_at - self.captured_at


class RtpStream:
    """Makes frames, notes their arrival."""

    def __init__(
        self,
        chance: random.Random,
        *,
        fps: int = 30,
        key_every: int = 300,
        key_factor: float = 3.0,
        ssrc: int = 0x1234_5678,
    ):
        self.fps = fps
        self.frames: list[Frame] = []
        self.twice = 0
        """Packets that came out more than once."""
        self.disordered = 0
        """Packets that came out after a later one."""
        self._chance = chance
        self._key_every = key_every
        self._key_factor = key_factor
        self._ssrc = ssrc
        self._sequence = 0
        self._seen: set[tuple[int, int]] = set()
        self._last = (-1, -1)

    def capture(self, bitrate_bps: float, now: float) -> list[bytes]:
        """The packets of the next frame at this bitrate."""
        number = len(self.frames)
        is_key = number % self._key_every == 0
        size = bitrate_bps / 8 / self.fps * self._chance.lognormvariate(0, 0.2)
        size = max(60, round(size * (self._key_factor if is_key else 1.0)))
        packets = math.ceil(size / PACKET_PAYLOAD)
        self.frames.append(Frame(number, now, packets, size))
        return [
            self._packet(number, place, packets, min(PACKET_PAYLOAD, size - place * PACKET_PAYLOAD))
            for place in range(packets)
        ]

    def _packet(self, number: int, place: int, packets: int, size: int) -> bytes:
        self._sequence = (self._sequence + 1) % 65_536
        marker = 0x80 if place == packets - 1 else 0
        timestamp = number * RTP_CLOCK // self.fps
        rtp = struct.pack("!BBHII", 0x80, marker | 96, self._sequence, timestamp, self._ssrc)
        body = _MARK.pack(number, place, packets).ljust(max(size, _MARK.size), b"\xa5")
        return struct.pack("!HH", CHANNEL, len(rtp) + len(body)) + rtp + body

    def arrive(self, payload: bytes, now: float) -> None:
        """A packet came out at the far end."""
        number, place, _ = _MARK.unpack_from(payload, 16)
        if (number, place) in self._seen:
            self.twice += 1
            return
        self._seen.add((number, place))
        self.disordered += (number, place) < self._last
        self._last = max(self._last, (number, place))
        frame = self.frames[number]
        frame.arrived += 1
        if frame.arrived == frame.packets:
            frame.complete_at = now

    # Figures

    def window(self, start: float, end: float) -> list[Frame]:
        """Frames captured in this time."""
        return [frame for frame in self.frames if start <= frame.captured_at < end]

    def longest_gap_s(self, start: float, end: float) -> float:
        """Longest time without a newer complete frame among those captured in this time."""
        latest, number, gap_s = start, -1, 0.0
        done = sorted((frame.complete_at, frame.number) for frame in self.window(start, end))
        for at, frame_number in done:
            if math.isinf(at) or frame_number < number:
                continue
            gap_s, latest, number = max(gap_s, at - latest), at, frame_number
        return max(gap_s, end - latest)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all do not exceed; infinite for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.inf
