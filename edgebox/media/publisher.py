"""WebRTC connections that carry pictures and sound.

Each picture was encoded once; a connection packetises, encrypts and sends it. One that lags drops
pictures up to the next keyframe and holds nobody else up. Sound goes out as it was encoded for this
listener, and what a guest sends goes to the cabin undecoded.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiortc import (
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

from edgebox.errors import EdgeboxError
from edgebox.media import aiortc_hooks
from edgebox.media.encoder import Encoder
from edgebox.media.fairness import single_every_s
from edgebox.media.gate import Gate
from edgebox.media.guest import GuestPicture, Packet
from edgebox.media.offer import Offer, PictureCodec, Section
from edgebox.media.sdp import Candidate
from edgebox.media.sound.cabin import Voice
from edgebox.media.tracks import CameraTrack, PictureTrack, SoundTrack
from edgebox.messages.session import TurnCredentials

logger = logging.getLogger(__name__)

CONNECT_S = 15.0
"""A connection that does not come about is given up."""
CANDIDATES_MAX = 64
"""Ways to reach the other end that may come after its offer; of more the rest is ignored."""
SILENT_S = 6.0
"""A viewer reports about once a second, and both ends check the way every 2.5 s whatever flows."""

aiortc_hooks.install()
VIDEO_CODECS = RTCRtpSender.getCapabilities("video").codecs
AUDIO_CODECS = RTCRtpSender.getCapabilities("audio").codecs
OPUS = [codec for codec in AUDIO_CODECS if codec.mimeType == "audio/opus"]


class TurnUnreachableError(EdgeboxError):
    """The TURN server does not answer or refuses us."""


class OfferRefusedError(EdgeboxError):
    """The WebRTC library cannot answer this offer, or the connection was closed meanwhile."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a connection carries besides cameras. Empty: the crew's own preview."""

    voice: Voice | None = None
    picture: GuestPicture | None = None
    """Takes what comes from the other end's camera."""
    opened: Callable[[RTCDataChannel], None] = lambda channel: None
    """The other end opened this data channel."""
    picture_limit_bps: Callable[[], int] | None = None
    """What the other end is told to send of it at most, now; None: what the answer said."""


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
        self._aside: set[asyncio.Future[None]] = set()
        self._first_mid = ""
        self.strays = 0
        """Packets that belong to nothing we agreed to receive."""
        self._pc: RTCPeerConnection | None = None
        self._negotiation: asyncio.Task[str] | None = None
        self._candidates = 0
        self._early: list[Candidate] = []
        self._described = False
        self._heard_at = 0.0
        self._deadline: asyncio.TimerHandle | None = None
        self.tracks: dict[str, CameraTrack] = {}
        """Cameras, by mid."""
        self._gate = Gate(lambda: sum(one.encoder.ordered_bps for one in self.tracks.values()))
        self._guest_tracks: list[PictureTrack] = []
        self._held = False
        self._relayed = False
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
        self._relayed = True
        return await self._answer(offer, RTCPeerConnection(configuration), host=None)

    async def answer_on(self, offer: Offer, host: str) -> str:
        """The answer's SDP for a viewer on this machine, reached at local address `host`.

        Raises OfferRefusedError.
        """
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        return await self._answer(offer, RTCPeerConnection(configuration), host=host)

    async def _answer(self, offer: Offer, pc: RTCPeerConnection, host: str | None) -> str:
        # To its end even when whoever asked has gone: sockets that are being opened belong to
        # nobody until then, and `close` would miss them.
        self._negotiation = asyncio.create_task(self._negotiate(offer, pc, host))
        try:
            return await asyncio.shield(self._negotiation)
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
        aiortc_hooks.keep_consent(pc, self._heard)
        pc.on("datachannel", self._call.opened)
        if host is not None:
            aiortc_hooks.gather_only(pc, host)
        else:
            cameras = [one for one in self.senders if isinstance(one.track, CameraTrack)]
            self._gate.pictures = {aiortc_hooks.source_of(one) for one in cameras}
        await pc.setRemoteDescription(RTCSessionDescription(offer.text, "offer"))
        self._described = True
        aiortc_hooks.bound_data(pc)
        for candidate in [*offer.candidates, *self._early] if host is None else []:
            await self._add_candidate(pc, candidate)
        await pc.setLocalDescription(await pc.createAnswer())
        if self.state == "closed":
            raise OfferRefusedError("closed meanwhile")
        aiortc_hooks.watch_sending(pc, self._gate.passes)
        answer: str = pc.localDescription.sdp
        if "a=candidate:" not in answer:
            raise TurnUnreachableError("no relay address from the TURN server")
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_S, self._give_up)
        return offer.complete(answer)

    async def add_candidate(self, candidate: Candidate) -> None:
        """One more way to reach the viewer."""
        self._candidates += 1
        if self._candidates > CANDIDATES_MAX:
            return
        if self._pc is None or not self._described:
            self._early.append(candidate)
        elif self.state == "connecting":
            await self._add_candidate(self._pc, candidate)

    async def _add_candidate(self, pc: RTCPeerConnection, candidate: Candidate) -> None:
        await pc.addIceCandidate(
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

    @property
    def senders(self) -> list[RTCRtpSender]:
        """Of all its tracks."""
        return [one.sender for one in self._pc.getTransceivers()] if self._pc else []

    def keep_only(self, cameras: Collection[str]) -> None:
        """Pictures of other cameras that wait to be sent are not sent any more."""
        gone = [one for one in self.tracks.values() if one.encoder.camera.id not in cameras]
        for track in gone:
            track.flush()
        sources = [aiortc_hooks.source_of(one) for one in self.senders if one.track in gone]
        self._gate.flush(sources)

    def hold(self, held: bool) -> None:
        """Nothing is sent to a viewer who may have gone; pictures go on with a keyframe."""
        if held == self._held:
            return
        self._held = held
        self._gate.hold(held)
        for track in [*self.tracks.values(), *self._guest_tracks]:
            track.flush()
            if not held:
                track.request_keyframe()

    def drop_still(self) -> None:
        """Of a still on its way nothing leaves any more."""
        if self._pc is not None and self._pc.sctp is not None:
            telling = aiortc_hooks.drop_binary(self._pc)
            self._aside.add(telling)
            telling.add_done_callback(self._aside.discard)

    def thin(self, camera: str | None, cap_bps: float) -> None:
        """Single pictures of this camera, as many as `cap_bps` allows, and none of the others.

        None: everything again. Call about once a second while thin.
        """
        now = time.monotonic()
        for track in self.tracks.values():
            if camera is None:
                track.thin(None)
            elif track.encoder.camera.id == camera:
                track.thin(single_every_s(track.keyframe_bits, cap_bps))
                track.ask_for_single(now)
            else:
                track.thin(math.inf)

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
        if self._negotiation is not None:
            await asyncio.gather(self._negotiation, return_exceptions=True)
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
        if self._call.picture_limit_bps is not None:
            limit = self._call.picture_limit_bps
            aiortc_hooks.limit_rate(transceiver.receiver, limit, heed_estimate=self._relayed)

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
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

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
