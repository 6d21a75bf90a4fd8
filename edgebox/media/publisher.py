"""WebRTC connections that carry encoded pictures to viewers. The only file that imports aiortc.

Each picture was encoded once; a connection packetises, encrypts and sends it. One that lags drops
pictures up to the next keyframe and holds nobody else up.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Literal

import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceCandidate,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import (
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
from aiortc.mediastreams import MediaStreamError

from edgebox.errors import EdgeboxError
from edgebox.media import aiortc_hooks
from edgebox.media.codec import CLOCK_HZ
from edgebox.media.encoder import Encoder
from edgebox.media.offer import Offer
from edgebox.media.pipe import Frame
from edgebox.media.sdp import Candidate
from edgebox.messages import TurnCredentials

logger = logging.getLogger(__name__)

TIME_BASE = Fraction(1, CLOCK_HZ)
QUEUE_MAX = 8
"""Pictures that wait to be sent; more are old news."""
CONNECT_S = 15.0
"""A connection that does not come about is given up."""
CLOSE_S = 1.0
SILENT_S = 4.0
"""A viewer reports about once a second."""

aiortc_hooks.install()
H264 = [
    codec
    for codec in RTCRtpSender.getCapabilities("video").codecs
    if codec.mimeType in {"video/H264", "video/rtx"}
]


class TurnUnreachableError(EdgeboxError):
    """The TURN server does not answer or refuses us."""


class OfferRefusedError(EdgeboxError):
    """The WebRTC library cannot answer this offer, or the connection was closed meanwhile."""


class CameraTrack(MediaStreamTrack):
    """One camera's pictures for one viewer. Starts with a keyframe once somebody receives."""

    kind = "video"

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder
        self._queue: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self._attached = False
        self._broken = True
        self._newest_pts = 0
        self._keyframe_pts = 0

    async def recv(self) -> "av.Packet[Any]":
        """The next access unit; aiortc sends packets as they are."""
        if not self._attached:
            # Only now: what was encoded before the connection stood would be late for good.
            self._attached = True
            self.encoder.add_sink(self._take)
            self.encoder.request_keyframe()
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        frame = self._queue.popleft()
        self._newest_pts = frame.pts
        if frame.keyframe:
            self._keyframe_pts = frame.pts
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = frame.pts, TIME_BASE
        return packet

    def stop(self) -> None:
        self.encoder.remove_sink(self._take)
        super().stop()
        self._queue.clear()
        self._arrived.set()

    def flush(self) -> None:
        """Nothing that waits leaves any more; the next picture will be a keyframe."""
        self._queue.clear()
        self._broken = True

    def keyframe_age_s(self) -> float:
        """How much older the last keyframe is than the newest picture."""
        return (self._newest_pts - self._keyframe_pts) / CLOCK_HZ

    def _take(self, frame: Frame) -> None:
        if frame.keyframe:
            self._queue.clear()
            self._broken = False
        elif len(self._queue) >= QUEUE_MAX:
            self._queue.clear()
            self._broken = True
            self.encoder.request_keyframe()
        if not self._broken:
            self._queue.append(frame)
            self._arrived.set()


class Connection:
    """One viewer's connection: answer an offer, then `close`."""

    def __init__(
        self,
        cameras: Sequence[Encoder],
        changed: Callable[[], None],
        rate_limited: Callable[[int], None] = lambda bitrate_bps: None,
    ):
        """`changed`: its state did. `rate_limited`: what the viewer believes it can receive."""
        self._cameras = cameras
        self._changed = changed
        self._rate_limited = rate_limited
        self._pc: RTCPeerConnection | None = None
        self._early: list[Candidate] = []
        self._described = False
        self._heard_at = 0.0
        self._deadline: asyncio.TimerHandle | None = None
        self.tracks: dict[str, CameraTrack] = {}
        """By mid."""
        self.state: Literal["connecting", "connected", "closed"] = "connecting"

    @property
    def silent(self) -> bool:
        """Connected, but the viewer has not reported for a while."""
        return self.state == "connected" and time.monotonic() - self._heard_at > SILENT_S

    async def answer_through_turn(
        self, offer: Offer, turn_url: str, credentials: TurnCredentials
    ) -> str:
        """The answer's SDP with the relay candidate and no other.

        Raises TurnUnreachableError or OfferRefusedError.
        """
        server = RTCIceServer(
            turn_url, username=credentials.username, credential=credentials.password
        )
        configuration = RTCConfiguration(
            iceServers=[server],
            iceTransportPolicy=RTCIceTransportPolicy.RELAY,
            bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
        )
        return await self._answer(offer, RTCPeerConnection(configuration), host=None)

    async def answer_on(self, offer: Offer, host: str) -> str:
        """The answer's SDP for a viewer on this machine, reached at local address `host`.

        Raises OfferRefusedError.
        """
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        return await self._answer(offer, RTCPeerConnection(configuration), host=host)

    async def _answer(self, offer: Offer, pc: RTCPeerConnection, host: str | None) -> str:
        try:
            return await self._negotiate(offer, pc, host)
        except (
            InternalError,
            InvalidAccessError,
            InvalidStateError,
            OperationError,
            ValueError,
        ) as error:
            raise OfferRefusedError(f"offer cannot be answered: {error}") from error

    async def _negotiate(self, offer: Offer, pc: RTCPeerConnection, host: str | None) -> str:
        self._pc = pc
        pc.on("connectionstatechange", self._state_changed)
        for section, encoder in zip(offer.served, self._cameras, strict=False):
            track = self.tracks[section.mid] = CameraTrack(encoder)
            transceiver = pc.addTransceiver(track, "sendonly")
            # Before the offer is set, or the answer keeps VP8 and nothing decodes.
            transceiver.setCodecPreferences(H264)
            aiortc_hooks.watch_feedback(transceiver.sender, self._feedback(track))
        if host is not None:
            aiortc_hooks.gather_only(pc, host)
        await pc.setRemoteDescription(RTCSessionDescription(offer.text, "offer"))
        self._described = True
        for candidate in [*offer.candidates, *self._early] if host is None else []:
            await self.add_candidate(candidate)
        await pc.setLocalDescription(await pc.createAnswer())
        answer: str = pc.localDescription.sdp
        if "a=candidate:" not in answer:
            raise TurnUnreachableError("no relay address from the TURN server")
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_S, self._give_up)
        return offer.complete(answer)

    async def add_candidate(self, candidate: Candidate) -> None:
        """One more way to reach the viewer."""
        if self._pc is None or not self._described:
            self._early.append(candidate)
            return
        mid = next(iter(self.tracks), None)
        if self.state != "connecting" or mid is None:
            return
        await self._pc.addIceCandidate(
            RTCIceCandidate(
                component=1,
                foundation=candidate.foundation,
                ip=candidate.host,
                port=candidate.port,
                priority=candidate.priority,
                protocol="udp",
                type=candidate.type,
                sdpMid=mid,
            )
        )

    def flush(self) -> None:
        """Pictures that wait to be sent are not sent any more."""
        for track in self.tracks.values():
            track.flush()

    def cut(self) -> None:
        """No picture leaves any more, from this moment."""
        for track in self.tracks.values():
            track.stop()

    async def close(self) -> None:
        """Cut, and take the connection down; that may last if the way is blocked."""
        self.cut()
        if self._deadline is not None:
            self._deadline.cancel()
        self._set_state("closed")
        if self._pc is not None:
            await self._pc.close()

    def _feedback(self, track: CameraTrack) -> aiortc_hooks.Feedback:
        return aiortc_hooks.Feedback(
            heard=self._heard,
            keyframe_wanted=track.encoder.request_keyframe,
            rate_limited=self._rate_limited,
            keyframe_age_s=track.keyframe_age_s,
        )

    def _heard(self) -> None:
        was_silent, self._heard_at = self.silent, time.monotonic()
        if was_silent:
            self._changed()

    def _state_changed(self) -> None:
        state = self._pc.connectionState if self._pc else "closed"
        if state == "connected":
            self._heard_at = time.monotonic()
            if self._deadline is not None:
                self._deadline.cancel()
            self._set_state("connected")
        elif state in {"failed", "closed"}:
            self._give_up()

    def _give_up(self) -> None:
        self.cut()
        self._set_state("closed")

    def _set_state(self, state: Literal["connecting", "connected", "closed"]) -> None:
        if state != self.state and self.state != "closed":
            self.state = state
            self._changed()


async def keep_turn_prepared(server: tuple[str, int]) -> None:
    """While this runs the next viewer is answered one round trip sooner. Run while live."""
    try:
        while True:
            await aiortc_hooks.prepare_turn(server)
            await asyncio.sleep(aiortc_hooks.PREPARED_S)
    finally:
        aiortc_hooks.drop_prepared(server)


class Closing:
    """Connections on their way out: taking one down waits for the other end, which may be gone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, connection: Connection) -> None:
        """Cut it now, close it in the background."""
        connection.cut()
        task = asyncio.create_task(connection.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """At the end of the service: wait a little, then let go."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        for task in self._tasks:
            task.cancel()
