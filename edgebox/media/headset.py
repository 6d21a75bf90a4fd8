"""Headsets that send their picture here: their connections, their cameras, their sound.

What comes here was let in by pairing and checked once by the headset service, which owns the
listener. A device is one camera for as long as it belongs to this vehicle: `absent` while nothing
comes from it, the same again when it is back. Its sound is heard by remote help and not in the
cabin, where its wearer is. What it hears comes on a connection of its own (headset_voices.py).

Over the access point a headset is reached at that network's address alone, and only where its own
checks come from: nothing is ever sent to an address that it names. From outside the vehicle it
comes through the relay behind the bond, like everybody else out there.
"""

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

from edgebox.config import Config
from edgebox.errors import RemoteProtocolError
from edgebox.media.closing import Closing
from edgebox.media.encoder import Encoder
from edgebox.media.guest import GuestPicture
from edgebox.media.headset_camera import MOST_BPS, HeadsetCamera, camera_id
from edgebox.media.headset_voices import HEADSETS_MAX, Listeners, Way
from edgebox.media.offer import Allowed, Offer
from edgebox.media.publisher import Call, Connection
from edgebox.media.sdp import parse_candidate
from edgebox.media.session import Session
from edgebox.media.sound.cabin import Cabin, Voice
from edgebox.messages.base import Fault
from edgebox.messages.headset import (
    HeadsetAnswer,
    HeadsetCandidate,
    HeadsetClose,
    HeadsetListen,
    HeadsetOffer,
    HeadsetVoices,
)
from edgebox.messages.session import MediaSession

logger = logging.getLogger(__name__)

FORGOTTEN_IDLE_S, FORGOTTEN_LIVE_S = 60.0, 900.0
"""A headset that was put away, or sent away, is no camera any more after this. While a session is
live its place is kept: it may be asleep."""
ALLOWED = Allowed(
    pictures=False,
    speaks=True,
    shows=True,
    shows_kbps=MOST_BPS // 1000,
    shows_h264=True,
    start_kbps=800,
)


@dataclass(slots=True)
class _Ingest:
    """One connection of a device."""

    camera: HeadsetCamera
    connection: Connection
    picture: GuestPicture
    voice: Voice | None
    outside: bool


class Headsets:
    """Use as a task running `run`. Cameras appear in the mapping that all of media shares."""

    def __init__(
        self,
        config: Config,
        encoders: MutableMapping[str, Encoder],
        session: Session,
        cabin: Cabin,
        changed: Callable[[], None],
        ended: Callable[[str], None],
        progress: Callable[[], None],
    ):
        """`changed`: a camera came, went or is another. `ended`: this peer's connection is gone."""
        self._config = config
        self._encoders = encoders
        self._session = session
        self._cabin = cabin
        self._changed = changed
        self._ended = ended
        self._progress = progress
        self._way = Way(config)
        self._ingests: dict[str, _Ingest] = {}
        self._cameras: dict[str, HeadsetCamera] = {}
        self._gone_at: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._new: asyncio.Queue[HeadsetCamera] = asyncio.Queue()
        self._closing = Closing()
        self._listeners = Listeners(self._way, cabin, self._closing, ended)

    async def run(self) -> None:
        """Keep each camera's process running, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                camera = await self._new.get()
                if self._cameras.get(camera.camera.id) is camera:
                    self._running[camera.camera.id] = group.create_task(camera.run())

    def resume(self, last: MediaSession) -> None:
        """The cameras an earlier process of this service had; their headsets come back soon."""
        for camera in last.cameras:
            if camera.kind == "headset":
                self._adopt(camera.id, camera.name)

    async def offer(self, question: HeadsetOffer, keys: dict[str, str]) -> HeadsetAnswer | Fault:
        """Answer it; an earlier connection of the same device ends."""
        outside = question.turn is not None
        try:
            offer = Offer(question.sdp, ALLOWED)
        except RemoteProtocolError as error:
            return Fault(reason="invalid", text=str(error)[:200])
        if not offer.of("guest"):
            return Fault(reason="refused", text="no picture in a format that is known here")
        camera = self._camera(question.device, question.name)
        if camera is None:
            return Fault(reason="busy", text=f"{HEADSETS_MAX} headsets are here already")
        for peer, old in list(self._ingests.items()):
            if old.camera is camera or peer == question.peer:
                self._drop(peer)
        ingest = self._ingest(offer, camera, outside=outside)
        self._ingests[question.peer] = ingest
        sdp = await self._way.answer(ingest.connection, offer, question.turn)
        if isinstance(sdp, Fault):
            self._drop(question.peer)
            return sdp
        if self._ingests.get(question.peer) is not ingest:
            return Fault(reason="refused", text="closed or replaced meanwhile")
        camera.attach(ingest.picture, outside=outside)
        self._gone_at.pop(camera.camera.id, None)
        self._changed()
        return HeadsetAnswer(sdp=sdp, camera=camera.camera.id)

    async def listen(self, question: HeadsetListen, keys: dict[str, str]) -> HeadsetVoices | Fault:
        """Answer a headset that wants to hear remote help."""
        return await self._listeners.offer(question)

    async def candidate(self, message: HeadsetCandidate, keys: dict[str, str]) -> None:
        """Only from outside: over the access point a headset's own checks show where it is."""
        await self._listeners.candidate(message)
        ingest = self._ingests.get(message.peer)
        candidate = parse_candidate(message.candidate)
        if ingest is not None and candidate is not None and ingest.outside:
            await ingest.connection.add_candidate(candidate)

    async def close(self, message: HeadsetClose, keys: dict[str, str]) -> None:
        """Cut at once what comes from this peer, or goes there."""
        self._drop(message.peer)
        self._listeners.close(message.peer)

    def check(self, now: float) -> None:
        """Call about once a second."""
        limit_s = FORGOTTEN_LIVE_S if self._session.state == "live" else FORGOTTEN_IDLE_S
        for identity, camera in list(self._cameras.items()):
            if camera.attached:
                self._gone_at.pop(identity, None)
            elif now - self._gone_at.setdefault(identity, now) > limit_s:
                self._forget(camera)

    async def finish(self) -> None:
        """Close what is open, at the end of the service."""
        for peer in list(self._ingests):
            self._drop(peer)
        self._listeners.finish()
        await self._closing.finish()

    def _ingest(self, offer: Offer, camera: HeadsetCamera, *, outside: bool) -> _Ingest:
        picture = GuestPicture(self._changed)
        voice = self._cabin.join(hears=False, speaks=True, near=True) if offer.of("sound") else None
        call = Call(voice, picture, picture_limit_bps=lambda: camera.limit_bps)
        connection = Connection([], self._update, call=call)
        return _Ingest(camera, connection, picture, voice, outside)

    def _camera(self, device: str, name: str) -> HeadsetCamera | None:
        """The device's camera, made if need be; None when there are too many."""
        identity = camera_id(device)
        if identity not in self._cameras and len(self._cameras) >= HEADSETS_MAX:
            return None
        return self._adopt(identity, name)

    def _adopt(self, identity: str, name: str) -> HeadsetCamera:
        found = self._cameras.get(identity)
        if found is not None:
            found.rename(name)
            return found
        hardware = self._config.media.hardware_encoder
        made = HeadsetCamera(identity, name, self._config.directory, hardware, self._changed)
        made.progress = self._progress
        self._cameras[identity] = self._encoders[identity] = made
        self._session.add(identity)
        self._new.put_nowait(made)
        return made

    def _forget(self, camera: HeadsetCamera) -> None:
        for peer, ingest in list(self._ingests.items()):
            if ingest.camera is camera:
                self._drop(peer)
        identity = camera.camera.id
        self._session.remove(identity)
        self._cameras.pop(identity, None)
        self._encoders.pop(identity, None)
        if (task := self._running.pop(identity, None)) is not None:
            task.cancel()
        self._gone_at.pop(identity, None)
        self._changed()

    def _update(self) -> None:
        """A connection changed: let go of those that ended."""
        for peer, ingest in list(self._ingests.items()):
            if ingest.connection.state == "closed":
                self._drop(peer)
        self._changed()

    def _drop(self, peer: str) -> None:
        ingest = self._ingests.pop(peer, None)
        if ingest is None:
            return
        if not any(other.camera is ingest.camera for other in self._ingests.values()):
            ingest.camera.detach()
        self._closing.start(ingest.connection)
        self._ended(peer)
        self._changed()
