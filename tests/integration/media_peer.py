"""A viewer made of the same library as the box's end, that can be told to misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from edgebox.messages.base import Role
from edgebox.messages.session import WATCH, TurnCredentials, WatchAnswer, WatchOffer
from tests.conftest import TurnServer
from tests.integration.media_rig import Observer, admit


class Peer:
    """One connection."""

    def __init__(self, name: str, turn: TurnServer):
        self.name = name
        self._username, self._password = turn.credentials()
        server = RTCIceServer(
            f"turn:{turn.address}?transport=udp",
            username=self._username,
            credential=self._password,
        )
        self.pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[server], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.packets: dict[str, int] = {}
        """RTP that came, by mid."""
        self._flooded = 0
        self._draining: list[asyncio.Task[None]] = []

    async def watch(
        self, box: Observer, role: Role = "doctor", sections: int = 1, *, accepts: bool = True
    ) -> None:
        """Join as the hub has them join. `accepts`: the answer is still of use."""
        await admit(box, self.name, role)
        self.pc.on("track", self._take)
        for _ in range(sections):
            self.pc.addTransceiver("video", direction="recvonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        offer = WatchOffer(
            session=box.sessions[-1].id,
            peer=self.name,
            name=self.name,
            role=role,
            participant=self.name,
            sdp=self.pc.localDescription.sdp,
            turn=TurnCredentials(username=self._username, password=self._password),
        )
        answer = await box.bus.request(WATCH, offer, timeout_s=8)
        assert isinstance(answer, WatchAnswer), answer
        if not accepts:
            return
        for transceiver in self.pc.getTransceivers():
            self._count(transceiver)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))

    def _count(self, transceiver: Any) -> None:
        receiver = transceiver.receiver
        handle = receiver._handle_rtp_packet

        async def counted(packet: RtpPacket, arrival_time_ms: int) -> None:
            self.packets[transceiver.mid] = self.packets.get(transceiver.mid, 0) + 1
            await handle(packet, arrival_time_ms=arrival_time_ms)

        receiver._handle_rtp_packet = counted

    def _take(self, track: MediaStreamTrack) -> None:
        async def drain() -> None:
            with contextlib.suppress(MediaStreamError):
                while True:
                    await track.recv()

        self._draining.append(asyncio.create_task(drain()))

    @property
    def transport(self) -> Any:
        """Its DTLS transport."""
        return self.pc.getTransceivers()[0].receiver.transport

    def fall_silent(self) -> None:
        """Nothing goes out any more: no report, no check, no answer to a check."""
        socket = self._socket()
        socket.transport.sendto = lambda data, addr=None: None

    def speak_again(self) -> None:
        """As before."""
        del self._socket().transport.sendto

    def _socket(self) -> Any:
        ice = self.transport.transport._connection
        return next(iter(ice._nominated.values())).protocol

    def answer_checks_only(self) -> None:
        """No report and no check of its own, as a page behind a frozen renderer."""

        async def nothing(data: bytes) -> None: ...

        self.transport._send_rtp = nothing
        ice = self.transport.transport._connection
        ice._query_consent_task.cancel()

    def claim_rate(self, rate_bps: int) -> None:
        """Its reports say that it can receive no more than this."""
        for transceiver in self.pc.getTransceivers():
            receiver: Any = transceiver.receiver
            estimator = receiver._RTCRtpReceiver__remote_bitrate_estimator
            add = estimator.add

            def claimed(*what: Any, _add: Any = add, **named: Any) -> Any:
                found = _add(*what, **named)
                return (rate_bps, found[1]) if found is not None else None

            estimator.add = claimed

    async def flood(self, packets: int) -> None:
        """Packets that belong to nothing."""
        for _ in range(packets):
            # A number that was there before is dropped as a replay, before it is anybody's.
            self._flooded += 1
            packet = RtpPacket(payload_type=99, sequence_number=self._flooded % 65536, ssrc=0xBAD)
            await self.transport._send_rtp(packet.serialize())

    async def close(self) -> None:
        for task in self._draining:
            task.cancel()
        await self.pc.close()


@contextlib.asynccontextmanager
async def peers(turn: TurnServer, *names: str) -> AsyncIterator[list[Peer]]:
    """Closed at the end."""
    made = [Peer(name, turn) for name in names]
    try:
        yield made
    finally:
        for one in made:
            await one.close()
