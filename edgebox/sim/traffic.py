"""What a vehicle sends and gets: pictures, sound, control, bursts of anything, large datagrams.

Every datagram is different, so that one delivered twice, altered or made up is recognised by its
bytes alone.
"""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

FLOWS = (5, 77, 4_000_000_000)
FILLER = bytes(range(256)) * 40
_STAMP = struct.Struct("!HI")
Make = Callable[["Source", int, random.Random], list[bytes]]


@dataclass
class Source:
    """One sender of datagrams on one flow."""

    name: str
    direction: str
    flow: int
    number: int
    """Makes its bytes differ from others'."""
    period_s: float
    make: Make
    rate_bps: float = 0.0
    follows_target: bool = False
    count: int = 0

    def next(self, chance: random.Random) -> list[bytes]:
        """The datagrams of its next moment."""
        self.count += 1
        return self.make(self, self.count, chance)


def _body(source: Source, number: int, place: int, size: int) -> bytes:
    stamp = _STAMP.pack(source.number << 8 | place & 0xFF, number)
    return (stamp + FILLER[: max(0, size - len(stamp))])[: max(size, len(stamp))]


def picture(source: Source, number: int, chance: random.Random) -> list[bytes]:
    """One frame: ChannelData, RTP, up to 1,100 bytes a packet."""
    size = source.rate_bps / 8 * source.period_s * chance.lognormvariate(0, 0.3)
    size *= 3 if number % 60 == 1 else 1
    packets = min(250, max(1, round(size / 1080)))
    each = max(20, min(1080, round(size / packets)))
    return [_rtp(source, number, place, packets, each) for place in range(packets)]


def _rtp(source: Source, number: int, place: int, packets: int, size: int) -> bytes:
    marker = 0x80 if place == packets - 1 else 0
    sequence = (number * 250 + place) % 65_536
    rtp = struct.pack("!BBHII", 0x80, marker | 96, sequence, number * 3000, source.number)
    body = _body(source, number, place, size)
    return struct.pack("!HH", 0x4000, len(rtp) + len(body)) + rtp + body


def sound(source: Source, number: int, chance: random.Random) -> list[bytes]:
    """One small RTP packet."""
    rtp = struct.pack("!BBHII", 0x80, 111, number % 65_536, number * 960, source.number)
    return [rtp + _body(source, number, 0, chance.randrange(20, 160))]


def handshake(source: Source, number: int, chance: random.Random) -> list[bytes]:
    """Small DTLS or STUN."""
    if chance.random() < 0.5:
        return [b"\x16\xfe\xfd" + _body(source, number, 0, chance.randrange(20, 380))]
    return [b"\x00\x01\x00\x08\x21\x12\xa4\x42" + _body(source, number, 0, 60)]


def burst(source: Source, number: int, chance: random.Random) -> list[bytes]:
    """A few datagrams of something unknown."""
    count = chance.randrange(1, 12)
    return [
        b"\xf0" + _body(source, number, place, chance.randrange(10, 1200)) for place in range(count)
    ]


def large(source: Source, number: int, chance: random.Random) -> list[bytes]:
    """A datagram that must be cut into pieces."""
    return [b"\xf1" + _body(source, number, 0, chance.randrange(1250, 8000))]


def sources(chance: random.Random) -> list[Source]:
    """A random mix: always something upwards, often something back."""
    found: list[Source] = []

    def add(name: str, direction: str, period_s: float, make: Make, rate_bps: float = 0.0) -> None:
        flow = chance.choice(FLOWS)
        follows = make is picture and direction == "up" and chance.random() < 0.5
        found.append(
            Source(name, direction, flow, len(found) + 1, period_s, make, rate_bps, follows)
        )

    if chance.random() < 0.9:
        add("camera", "up", 1 / chance.choice((15, 25, 30)), picture, _rate(chance))
    if chance.random() < 0.2:
        add("second camera", "up", 1 / 15, picture, _rate(chance) / 2)
    if chance.random() < 0.6:
        add("microphone", "up", 0.020, sound)
    if chance.random() < 0.4:
        add("loudspeaker", "down", 0.020, sound)
    if chance.random() < 0.2:
        add("guest picture", "down", 1 / 15, picture, 600_000.0)
    if chance.random() < 0.4:
        add("handshakes", chance.choice(("up", "down")), chance.uniform(0.05, 1.0), handshake)
    if chance.random() < 0.4:
        add("bursts", chance.choice(("up", "down")), chance.uniform(0.02, 0.5), burst)
    if chance.random() < 0.2:
        add("large datagrams", chance.choice(("up", "down")), chance.uniform(0.1, 1.0), large)
    # Something always goes up: whether it still flows in the end is what is asked.
    add("keepalive", "up", 0.1, handshake)
    return found


def _rate(chance: random.Random) -> float:
    return float(10 ** chance.uniform(5.2, 6.6))
