"""A technician's end of a call that counts each RTP packet and decodes what it hears."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
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

from edgebox.messages.session import TurnCredentials
from tests.conftest import TurnServer

RATE_HZ = 48_000
VOICE_HZ = 700.0
BLOCK = RATE_HZ // 50


class _Mouth(MediaStreamTrack):
    """A steady tone."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._at = 0
        self._began_at = 0.0

    async def recv(self) -> av.AudioFrame:
        self._began_at = self._began_at or time.monotonic()
        await asyncio.sleep(max(0.0, self._began_at + self._at / RATE_HZ - time.monotonic()))
        t = (self._at + np.arange(BLOCK)) / RATE_HZ
        samples = (8000 * np.sin(2 * np.pi * VOICE_HZ * t)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._at, Fraction(1, RATE_HZ)
        self._at += BLOCK
        return frame


class TechnicianPeer:
    """One connection."""

    def __init__(self, turn: TurnServer, *, greedy: bool = False):
        """`greedy`: it asks for pictures and a data channel as well."""
        self.username, self.password = turn.credentials()
        server = RTCIceServer(
            f"turn:{turn.address}?transport=udp",
            username=self.username,
            credential=self.password,
        )
        self.pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[server], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.packets: list[float] = []
        """When RTP came in, of whatever kind."""
        self.loud_at: list[float] = []
        """When something came out of the decoder that can be heard."""
        self._listening: list[asyncio.Task[None]] = []
        self.pc.on("track", self._listen)
        self.pc.addTrack(_Mouth())
        if greedy:
            for _ in range(2):
                self.pc.addTransceiver("video", direction="recvonly")
            self.pc.createDataChannel("vitals")

    @property
    def turn(self) -> TurnCredentials:
        return TurnCredentials(username=self.username, password=self.password)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp: str = self.pc.localDescription.sdp
        return sdp

    async def accept(self, sdp: str) -> None:
        for transceiver in self.pc.getTransceivers():
            self._count(transceiver.receiver)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    def since(self, at: float) -> int:
        """Packets that came after this time."""
        return sum(one > at for one in self.packets)

    def _count(self, receiver: Any) -> None:
        handle = receiver._handle_rtp_packet

        async def counted(packet: RtpPacket, arrival_time_ms: int) -> None:
            self.packets.append(time.monotonic())
            await handle(packet, arrival_time_ms=arrival_time_ms)

        receiver._handle_rtp_packet = counted

    def _listen(self, track: MediaStreamTrack) -> None:
        async def listen() -> None:
            with contextlib.suppress(MediaStreamError):
                while True:
                    frame = await track.recv()
                    if isinstance(frame, av.AudioFrame) and np.abs(frame.to_ndarray()).max() > 200:
                        self.loud_at.append(time.monotonic())

        self._listening.append(asyncio.create_task(listen()))

    async def close(self) -> None:
        for task in self._listening:
            task.cancel()
        await self.pc.close()


@contextlib.asynccontextmanager
async def technician(turn: TurnServer, *, greedy: bool = False) -> AsyncIterator[TechnicianPeer]:
    """Closed at the end."""
    one = TechnicianPeer(turn, greedy=greedy)
    try:
        yield one
    finally:
        await one.close()


def tone_level(samples: "np.ndarray[Any, Any]", hz: float = VOICE_HZ) -> float:
    """How much of this tone is in samples of 16 bit; a full one is about 16,000."""
    if not len(samples):
        return 0.0
    phase = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE_HZ)
    return float(abs((samples.astype(float) * phase).mean()))
