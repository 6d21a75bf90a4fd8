"""What goes out as RTP, and what viewers say of it in RTCP.

aiortc sends all packets of a picture in one go; it awaits the sending of each. It answers PLI by
telling its own encoder, which is not at work when access units come from outside; REMB likewise. It
retransmits whatever it still has.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiortc import RTCPeerConnection, RTCRtpSender, clock
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)

RTP_HISTORY = 1024
"""Packets kept for retransmission, 128 in aiortc: a second of video must be in it."""
PAYLOAD_MAX = 1100
"""RTP payload, 1300 in aiortc: TURN and bond add their headers within 1280 bytes."""
RETRANSMIT_MAX_S = 0.4
"""Older packets are not sent again: on a link that is full they would keep it full."""
CLOCK_HZ = 90_000


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


def timestamp_of(sender: RTCRtpSender) -> int:
    """RTP timestamp of what it sent last; 0 before the first packet."""
    private: Any = sender
    timestamp: int = private._RTCRtpSender__rtp_timestamp
    return timestamp


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
