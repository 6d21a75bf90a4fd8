"""WebRTC connections that carry pictures and sound. The only file that imports aiortc.

Each picture was encoded once; a connection packetises, encrypts and sends it. One that lags drops
pictures up to the next keyframe and holds nobody else up. Sound goes out as it was encoded for this
listener, and what a guest sends goes to the cabin undecoded.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceCandidate,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCRtpReceiver,
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
from edgebox.media.encoder import Encoder, Sink
from edgebox.media.gate import Gate
from edgebox.media.guest import GuestPicture, Packet
from edgebox.media.offer import Offer, PictureCodec, Section
from edgebox.media.pipe import Frame
from edgebox.media.sdp import Candidate
from edgebox.media.sound.cabin import Voice
from edgebox.media.sound.opus import RATE_HZ
from edgebox.media.sound.records import Sound
from edgebox.messages.session import TurnCredentials

logger = logging.getLogger(__name__)

TIME_BASE = Fraction(1, CLOCK_HZ)
SOUND_TIME_BASE = Fraction(1, RATE_HZ)
QUEUE_MAX = 8
"""Pictures that wait to be sent; more are old news."""
SOUND_QUEUE_MAX = 10
"""Packets of sound; older ones would be too late."""
CONNECT_S = 15.0
"""A connection that does not come about is given up."""
CLOSE_S = 1.0
SILENT_S = 6.0
"""A viewer reports about once a second, and checks the way every 2.5 s whatever flows."""

aiortc_hooks.install()
VIDEO_CODECS = RTCRtpSender.getCapabilities("video").codecs
OPUS = [
    codec
    for codec in RTCRtpSender.getCapabilities("audio").codecs
    if codec.mimeType == "audio/opus"
]


class TurnUnreachableError(EdgeboxError):
    """The TURN server does not answer or refuses us."""


class OfferRefusedError(EdgeboxError):
    """The WebRTC library cannot answer this offer, or the connection was closed meanwhile."""


class PictureSource(Protocol):
    """Where encoded pictures come from: a camera's encoder, or a guest."""

    def add_sink(self, sink: Sink) -> None:
        """Call `sink` with each frame from now on."""
        ...

    def remove_sink(self, sink: Sink) -> None:
        """Never mind if it is not there."""
        ...

    def request_keyframe(self) -> None:
        """Soon, please."""
        ...


class PictureTrack(MediaStreamTrack):
    """One source's pictures for one viewer. Starts with a keyframe once somebody receives."""

    kind = "video"

    def __init__(self, source: PictureSource):
        super().__init__()
        self._source = source
        self._queue: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self._attached = False
        self._broken = True
        self._flushed = False
        self._newest_pts = 0
        self._keyframe_pts = 0

    async def recv(self) -> "av.Packet[Any]":
        """The next access unit; aiortc sends packets as they are."""
        if not self._attached:
            # Only now: what was encoded before the connection stood would be late for good.
            self._attached = True
            self._source.add_sink(self._take)
            self._source.request_keyframe()
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
        self._source.remove_sink(self._take)
        super().stop()
        self._queue.clear()
        self._arrived.set()

    def flush(self) -> None:
        """Nothing that waits leaves any more; the next picture will be a keyframe."""
        self._queue.clear()
        self._broken = self._flushed = True

    def request_keyframe(self) -> None:
        """The viewer needs one."""
        self._source.request_keyframe()

    def may_resend(self) -> bool:
        """Not while hidden: what was held back then is among what could be sent again."""
        return not self._flushed

    def keyframe_age_s(self) -> float:
        """How much older the last keyframe is than the newest picture."""
        return (self._newest_pts - self._keyframe_pts) / CLOCK_HZ

    def captured_at(self) -> float:
        """When the picture that was sent last was taken, monotonic seconds."""
        return self._newest_pts / CLOCK_HZ

    def _take(self, frame: Frame) -> None:
        if frame.keyframe:
            self._queue.clear()
            self._broken = self._flushed = False
        elif len(self._queue) >= QUEUE_MAX:
            self._queue.clear()
            self._broken = True
            self._source.request_keyframe()
        if not self._broken:
            self._queue.append(frame)
            self._arrived.set()


class CameraTrack(PictureTrack):
    """One camera's pictures for one viewer."""

    def __init__(self, encoder: Encoder):
        super().__init__(encoder)
        self.encoder = encoder


class SoundTrack(MediaStreamTrack):
    """What one listener hears."""

    kind = "audio"

    def __init__(self, voice: Voice):
        super().__init__()
        self._voice = voice
        self._queue: deque[Sound] = deque(maxlen=SOUND_QUEUE_MAX)
        self._arrived = asyncio.Event()
        self._newest_pts = 0

    async def recv(self) -> "av.Packet[Any]":
        """The next Opus packet; aiortc sends packets as they are."""
        if self._voice.sink is None and self.readyState == "live":
            self._voice.sink = self._take
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        sound = self._queue.popleft()
        self._newest_pts = sound.pts
        packet = av.Packet(sound.data)
        packet.pts, packet.time_base = sound.pts, SOUND_TIME_BASE
        return packet

    def stop(self) -> None:
        self._voice.sink = None
        super().stop()
        self._queue.clear()
        self._arrived.set()

    def captured_at(self) -> float:
        """When the cabin said what was sent last, monotonic seconds."""
        return self._newest_pts / RATE_HZ

    def _take(self, sound: Sound) -> None:
        self._queue.append(sound)
        self._arrived.set()


@dataclass(frozen=True, slots=True)
class Call:
    """What a connection carries besides cameras. Empty: the crew's own preview."""

    voice: Voice | None = None
    picture: GuestPicture | None = None
    """Takes what comes from the other end's camera."""
    opened: Callable[[RTCDataChannel], None] = lambda channel: None
    """The other end opened this data channel."""


class Connection:
    """One viewer's connection: answer an offer, then `close`."""

    def __init__(
        self,
        pictures: Sequence[Encoder | GuestPicture],
        changed: Callable[[], None],
        rate_limited: Callable[[int], None] = lambda bitrate_bps: None,
        call: Call = Call(),
    ):
        """`changed`: its state did. `rate_limited`: what the viewer believes it can receive."""
        self._pictures = list(pictures)
        self._changed = changed
        self._rate_limited = rate_limited
        self._call = call
        self._sound: SoundTrack | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._first_mid = ""
        self.strays = 0
        """Packets that belong to nothing we agreed to receive."""
        self._pc: RTCPeerConnection | None = None
        self._early: list[Candidate] = []
        self._described = False
        self._heard_at = 0.0
        self._deadline: asyncio.TimerHandle | None = None
        self.tracks: dict[str, CameraTrack] = {}
        """Cameras, by mid."""
        self._gate = Gate(lambda: sum(one.encoder.ordered_bps for one in self.tracks.values()))
        self._guest_tracks: list[PictureTrack] = []
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
        self._first_mid = offer.served[0].mid
        for section in offer.served:
            # In the order of the offer: the library matches them one by one.
            match section.use:
                case "picture":
                    self._add_picture(pc, section)
                case "guest":
                    self._add_guest(pc)
                case "sound":
                    self._add_sound(pc, section)
        aiortc_hooks.watch_life(pc, self._heard, self._stray)
        pc.on("datachannel", self._call.opened)
        if host is not None:
            aiortc_hooks.gather_only(pc, host)
        else:
            self._gate.pictures = {
                aiortc_hooks.source_of(one.sender)
                for one in pc.getTransceivers()
                if isinstance(one.sender.track, CameraTrack)
            }
        await pc.setRemoteDescription(RTCSessionDescription(offer.text, "offer"))
        self._described = True
        aiortc_hooks.bound_data(pc)
        for candidate in [*offer.candidates, *self._early] if host is None else []:
            await self.add_candidate(candidate)
        await pc.setLocalDescription(await pc.createAnswer())
        aiortc_hooks.watch_sending(pc, self._gate.passes)
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
        if self.state != "connecting":
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
                sdpMid=self._first_mid,
            )
        )

    def keep_only(self, cameras: Collection[str]) -> None:
        """Pictures of other cameras that wait to be sent are not sent any more."""
        gone = [one for one in self.tracks.values() if one.encoder.camera.id not in cameras]
        for track in gone:
            track.flush()
        senders = [one.sender for one in self._pc.getTransceivers()] if self._pc else []
        self._gate.flush([aiortc_hooks.source_of(one) for one in senders if one.track in gone])

    def cut(self) -> None:
        """Nothing leaves any more, from this moment, and what comes in is not used."""
        self._gate.close()
        for track in [*self.tracks.values(), *self._guest_tracks]:
            track.stop()
        if self._sound is not None:
            self._sound.stop()
        if self._call.voice is not None:
            self._call.voice.leave()

    async def close(self) -> None:
        """Cut, and take the connection down; that may last if the way is blocked."""
        self.cut()
        if self._deadline is not None:
            self._deadline.cancel()
        self._set_state("closed")
        if self._pc is not None:
            await self._pc.close()

    def _add_picture(self, pc: RTCPeerConnection, section: Section) -> None:
        """The next of our pictures, or nothing when there are no more."""
        if not self._pictures:
            pc.addTransceiver("video", "inactive")
            return
        source = self._pictures.pop(0)
        if isinstance(source, Encoder):
            track: PictureTrack = self.tracks.setdefault(section.mid, CameraTrack(source))
            codec: PictureCodec = "H264"
        else:
            track = PictureTrack(source)
            self._guest_tracks.append(track)
            codec = "VP8" if source.codec == "VP8" else "H264"
        transceiver = pc.addTransceiver(track, "sendonly")
        # Before the offer is set, or the answer keeps VP8 and nothing decodes.
        transceiver.setCodecPreferences(_video_codecs(codec))
        aiortc_hooks.watch_feedback(transceiver.sender, self._feedback(track))
        if isinstance(source, Encoder):
            aiortc_hooks.report_capture(transceiver.sender, track.captured_at)

    def _add_guest(self, pc: RTCPeerConnection) -> None:
        """The other end's own camera."""
        transceiver = pc.addTransceiver("video", "recvonly")
        transceiver.setCodecPreferences(_video_codecs("H264", "VP8"))
        picture = self._call.picture
        if picture is not None:
            aiortc_hooks.receive_packets(transceiver.receiver, _picture_taker(picture))
            picture.ask = lambda: self._ask_for_keyframe(transceiver.receiver)

    def _add_sound(self, pc: RTCPeerConnection, section: Section) -> None:
        voice = self._call.voice
        if voice is None:
            pc.addTransceiver("audio", "inactive")
            return
        self._sound = SoundTrack(voice)
        transceiver = pc.addTransceiver(self._sound, section.direction)
        transceiver.setCodecPreferences(OPUS)
        aiortc_hooks.watch_losses(transceiver.sender, voice.lost)
        aiortc_hooks.report_capture(transceiver.sender, self._sound.captured_at)
        aiortc_hooks.receive_packets(
            transceiver.receiver,
            lambda arrived: voice.take(arrived.sequence, arrived.timestamp, arrived.data),
        )

    def _ask_for_keyframe(self, receiver: RTCRtpReceiver) -> None:
        task = asyncio.create_task(aiortc_hooks.ask_for_keyframe(receiver))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def _stray(self) -> None:
        self.strays += 1

    def _feedback(self, track: PictureTrack) -> aiortc_hooks.Feedback:
        return aiortc_hooks.Feedback(
            heard=self._heard,
            keyframe_wanted=track.request_keyframe,
            rate_limited=self._rate_limited,
            keyframe_age_s=track.keyframe_age_s,
            may_resend=track.may_resend,
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


def _video_codecs(*names: PictureCodec) -> list[Any]:
    """Those named, and retransmission."""
    wanted = {"video/rtx", *(f"video/{name}" for name in names)}
    return [codec for codec in VIDEO_CODECS if codec.mimeType in wanted]


def _picture_taker(picture: GuestPicture) -> Callable[[aiortc_hooks.Arrived], None]:
    def take(arrived: aiortc_hooks.Arrived) -> None:
        picture.put(
            Packet(
                arrived.sequence,
                arrived.timestamp,
                arrived.marker,
                arrived.codec,
                arrived.data,
                time.monotonic(),
            )
        )

    return take


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
