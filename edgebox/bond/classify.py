"""What a forwarded datagram is, from bytes that SRTP and TURN leave readable.

RTP and RTCP by RFC 3550 and the demultiplexing of RFC 7983 and RFC 5761 (4); TURN ChannelData by
RFC 8656 (12.4): four bytes in front of the datagram it carries. What is not recognised is DEFAULT.
"""

from collections import OrderedDict
from typing import NamedTuple

from edgebox.bond.wire import TrafficClass

STUN_COOKIE = b"\x21\x12\xa4\x42"
CONTROL_MAX = 400
"""STUN and DTLS above this carry data (TURN indications, SCTP): too dear to send twice."""
AUDIO_MAX = 400
"""No voice packet is larger (Opus at 128 kbit/s, 20 ms: 320 bytes)."""
STREAMS_MAX = 64
BURST_GAP_S = 0.003
"""A DEFAULT datagram this long after the one before starts a new burst."""
BURST_DATAGRAMS = 64
"""What flows without a pause is cut into bursts of so many."""


class Seen(NamedTuple):
    """Class of a datagram and the frame it belongs to."""

    traffic_class: TrafficClass
    frame: int
    """Counts frames (or bursts) of the flow from 1 to 65535 and again."""
    place: int
    """In the frame, at most 255."""
    is_last: bool = False
    """Nothing more of this frame comes: RTP's marker, or the longest a burst may be."""


class _Stream:
    """One RTP source (SSRC) or, for what is not RTP, the flow as a whole."""

    __slots__ = ("at", "frame", "is_video", "place", "timestamp")

    def __init__(self) -> None:
        self.timestamp = -1
        self.frame = 0
        self.place = 0
        self.is_video = False
        self.at = 0.0


_CONTROL = Seen(TrafficClass.CONTROL, 0, 0)


class Classifier:
    """Remembers the sources of one flow; the least recently seen is forgotten first."""

    def __init__(self) -> None:
        self._streams: OrderedDict[int, _Stream] = OrderedDict()
        self._frame = 0

    def classify(self, payload: bytes, now: float) -> Seen:
        """Class and frame of the next datagram of this flow."""
        at = 0
        first = payload[0] if payload else 0
        if 0x40 <= first <= 0x4F and len(payload) > 4 and _is_channel_data(payload):
            at = 4
            first = payload[4]
        size = len(payload) - at
        if 0x80 <= first <= 0xBF and size >= 12:
            return self._rtp(payload, at, size)
        if size <= CONTROL_MAX and (20 <= first <= 63 or _is_stun(payload, at, first)):
            return _CONTROL
        return self._burst(now)

    def _rtp(self, payload: bytes, at: int, size: int) -> Seen:
        if 192 <= payload[at + 1] <= 223:
            return _CONTROL
        stream = self._stream(int.from_bytes(payload[at + 8 : at + 12], "big"))
        timestamp = int.from_bytes(payload[at + 4 : at + 8], "big")
        if size > AUDIO_MAX or timestamp == stream.timestamp:
            # Sound is one small packet for each moment; a picture sooner or later is neither.
            stream.is_video = True
        if timestamp == stream.timestamp:
            stream.place = min(stream.place + 1, 255)
        else:
            self._start_frame(stream)
            stream.timestamp = timestamp
        kind = TrafficClass.VIDEO if stream.is_video else TrafficClass.AUDIO
        return Seen(kind, stream.frame, stream.place, payload[at + 1] >= 0x80)

    def _burst(self, now: float) -> Seen:
        stream = self._stream(-1)
        if now - stream.at > BURST_GAP_S or stream.place + 1 >= BURST_DATAGRAMS:
            self._start_frame(stream)
        else:
            stream.place += 1
        stream.at = now
        is_last = stream.place + 1 >= BURST_DATAGRAMS
        return Seen(TrafficClass.DEFAULT, stream.frame, stream.place, is_last)

    def _start_frame(self, stream: _Stream) -> None:
        self._frame = self._frame % 65_535 + 1
        stream.frame = self._frame
        stream.place = 0

    def _stream(self, source: int) -> _Stream:
        stream = self._streams.get(source)
        if stream is None:
            stream = self._streams[source] = _Stream()
            if len(self._streams) > STREAMS_MAX:
                self._streams.popitem(last=False)
        else:
            self._streams.move_to_end(source)
        return stream


def _is_channel_data(payload: bytes) -> bool:
    """Its length stands in it, perhaps padded to four bytes; QUIC (RFC 9000) begins alike."""
    return 0 <= len(payload) - 4 - (payload[2] << 8 | payload[3]) < 4


def _is_stun(payload: bytes, at: int, first: int) -> bool:
    return first <= 3 and payload[at + 4 : at + 8] == STUN_COOKIE
