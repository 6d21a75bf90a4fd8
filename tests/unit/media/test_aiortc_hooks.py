"""Contracts with aiortc and aioice: each fails when a version changes what a hook relies on."""

import asyncio
import contextlib
import struct
import time
from types import SimpleNamespace
from typing import Any

import aioice.ice
import aioice.turn
import pytest
from aioice import stun
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpReceiver,
    clock,
    rtcrtpsender,
)
from aiortc.codecs import h264
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtcsctptransport import DataChunk
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
)

from edgebox.media import aiortc_hooks
from edgebox.media.aiortc_hooks import Feedback, turn

aiortc_hooks.install()
RECEIVING = "edgebox.media.aiortc_hooks.receiving"
PEER = ("192.0.2.9", 5000)
SILENT = RTCIceServer("turn:127.0.0.1:9?transport=udp", username="u", credential="p")


class Track(MediaStreamTrack):
    kind = "video"

    async def recv(self) -> Any:
        raise NotImplementedError


def connection() -> RTCPeerConnection:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    pc.addTransceiver(Track(), "sendonly")
    return pc


def test_limits_are_where_aiortc_reads_them() -> None:
    assert rtcrtpsender.RTCRtpSender._retransmit.__globals__["RTP_HISTORY_SIZE"] == 1024
    packets = h264.H264Encoder._packetize(iter([b"\x65" + bytes(5000)]))
    assert max(len(packet) for packet in packets) <= aiortc_hooks.PAYLOAD_MAX
    assert len(packets) == 5


class Heard:
    """Records what the hook reports."""

    def __init__(self, sender: Any, keyframe_age_s: float = 0.0):
        self.calls: list[Any] = []
        self.resends = True
        aiortc_hooks.watch_feedback(
            sender,
            Feedback(
                heard=lambda: self.calls.append("heard"),
                keyframe_wanted=lambda: self.calls.append("keyframe"),
                rate_limited=self.calls.append,
                keyframe_age_s=lambda: keyframe_age_s,
                may_resend=lambda: self.resends,
            ),
        )


async def test_picture_loss_and_rate_estimates_are_reported() -> None:
    pc = connection()
    sender: Any = pc.getSenders()[0]
    heard = Heard(sender)
    await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=2))
    ours = pack_remb_fci(750_000, [sender._ssrc])
    other = pack_remb_fci(750_000, [sender._ssrc ^ 1])
    for fci in (ours, other, b"junk"):
        await sender._handle_rtcp_packet(
            RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)
        )
    await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1))
    kinds = [call for call in heard.calls if call != "heard"]
    assert kinds[0] == "keyframe"
    assert kinds[1] == pytest.approx(750_000, rel=0.01)
    assert len(kinds) == 2
    assert heard.calls.count("heard") == 5
    await pc.close()


async def test_the_router_calls_the_hook() -> None:
    pc = connection()
    sender: Any = pc.getSenders()[0]
    heard = Heard(sender)
    transport: Any = sender.transport
    transport._rtp_router.register_sender(sender, sender._ssrc)
    await transport._handle_rtcp_data(
        bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=sender._ssrc))
    )
    assert heard.calls == ["heard", "keyframe"]
    await pc.close()


@pytest.mark.parametrize(
    ("age_s", "keyframe_age_s", "resent", "keyframe"),
    [(0.1, 5.0, True, False), (0.6, 5.0, False, True), (0.6, 0.2, False, False)],
)
async def test_late_retransmissions_become_keyframes(
    age_s: float, keyframe_age_s: float, resent: bool, keyframe: bool
) -> None:
    pc = connection()
    sender: Any = pc.getSenders()[0]
    heard = Heard(sender, keyframe_age_s)
    newest = 1000  # time stamps wrap: the lost packet's is just below 2**32
    lost = RtpPacket(sequence_number=7, timestamp=(newest - int(age_s * 90_000)) % 2**32)
    sender._RTCRtpSender__rtp_history = {7: lost}
    sender._RTCRtpSender__rtp_timestamp = newest
    sent: list[int] = []

    async def retransmit(number: int) -> None:
        sent.append(number)

    sender._retransmit = retransmit
    await sender._handle_rtcp_packet(
        RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=2, lost=[7, 8])
    )
    assert sent == ([7] if resent else [])
    assert ("keyframe" in heard.calls) == keyframe
    heard.resends = False
    await sender._handle_rtcp_packet(
        RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=2, lost=[7])
    )
    assert sent == ([7] if resent else [])
    await pc.close()


async def test_sent_packets_are_found_where_the_hook_looks() -> None:
    sender: Any = connection().getSenders()[0]
    assert sender._RTCRtpSender__rtp_history == {}
    assert sender._RTCRtpSender__rtp_timestamp == 0
    names = rtcrtpsender.RTCRtpSender._run_rtp.__code__.co_names
    assert "_RTCRtpSender__rtp_history" in names
    assert "_RTCRtpSender__rtp_timestamp" in names


async def test_only_the_given_address_is_offered() -> None:
    pc = connection()
    aiortc_hooks.gather_only(pc, "127.0.0.1")
    await pc.setLocalDescription(await pc.createOffer())
    lines = [line for line in pc.localDescription.sdp.splitlines() if "candidate:" in line]
    assert [line.split()[4] for line in lines] == ["127.0.0.1"]
    await pc.close()


class Wire:
    """The inner TURN protocol of aioice without a server."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.bound: list[int] = []
        self.refuse = False
        protocol: Any = aioice.turn.TurnClientUdpProtocol
        self.protocol = protocol(
            ("192.0.2.1", 3478), "u", "p", lifetime=600, channel_refresh_time=500
        )
        self.protocol.transport = SimpleNamespace(
            sendto=self.sent.append, is_closing=lambda: False, close=lambda: None
        )
        self.protocol.channel_bind = self._bind
        self.protocol.receiver = SimpleNamespace(error_received=lambda error: None)
        self.transport: Any = aioice.turn.TurnTransport(self.protocol)

    async def _bind(self, channel: int, addr: tuple[str, int]) -> None:
        self.bound.append(channel)
        if self.refuse:
            raise ConnectionError


async def test_a_bound_channel_is_used_at_once_and_refreshed_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire()
    wire.transport.sendto(b"first", PEER)
    assert wire.sent == [], "aioice binds the channel first, in a task"
    await asyncio.sleep(0.01)
    header = struct.pack("!HH", 0x4000, 5)
    assert wire.sent == [header + b"first"]
    wire.transport.sendto(b"again", PEER)
    assert wire.sent[1:] == [header + b"again"], "not in a task"
    assert wire.bound == [0x4000]
    monkeypatch.setattr(turn, "CHANNEL_REFRESH_S", 0.0)
    wire.protocol.edgebox_refresh_at.clear()
    wire.refuse = True
    wire.transport.sendto(b"later", PEER)
    await asyncio.sleep(0.01)
    wire.transport.sendto(b"later", PEER)
    assert len(wire.sent) == 4, "sending goes on during a refresh"
    await asyncio.sleep(0.01)
    assert wire.bound == [0x4000] * 2, "one refresh at a time, a refused one is tried later"


async def test_a_silent_turn_server_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "TURN_REACH_S", 0.05)
    pc = RTCPeerConnection(
        RTCConfiguration(
            iceServers=[SILENT],
            bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            iceTransportPolicy=RTCIceTransportPolicy.RELAY,
        )
    )
    pc.addTransceiver(Track(), "sendonly")
    async with asyncio.timeout(2):
        await pc.setLocalDescription(await pc.createOffer())
    assert "candidate:" not in pc.localDescription.sdp
    await pc.close()


def receiving(kind: str) -> tuple[RTCPeerConnection, Any]:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    return pc, pc.addTransceiver(kind, "recvonly").receiver


@pytest.mark.parametrize(
    ("kind", "name", "payload", "data"),
    [
        ("audio", "opus", b"abc", b"abc"),
        ("video", "VP8", b"\x10abc", b"abc"),
        ("video", "H264", b"\x65abc", b"\0\0\0\1\x65abc"),
    ],
)
async def test_what_arrives_is_passed_on_and_not_decoded(
    kind: str, name: str, payload: bytes, data: bytes
) -> None:
    pc, receiver = receiving(kind)
    arrived: list[aiortc_hooks.Arrived] = []
    aiortc_hooks.receive_packets(receiver, arrived.append)
    capabilities: Any = RTCRtpReceiver.getCapabilities(kind)
    found = next(codec for codec in capabilities.codecs if codec.mimeType == f"{kind}/{name}")
    codec = RTCRtpCodecParameters(
        mimeType=found.mimeType, clockRate=found.clockRate, payloadType=100
    )
    receiver._RTCRtpReceiver__codecs = {100: codec}
    decoding: Any = SimpleNamespace(put=lambda task: pytest.fail("it was decoded"))
    receiver._RTCRtpReceiver__decoder_queue = decoding
    receiver._RTCRtpReceiver__decoder_thread = object()
    for number in range(3):
        packet = RtpPacket(
            payload_type=100, sequence_number=number, timestamp=number * 960, marker=1
        )
        packet.ssrc, packet.payload = 7, payload
        await receiver._handle_rtp_packet(packet, 0)
    receiver._RTCRtpReceiver__decoder_thread = None
    assert [(one.sequence, one.codec, one.data) for one in arrived] == [
        (number, name, data) for number in range(3)
    ]
    sent: list[Any] = []

    async def send(packet: Any) -> None:
        sent.append(packet)

    receiver._send_rtcp = send
    await aiortc_hooks.ask_for_keyframe(receiver)
    assert (sent[0].fmt, sent[0].media_ssrc) == (RTCP_PSFB_PLI, 7)
    await pc.close()


async def test_losses_of_a_listener_are_reported() -> None:
    pc = connection()
    sender: Any = pc.getSenders()[0]
    lost: list[float] = []
    aiortc_hooks.watch_losses(sender, lost.append)
    report = RtcpReceiverInfo(
        ssrc=sender._ssrc,
        fraction_lost=64,
        packets_lost=1,
        highest_sequence=1,
        jitter=0,
        lsr=0,
        dlsr=0,
    )
    await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[report]))
    assert lost == [0.25]
    await pc.close()


async def test_sender_reports_name_the_time_of_capture() -> None:
    pc = connection()
    sender: Any = pc.getSenders()[0]
    sent: list[Any] = []

    async def send(packets: list[Any]) -> None:
        sent.extend(packets)

    sender._send_rtcp = send
    aiortc_hooks.report_capture(sender, lambda: time.monotonic() - 0.25)
    info = RtcpSenderInfo(ntp_timestamp=1, rtp_timestamp=2, packet_count=3, octet_count=4)
    await sender._send_rtcp([RtcpSrPacket(ssrc=1, sender_info=info)])
    reported_s = sent[0].sender_info.ntp_timestamp / (1 << 32)
    assert reported_s == pytest.approx(clock.current_ntp_time() / (1 << 32) - 0.25, abs=0.05)
    assert sender._RTCRtpSender__lsr == (sent[0].sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
    names = rtcrtpsender.RTCRtpSender._run_rtcp.__code__.co_names
    assert {"_send_rtcp", "_RTCRtpSender__lsr", "_RTCRtpSender__ntp_timestamp"} <= set(names)
    await pc.close()


async def test_the_newest_timestamp_is_known() -> None:
    pc = connection()
    sender: Any = pc.getSenders()[0]
    assert aiortc_hooks.timestamp_of(sender) == 0
    sender._RTCRtpSender__rtp_timestamp = 4_000_000_000
    assert aiortc_hooks.timestamp_of(sender) == 4_000_000_000
    assert "_RTCRtpSender__rtp_timestamp" in rtcrtpsender.RTCRtpSender._run_rtp.__code__.co_names
    await pc.close()


async def test_signs_of_life_and_strays_are_noticed() -> None:
    pc = connection()
    seen: list[str] = []
    aiortc_hooks.watch_life(pc, lambda: seen.append("life"), lambda: seen.append("stray"))
    transport: Any = pc.getTransceivers()[0].receiver.transport
    packet = RtpPacket(payload_type=100, sequence_number=1, timestamp=1)
    await transport._handle_rtp_data(packet.serialize(), 0)
    assert seen == ["life", "stray"]
    check = stun.Message(message_method=stun.Method.ALLOCATE, message_class=stun.Class.REQUEST)
    protocol: Any = SimpleNamespace(send_stun=lambda *what: None)
    ice = transport.transport._connection
    with contextlib.suppress(AttributeError):  # the answer needs a real socket
        ice.request_received(check, ("127.0.0.1", 9), protocol)
    assert seen[2:] == ["life"]
    assert "request_received" in aioice.ice.StunProtocol.datagram_received.__code__.co_names
    await pc.close()


async def test_every_packet_is_asked_about_before_it_is_sent() -> None:
    pc = connection()
    sender: Any = pc.getSenders()[0]
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    async def passes(data: bytes) -> bool:
        return data != b"no"

    sender.transport._send_rtp = send
    aiortc_hooks.watch_sending(pc, passes)
    for data in (b"yes", b"no"):
        await sender.transport._send_rtp(data)
    assert sent == [b"yes"]
    assert aiortc_hooks.source_of(sender) == sender._ssrc
    # One by one, and through what was replaced.
    assert {"transport", "_send_rtp"} <= set(rtcrtpsender.RTCRtpSender._run_rtp.__code__.co_names)
    await pc.close()


async def test_a_message_without_end_holds_nothing_up_and_a_gap_can_be_filled() -> None:
    pc = connection()
    aiortc_hooks.bound_data(pc)
    pc.createDataChannel("edgebox")
    aiortc_hooks.bound_data(pc)
    sctp: Any = pc.sctp
    sctp._last_received_tsn = first = 1000

    def chunk(ahead: int, flags: int = 0) -> DataChunk:
        one = DataChunk(flags=flags)
        one.tsn, one.stream_id, one.user_data = first + ahead, 1, b"x"
        return one

    waiting = sctp._get_inbound_stream(1).reassembly
    await sctp._receive_chunk(chunk(aiortc_hooks.CHUNKS_MAX + 1))
    assert not waiting, "too far ahead"
    for ahead in range(2, 1000):
        await sctp._receive_chunk(chunk(ahead))
    assert len(waiting) == aiortc_hooks.CHUNKS_MAX - 1
    await sctp._receive_chunk(chunk(1))
    for ahead in range(aiortc_hooks.CHUNKS_MAX + 1, 1000):
        await sctp._receive_chunk(chunk(ahead))
    assert len(waiting) == aiortc_hooks.CHUNKS_MAX
    assert sctp._last_received_tsn == first + aiortc_hooks.CHUNKS_MAX
    sctp._advertised_rwnd = 0
    last = sctp._last_received_tsn
    await sctp._receive_chunk(chunk(aiortc_hooks.CHUNKS_MAX + 1, flags=3))
    assert sctp._last_received_tsn == last, "there is no room"
    await pc.close()


async def together() -> tuple[RTCPeerConnection, RTCPeerConnection, Any, list[Any]]:
    """Two connected ends, a data channel of the first, and what arrives at the second."""
    one, two = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    one.addTransceiver(Track(), "sendonly")
    channel = one.createDataChannel("edgebox")
    arrived: list[Any] = []
    two.on("datachannel", lambda theirs: theirs.on("message", arrived.append))
    aiortc_hooks.keep_consent(one, lambda: arrived.append("alive"))
    await one.setLocalDescription(await one.createOffer())
    await two.setRemoteDescription(one.localDescription)
    await two.setLocalDescription(await two.createAnswer())
    await one.setRemoteDescription(two.localDescription)
    async with asyncio.timeout(10):
        while channel.readyState != "open":
            await asyncio.sleep(0.01)
    return one, two, channel, arrived


async def test_binary_that_has_not_left_never_leaves_and_text_goes_on() -> None:
    one, two, channel, arrived = await together()
    sctp: Any = one.sctp
    send = sctp.transport._send_data
    lost: list[bytes] = []

    async def lose(data: bytes) -> None:
        lost.append(data)

    sctp.transport._send_data = lose
    for _ in range(64):
        channel.send(b"secret" * 170)
    channel.send("after")
    await asyncio.sleep(0.05)
    assert channel.bufferedAmount > 0
    assert lost, "some left once, and would be sent again"
    telling = aiortc_hooks.drop_binary(one)
    assert channel.bufferedAmount == len("after")
    sctp.transport._send_data = send
    await telling
    async with asyncio.timeout(10):
        while "after" not in arrived:
            await asyncio.sleep(0.01)
        channel.send(b"and so on")
        while b"and so on" not in arrived:
            await asyncio.sleep(0.01)
    assert not any(b"secret" in data for data in arrived if isinstance(data, bytes))
    await asyncio.gather(one.close(), two.close())


async def test_an_answered_check_is_a_sign_of_life_however_late_and_none_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RECEIVING + ".CONSENT_EVERY_S", 0.05)
    monkeypatch.setattr(RECEIVING + ".CONSENT_S", 0.2)
    one, two, _, arrived = await together()
    ice: Any = one.getTransceivers()[0].receiver.transport.transport
    theirs: Any = two.getTransceivers()[0].receiver.transport.transport
    answer = theirs._connection.request_received
    late_s = 0.7  # the library itself waits for 0.5 s

    def answer_late(*what: Any) -> None:
        asyncio.get_running_loop().call_later(late_s, answer, *what)

    async def until_alive() -> None:
        arrived.clear()
        async with asyncio.timeout(5):
            while "alive" not in arrived:
                await asyncio.sleep(0.01)

    await until_alive()
    monkeypatch.setattr(RECEIVING + ".CONSENT_S", 5.0)
    theirs._connection.request_received = answer_late
    await until_alive()
    theirs._connection.request_received = lambda *what: None
    monkeypatch.setattr(RECEIVING + ".CONSENT_S", 0.2)
    async with asyncio.timeout(10):
        while ice.state not in {"closed", "failed"}:
            await asyncio.sleep(0.01)
    await asyncio.gather(one.close(), two.close())
