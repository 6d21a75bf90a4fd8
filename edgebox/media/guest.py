"""The picture of a guest's own camera: packets to frames, undecoded, for the panel (no I/O).

Packets come in any order; lost ones are asked for again by the WebRTC library. A frame goes out as
soon as all of it is there. When something stays missing for GIVE_UP_S, what depends on it is left
out and a keyframe is asked for: a picture that stands still for a moment, never a broken one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edgebox.media import h264
from edgebox.media.pipe import Frame

Sink = Callable[[Frame], None]

GIVE_UP_S = 0.4
KEYFRAME_EVERY_S = 0.5
"""Requests that come faster share one keyframe."""
PACKETS_MAX = 1024
FRAME_MAX = 1_000_000
"""Bytes; no keyframe of a phone is larger."""
BITS_PER_S = 3_000_000
"""More than the answer allowed (offer.py) by far: a flood, dropped before it costs anything."""
SHOWS_S = 1.5
JUMP = 5_000
"""Sequence numbers further apart than this belong to a new stream."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet, its payload already freed of the format's own headers."""

    sequence: int
    timestamp: int
    marker: bool
    codec: str
    """`H264` (the data is Annex B) or `VP8`."""
    data: bytes
    at: float
    """When it arrived, monotonic seconds."""


class GuestPicture:
    """What comes in from one guest. Has the same shape as an encoder for those who show it."""

    def __init__(self, changed: Callable[[], None]):
        self._changed = changed
        self._sinks: list[Sink] = []
        self._packets: dict[int, Packet] = {}
        self._newest: int | None = None
        self._next = 0
        """Number of the first packet of the frame to go out next."""
        self._gap = 0
        """Number of the first packet that is not there, from `_next` on."""
        self._gap_since = float("inf")
        self._broken = True
        self._wanted = False
        self._asked_at = float("-inf")
        self._frame_at = float("-inf")
        self._shown = False
        self._stamp: tuple[int, int] | None = None
        self._budget_bits, self._budget_at = float(BITS_PER_S), 0.0
        self.codec = ""
        """Of the newest frame."""
        self.ask: Callable[[], None] = lambda: None
        """Asks the guest for a keyframe."""
        self.dropped = 0
        """Packets beyond what a guest may send, and frames that could not be completed."""

    # For those who show it

    def add_sink(self, sink: Sink) -> None:
        """Call `sink` with each frame from now on; it must not block."""
        self._sinks.append(sink)

    def remove_sink(self, sink: Sink) -> None:
        """Never mind if it is not there."""
        if sink in self._sinks:
            self._sinks.remove(sink)

    def request_keyframe(self) -> None:
        """Somebody begins to look, or lost track. The guest is asked with the next packet."""
        self._wanted = True

    def shows(self, now: float) -> bool:
        """Do pictures come in?"""
        shown = now - self._frame_at < SHOWS_S
        if shown != self._shown:
            self._shown = shown
            self._changed()
        return shown

    # Packets

    def put(self, packet: Packet) -> None:
        """A packet arrived."""
        if not self._within_budget(packet):
            self.dropped += 1
            return
        number = self._unwrapped(packet.sequence)
        if self._newest is None or abs(number - self._newest) > JUMP:
            self._packets.clear()
            self._newest, self._next, self._broken = number, number, True
            self._gap, self._gap_since = number, float("inf")
        if number >= self._next:
            self._packets[number] = packet
        self._newest = max(self._newest, number)
        while (frame := self._complete()) is not None:
            self._give(frame)
        self._keep_going(packet.at)

    def _within_budget(self, packet: Packet) -> bool:
        self._budget_bits += (packet.at - self._budget_at) * BITS_PER_S
        self._budget_bits = min(BITS_PER_S, self._budget_bits)
        self._budget_at = packet.at
        size = (len(packet.data) + 40) * 8
        if size > self._budget_bits:
            return False
        self._budget_bits -= size
        return True

    def _complete(self) -> list[Packet] | None:
        """The packets of the next frame if all are there."""
        found: list[Packet] = []
        number = self._next
        while (packet := self._packets.get(number)) is not None:
            if found and packet.timestamp != found[0].timestamp:
                return self._taken(found)
            found.append(packet)
            if packet.marker:
                return self._taken(found)
            number += 1
        return None

    def _taken(self, found: list[Packet]) -> list[Packet]:
        for _ in found:
            del self._packets[self._next]
            self._next += 1
        return found

    def _give(self, packets: list[Packet]) -> None:
        data = b"".join(packet.data for packet in packets)
        codec, at = packets[0].codec, packets[-1].at
        if not data:
            return
        if len(data) > FRAME_MAX:
            self.dropped += 1
            self._broken = True
            return
        self.codec, self._frame_at = codec, at
        keyframe = h264.is_keyframe(data) if codec == "H264" else _is_vp8_keyframe(data)
        if keyframe:
            self._broken = self._wanted = False
        if self._broken or self._wanted:
            self._ask(at)
        if not self._broken:
            frame = Frame(data, self._pts(packets[0].timestamp), keyframe)
            for sink in list(self._sinks):
                sink(frame)
        self.shows(at)

    def _keep_going(self, now: float) -> None:
        """Give up what stays missing while later packets are there."""
        gap = max(self._gap, self._next)
        while gap in self._packets:
            gap += 1
        if gap > (self._newest or 0):
            self._gap_since = float("inf")
        elif gap != self._gap or self._gap_since == float("inf"):
            self._gap_since = now
        self._gap = gap
        if now - self._gap_since > GIVE_UP_S or len(self._packets) > PACKETS_MAX:
            self.dropped += 1
            self._packets.clear()
            self._next = self._gap = (self._newest or 0) + 1
            self._gap_since = float("inf")
            self._broken = True
            self._ask(now)

    def _ask(self, now: float) -> None:
        if now - self._asked_at >= KEYFRAME_EVERY_S:
            self._asked_at = now
            self.ask()

    def _unwrapped(self, sequence: int) -> int:
        """As a number that goes on rising (RFC 3550, A.1)."""
        if self._newest is None:
            return sequence
        return self._newest + (sequence - self._newest + 32_768) % 65_536 - 32_768

    def _pts(self, timestamp: int) -> int:
        """The time stamp as a number that goes on rising, 1/90000 s."""
        if self._stamp is None:
            self._stamp = (timestamp, 0)
        last, pts = self._stamp
        pts += (timestamp - last + (1 << 31)) % (1 << 32) - (1 << 31)
        self._stamp = (timestamp, pts)
        return pts


def _is_vp8_keyframe(data: bytes) -> bool:
    """RFC 6386, 9.1. The start code tells a frame from the rest of one whose beginning is lost."""
    return not data[0] & 1 and data[3:6] == b"\x9d\x01\x2a"
