"""Every private part of aiortc and aioice that we touch, and why. Nothing else may.

tests/unit/media/test_aiortc_hooks.py holds a contract test for each; they fail when a new version
of aiortc (pinned in pyproject.toml) changes what a hook relies on.
"""

import asyncio
import logging
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aioice import stun as aioice_stun
from aioice import turn as aioice_turn
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, clock, rtcrtpsender
from aiortc.codecs import h264 as aiortc_h264
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    RtpPacket,
    unpack_remb_fci,
)

from edgebox.errors import LocalProtocolError

logger = logging.getLogger(__name__)

RTP_HISTORY = 1024
"""Packets kept for retransmission, 128 in aiortc: a second of video must be in it."""
PAYLOAD_MAX = 1100
"""RTP payload, 1300 in aiortc: TURN and bond add their headers within 1280 bytes."""
RETRANSMIT_MAX_S = 0.4
"""Older packets are not sent again: on a link that is full they would keep it full."""
TURN_REACH_S = 3.0
"""A TURN server that has not answered by now counts as unreachable."""
PREPARED_S = 30.0
"""How long a prepared socket is good."""
CHANNEL_REFRESH_S = 240.0
"""Before the permission that comes with a channel ends (300 s, RFC 8656, 9)."""
CHANNEL_RETRY_S = 5.0
CLOCK_HZ = 90_000


def install() -> None:
    """Once, before the first connection."""
    for part, name, ours in (
        (rtcrtpsender, "RTP_HISTORY_SIZE", RTP_HISTORY),
        (aiortc_h264, "PACKET_MAX", PAYLOAD_MAX),
        (aioice_turn.TurnTransport, "sendto", _send_directly),
        (aioice_turn, "create_turn_endpoint", _create_turn_endpoint_soon),
    ):
        if not hasattr(part, name):
            raise LocalProtocolError(f"aiortc has changed: no {part}.{name}")
        setattr(part, name, ours)


# Sending. aioice makes a task for each datagram; on a bound channel none is needed. And when a
# channel is due for refresh it holds every datagram back until the server has answered.

_queue_send = aioice_turn.TurnTransport.sendto


def _send_directly(self: Any, data: bytes, addr: tuple[str, int]) -> None:
    inner = self._TurnTransport__inner_protocol
    channel = inner.peer_to_channel.get(addr)
    if channel is None or inner.transport.is_closing() or self._TurnTransport__close_task:
        _queue_send(self, data, addr)
        return
    now = asyncio.get_running_loop().time()
    refresh_at: dict[int, float] = inner.__dict__.setdefault("edgebox_refresh_at", {})
    if now > refresh_at.setdefault(channel, now + CHANNEL_REFRESH_S):
        refresh_at[channel] = now + CHANNEL_RETRY_S
        task = asyncio.ensure_future(_refresh_channel(inner, channel, addr))
        inner.edgebox_refresh_task = task  # the loop holds tasks weakly
    inner._send(struct.pack("!HH", channel, len(data)) + data)


async def _refresh_channel(inner: Any, channel: int, addr: tuple[str, int]) -> None:
    try:
        await inner.channel_bind(channel, addr)
    except (aioice_stun.TransactionError, ConnectionError) as error:
        logger.warning("TURN channel could not be refreshed: %s", error)
        return
    inner.edgebox_refresh_at[channel] = asyncio.get_running_loop().time() + CHANNEL_REFRESH_S


# Gathering. aioice tries a TURN server for half a minute and its caller waits five seconds. And it
# learns realm and nonce (RFC 8489, 9.2) only when a viewer waits: a round trip that can be over by
# then.

_create_turn_endpoint = aioice_turn.create_turn_endpoint
_prepared: dict[tuple[str, int], tuple[float, Any]] = {}
"""By server: when, and an inner protocol that knows realm and nonce but has no allocation."""


async def prepare_turn(server: tuple[str, int]) -> None:
    """Make the next allocation at this server one round trip shorter. Silent if that fails.

    A server forgets such a socket soon (coturn after 60 s): repeat every PREPARED_S.
    """
    drop_prepared(server)
    loop = asyncio.get_running_loop()
    try:
        transport, inner = await loop.create_datagram_endpoint(
            lambda: aioice_turn.TurnClientUdpProtocol(
                server,
                username=None,
                password=None,
                lifetime=aioice_turn.DEFAULT_ALLOCATION_LIFETIME,
                channel_refresh_time=aioice_turn.DEFAULT_CHANNEL_REFRESH_TIME,
            ),
            remote_addr=server,
        )
    except OSError:
        return
    kept = False
    try:
        async with asyncio.timeout(TURN_REACH_S):
            await inner.request(_allocation_request())
    except aioice_stun.TransactionFailed as refusal:
        attributes = refusal.response.attributes
        kept = {"NONCE", "REALM"} <= attributes.keys() and server not in _prepared
        if kept:
            inner.nonce, inner.realm = attributes["NONCE"], attributes["REALM"]
            _prepared[server] = (loop.time(), inner)
    except (aioice_stun.TransactionError, TimeoutError):
        logger.info("the TURN server does not answer yet")
    finally:
        if not kept:
            transport.close()


def _allocation_request() -> aioice_stun.Message:
    """Without credentials: the refusal tells realm and nonce."""
    request = aioice_stun.Message(
        message_method=aioice_stun.Method.ALLOCATE, message_class=aioice_stun.Class.REQUEST
    )
    request.attributes["REQUESTED-TRANSPORT"] = aioice_turn.UDP_TRANSPORT
    return request


def drop_prepared(server: tuple[str, int]) -> None:
    """Close what was prepared and not used."""
    _, inner = _prepared.pop(server, (0.0, None))
    if inner is not None:
        inner.transport.close()


async def _create_turn_endpoint_soon(
    protocol_factory: Callable[[], Any], server_addr: tuple[str, int], **options: Any
) -> Any:
    try:
        async with asyncio.timeout(TURN_REACH_S):
            prepared_at, inner = _prepared.pop(server_addr, (0.0, None))
            if inner is None:
                return await _create_turn_endpoint(protocol_factory, server_addr, **options)
            if asyncio.get_running_loop().time() - prepared_at > PREPARED_S * 1.5:
                inner.transport.close()
                return await _create_turn_endpoint(protocol_factory, server_addr, **options)
            return await _allocate(inner, protocol_factory(), **options)
    except TimeoutError as error:
        raise ConnectionError("no answer from the TURN server") from error


async def _allocate(inner: Any, protocol: Any, **options: Any) -> Any:
    """What aioice's create_turn_endpoint does once it has a socket."""
    inner.username, inner.password = options["username"], options["password"]
    inner.integrity_key = aioice_turn.make_integrity_key(
        inner.username, inner.realm, inner.password
    )
    transport: Any = aioice_turn.TurnTransport(inner)
    try:
        await transport._connect(protocol)
    except BaseException:
        inner.transport.close()
        raise
    return transport, protocol


def gather_only(connection: RTCPeerConnection, address: str) -> None:
    """Offer this local address and no other. Call after the first transceiver was added.

    aioice never offers loopback, and otherwise every interface, so that a modem that comes or goes
    would decide whether the preview on the same machine works.
    """
    transport: Any = connection.getTransceivers()[0].receiver.transport.transport
    ice = transport._connection
    gather = ice.get_component_candidates

    async def gather_there(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ASYNC109
        return await gather(component=component, addresses=[address], timeout=timeout)

    ice.get_component_candidates = gather_there


# Pacing. aiortc sends all packets of a picture in one go; it awaits the sending of each.


def watch_sending(
    connection: RTCPeerConnection, passes: Callable[[bytes], Awaitable[bool]]
) -> None:
    """Ask `passes` before each RTP or RTCP packet; False drops it. Call after the answer was set.

    Packets that are sent again have a source of their own, or are asked about like the first.
    """
    for transport in {one.sender.transport for one in connection.getTransceivers()}:
        _ask_before_sending(transport, passes)


def _ask_before_sending(transport: Any, passes: Callable[[bytes], Awaitable[bool]]) -> None:
    send = transport._send_rtp

    async def send_if_it_passes(data: bytes) -> None:
        if await passes(data):
            await send(data)

    transport._send_rtp = send_if_it_passes


def source_of(sender: RTCRtpSender) -> int:
    """Synchronization source of what it sends (RFC 3550, 3)."""
    private: Any = sender
    source: int = private._ssrc
    return source


# Feedback. aiortc answers PLI by telling its own encoder, which is not at work when access units
# come from outside; REMB likewise. It retransmits whatever it still has.


@dataclass(frozen=True, slots=True)
class Feedback:
    """What is called when the viewer reports."""

    heard: Callable[[], None]
    """Anything at all came."""
    keyframe_wanted: Callable[[], None]
    rate_limited: Callable[[int], None]
    """Bits a second the viewer believes it can receive (REMB)."""
    keyframe_age_s: Callable[[], float]
    """How long before the newest picture the last keyframe was sent."""
    may_resend: Callable[[], bool] = lambda: True
    """False: nothing is sent again, whatever the viewer says it lost."""


def watch_feedback(sender: RTCRtpSender, feedback: Feedback) -> None:
    """Call before the sender starts."""
    private: Any = sender
    handle = private._handle_rtcp_packet

    async def handle_ours(packet: Any) -> None:
        feedback.heard()
        if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            _drop_late(private, packet, feedback)
        elif isinstance(packet, RtcpPsfbPacket):
            if packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
                feedback.keyframe_wanted()
            elif packet.fmt == RTCP_PSFB_APP:
                _report_rate(private, packet, feedback)
        await handle(packet)

    private._handle_rtcp_packet = handle_ours


def _drop_late(sender: Any, packet: RtcpRtpfbPacket, feedback: Feedback) -> None:
    """Take what is too old out of the request; the viewer then needs a keyframe to go on."""
    if not feedback.may_resend():
        packet.lost = []
        return
    history = sender._RTCRtpSender__rtp_history
    newest = sender._RTCRtpSender__rtp_timestamp
    wanted = []
    for number in packet.lost:
        lost = history.get(number % RTP_HISTORY)
        if lost is None or lost.sequence_number != number:
            continue  # gone from the history: the viewer will ask for a keyframe itself
        age_s = ((newest - lost.timestamp) & 0xFFFFFFFF) / CLOCK_HZ
        if age_s <= RETRANSMIT_MAX_S:
            wanted.append(number)
        elif age_s <= feedback.keyframe_age_s():
            feedback.keyframe_wanted()
    packet.lost = wanted


def _report_rate(sender: Any, packet: RtcpPsfbPacket, feedback: Feedback) -> None:
    try:
        bitrate_bps, ssrcs = unpack_remb_fci(packet.fci)
    except ValueError:
        return
    if sender._ssrc in ssrcs:
        feedback.rate_limited(bitrate_bps)


def watch_losses(sender: RTCRtpSender, lost: Callable[[float], None]) -> None:
    """Call `lost` with the share of packets, 0 to 1, that a listener reports as lost."""
    private: Any = sender
    handle = private._handle_rtcp_packet

    async def handle_ours(packet: Any) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == private._ssrc:
                    lost(report.fraction_lost / 256)
        await handle(packet)

    private._handle_rtcp_packet = handle_ours


# Lip sync. aiortc's sender reports (RFC 3550, 6.4.1) pair the newest RTP time stamp with the time
# when it was sent. Sound and pictures take different times from capture to there; a browser that
# plays them together needs the time of capture.


def report_capture(sender: RTCRtpSender, captured_at: Callable[[], float]) -> None:
    """`captured_at`: when what was sent last was captured, monotonic seconds; 0 if never."""
    private: Any = sender
    send = private._send_rtcp

    async def send_ours(packets: list[Any]) -> None:
        at = captured_at()
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and packet.sender_info.packet_count and at:
                age = int((time.monotonic() - at) * (1 << 32))
                ntp = clock.current_ntp_time() - age
                packet.sender_info.ntp_timestamp = ntp
                private._RTCRtpSender__lsr = (ntp >> 16) & 0xFFFFFFFF
        await send(packets)

    private._send_rtcp = send_ours


# Receiving. aiortc decodes what comes in, in a thread for each track, after a buffer of its own: of
# 80 ms for sound, and for pictures one that waits for a lost packet until 512 others have come.


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


# Data. aiortc names a window for what it has not put together yet, and takes what goes beyond it.
# For each chunk it looks through all that waits: small pieces of a message without end hold it up.

CHUNKS_MAX = 256
"""That wait on one stream, of a message that is not complete; and how far one may be ahead."""


def bound_data(connection: RTCPeerConnection) -> None:
    """Drop what goes beyond the window (RFC 9260, 6.2); it is sent again. Call after the offer."""
    sctp: Any = connection.sctp
    if sctp is None:
        return
    receive = sctp._receive_data_chunk

    async def receive_if_there_is_room(chunk: Any) -> None:
        waiting = sctp._get_inbound_stream(chunk.stream_id).reassembly
        is_last = not waiting or _ahead(chunk.tsn, waiting[-1].tsn) > 0
        if (
            len(chunk.user_data) > sctp._advertised_rwnd
            or _ahead(chunk.tsn, sctp._last_received_tsn) > CHUNKS_MAX
            or (is_last and len(waiting) >= CHUNKS_MAX)  # what fills a gap is always taken
        ):
            sctp._sack_needed = True
        else:
            await receive(chunk)

    sctp._receive_data_chunk = receive_if_there_is_room


def _ahead(tsn: int, other: int) -> int:
    """By how much one transmission sequence number is after another (RFC 9260, 1.6)."""
    return (tsn - other + (1 << 31)) % (1 << 32) - (1 << 31)


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
