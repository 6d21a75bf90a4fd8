"""What comes in, undecoded, and whether the other end lives.

aiortc decodes what comes in, in a thread for each track, after a buffer of its own: of 80 ms for
sound, and for pictures one that waits for a lost packet until 512 others have come.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aioice import stun
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.rtp import RtpPacket

from edgebox.errors import LocalProtocolError

CONSENT_EVERY_S = 2.5
CONSENT_S = 30.0
"""Who has not answered for this long has gone (RFC 7675, 5.1)."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One RTP packet. `data`: its payload without the headers of H.264's or VP8's own format."""

    sequence: int
    timestamp: int
    marker: bool
    codec: str
    """`opus`, `H264` or `VP8`."""
    data: bytes


class _Tap:
    """Stands where aiortc has its jitter buffer, and lets nothing through to the decoder."""

    def __init__(self, receiver: Any, take: Callable[[Arrived], None]):
        self._receiver = receiver
        self._take = take

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self._receiver.edgebox_source = packet.ssrc
        codec = self._receiver._RTCRtpReceiver__codecs[packet.payload_type]
        data: Any = packet
        self._take(
            Arrived(
                packet.sequence_number,
                packet.timestamp,
                bool(packet.marker),
                codec.name,
                data._data,
            )
        )
        return False, None


def receive_packets(receiver: RTCRtpReceiver, take: Callable[[Arrived], None]) -> None:
    """Call `take` with what arrives; lost pictures are still asked for again. Call at once."""
    private: Any = receiver
    if not hasattr(private, "_RTCRtpReceiver__jitter_buffer"):
        raise LocalProtocolError("aiortc has changed: no jitter buffer in its receiver")
    private._RTCRtpReceiver__jitter_buffer = _Tap(private, take)


async def ask_for_keyframe(receiver: RTCRtpReceiver) -> None:
    """A picture loss indication (RFC 4585, 6.3.1), once something has been received."""
    private: Any = receiver
    if (source := getattr(private, "edgebox_source", None)) is not None:
        await private._send_rtcp_pli(source)


def watch_life(
    connection: RTCPeerConnection, heard: Callable[[], None], stray: Callable[[], None]
) -> None:
    """Call `heard` whenever the other end shows that it lives, `stray` for each RTP packet that
    belongs to no section we receive. Call after the first transceiver was added.

    A browser checks the way every 2.5 s (RFC 8445), also while no picture and no sound flows.
    """
    private: Any = connection.getTransceivers()[0].receiver.transport
    route = private._rtp_router.route_rtp
    ice = private.transport._connection
    check = ice.request_received

    def route_ours(packet: RtpPacket) -> Any:
        heard()
        receiver = route(packet)
        if receiver is None:
            stray()
        return receiver

    def request_received(*what: Any, **named: Any) -> None:
        heard()
        check(*what, **named)

    private._rtp_router.route_rtp = route_ours
    ice.request_received = request_received


def keep_consent(connection: RTCPeerConnection, heard: Callable[[], None]) -> None:
    """Ask the other end now and then whether it is there; call `heard` when it answers.

    In place of aioice's own: that one takes no answer later than 0.5 s, which six times in a row
    ends a call over a satellite. Call after the first transceiver was added.
    """
    ice: Any = connection.getTransceivers()[0].receiver.transport.transport
    ice = ice._connection

    async def query_consent() -> None:
        loop = asyncio.get_running_loop()
        answered_at = loop.time()
        while loop.time() - answered_at < CONSENT_S:
            if await _answers(ice):
                answered_at = loop.time()
                heard()
                await asyncio.sleep(CONSENT_EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311
        ice._query_consent_task = None
        await ice.close()

    ice.query_consent = query_consent


async def _answers(ice: Any) -> bool:
    """Asks twice within half a second, and takes an answer until 1.5 s have passed."""
    for pair in list(ice._nominated.values()):
        try:
            await pair.protocol.request(
                ice.build_request(pair, nominate=False),
                pair.remote_addr,
                integrity_key=ice.remote_password.encode(),
                retransmissions=1,
            )
        except stun.TransactionError:
            continue
        return True
    return False
