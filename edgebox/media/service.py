"""The media service: cameras, encoders, the video session and those who get pictures.

One encoder process per camera runs all the time (encoder.py). While the session is live the
selected cameras are encoded, once each, and given to every viewer (watch.py, preview.py). The bond
says how much may be sent: that decides which pictures are made and how (pictures.py, ladder.py).

Nobody gets anything before the crew let them in (admission.py), nor more than their role has a
right to (edgebox.roles), whatever hub and page say.

`MediaSession` on the bus is the truth about all this. It is retained by the broker: a service that
was killed finds its own last copy there and goes on with the same session.
"""

import asyncio
import logging
import secrets
import time
from contextlib import AsyncExitStack

from edgebox.config import Config, parse_address
from edgebox.errors import ConfigError, RemoteProtocolError
from edgebox.host.service import Service
from edgebox.media.admission import Admission
from edgebox.media.bulletin import Bulletin
from edgebox.media.crew import Crew
from edgebox.media.encoder import Encoder
from edgebox.media.guidance import Guidance, Surroundings
from edgebox.media.headset import Headsets
from edgebox.media.pictures import Pictures
from edgebox.media.preview import Preview
from edgebox.media.ptz import movers
from edgebox.media.report import camera_status, problem_of, rounded, without_figures
from edgebox.media.resume import last_session
from edgebox.media.session import Session
from edgebox.media.sound.cabin import Cabin
from edgebox.media.technician import TechnicianCall
from edgebox.media.technician_still import StillDoor
from edgebox.media.vitals import VitalsRelay
from edgebox.media.watch import Watchers
from edgebox.messages.base import Done, Fault
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.headset import (
    HEADSET_CANDIDATE,
    HEADSET_CLOSE,
    HEADSET_ENDED,
    HEADSET_LISTEN,
    HEADSET_OFFER,
    HeadsetEnded,
)
from edgebox.messages.session import (
    MEDIA_SESSION,
    WATCH,
    WATCH_CANDIDATE,
    WATCH_CLOSE,
    MediaSession,
    WatchAnswer,
    WatchCandidate,
    WatchClose,
    WatchOffer,
)
from edgebox.messages.vitals import (
    VITALS_LIVE,
    VITALS_NOW,
    VITALS_STATUS,
    VitalsLive,
    VitalsNow,
    VitalsStatus,
)
from edgebox.roles import RIGHTS

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 1.0
FIGURES_EVERY_S = 2.0
"""Mere bit and frame rates are published no more often: each goes over the links to the hub, too.
States are published at once."""


async def run(config: Config) -> None:
    """Run until cancelled. Raises ConfigError."""
    host, _ = parse_address(config.media.turn)
    if ":" in host:
        raise ConfigError("media.turn: give an IPv4 address or a name")
    async with Service("media", config) as service:
        await _MediaService(service, config).run()


class _MediaService:
    def __init__(self, service: Service, config: Config):
        self._service = service
        self._bus = service.bus
        self._encoders: dict[str, Encoder] = {
            camera.id: Encoder(
                camera, config.directory, config.media.hardware_encoder, self._changed
            )
            for camera in config.media.camera
        }
        for encoder in self._encoders.values():
            encoder.progress = service.progress
        self._session = Session(
            tuple(self._encoders), lambda: secrets.token_urlsafe(16), time.time()
        )
        self._admission = Admission()
        self._cabin = Cabin(config.media, config.directory, self._changed)
        self._pictures = Pictures(config.media, self._encoders, self._changed)
        self._bulletin = Bulletin(service.bus)
        self._movers = movers(config)
        self._guidance = Guidance(
            self._encoders,
            self._movers,
            self._pictures,
            Surroundings(
                hidden=lambda: self._session.hidden,
                focus=self._focus,
                show=self._bulletin.put,
                part_changed=self._changed,
            ),
        )
        self._watchers = Watchers(
            config.media,
            self._cabin,
            self._guidance,
            lambda: self._session.sent,
            self._watchers_changed,
        )
        self._vitals = VitalsRelay(
            lambda: self._guidance.channels,
            lambda guest: self._admission.find(guest.participant, guest.role) is not None,
        )
        self._headsets = Headsets(
            config,
            self._encoders,
            self._session,
            self._cabin,
            self._headsets_changed,
            self._headset_ended,
            service.progress,
        )
        self._technician = TechnicianCall(
            config.media, self._cabin, lambda: not self._resumed or self._session.state == "live"
        )
        self._telling: set[asyncio.Task[bool]] = set()
        self._crew = Crew(
            self._session, self._admission, self._cabin, self._watchers, self._end, self._applied
        )
        self._preview = Preview(
            config, self._sent_encoders, self._watchers.guest_picture, self._crew.stop
        )
        self._stills = StillDoor(config, service.instance, self._encoders, self._session)
        self._main = ""
        self._was_live = False
        self._dirty = asyncio.Event()
        self._published: MediaSession | None = None
        self._published_at = 0.0
        self._problem = ""
        self._resumed = False

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._preview.serve())
            stack.push_async_callback(self._watchers.finish)
            stack.push_async_callback(self._headsets.finish)
            encoders = [encoder.run() for encoder in self._encoders.values()]
            turning = [mover.run() for mover in self._movers.values()]
            await self._service.run(
                self._serve(),
                self._check(),
                self._cabin.run(),
                self._bulletin.run(),
                self._headsets.run(),
                self._technician.run(self._bus),
                *encoders,
                *turning,
            )

    async def _serve(self) -> None:
        await self._resume()
        await self._bus.subscribe(BOND_STATUS, self._bond_status)
        await self._crew.serve(self._bus)
        await self._stills.serve(self._bus)
        await self._bus.serve(WATCH, self._watch)
        await self._bus.subscribe(WATCH_CANDIDATE, self._watch_candidate)
        await self._bus.subscribe(WATCH_CLOSE, self._watch_close)
        await self._bus.serve(HEADSET_OFFER, self._headsets.offer)
        await self._bus.serve(HEADSET_LISTEN, self._headsets.listen)
        await self._bus.subscribe(HEADSET_CANDIDATE, self._headsets.candidate)
        await self._bus.subscribe(HEADSET_CLOSE, self._headsets.close)
        await self._bus.subscribe(VITALS_STATUS, self._vitals_status)
        await self._bus.subscribe(VITALS_NOW, self._vitals_now)
        await self._bus.subscribe(VITALS_LIVE, self._vitals_live)
        await self._service.set_state("running")
        self._dirty.set()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._publish()

    async def _resume(self) -> None:
        """Find out what an earlier process of this service was doing."""
        await self._bus.connected.wait()
        # First: what nobody was there to hear must be known before the session is taken up.
        await self._crew.listen(self._bus)
        last = await last_session(self._bus, self._service.instance)
        if last is not None:
            self._headsets.resume(last)
            self._session.resume(last)
            self._admission.resume(last)
            self._cabin.mute(last.sound.muted)
            self._crew.obey()
        self._resumed = True
        self._apply()

    # The session

    def _end(self) -> None:
        if self._session.state == "live":
            self._session.stop(time.time())
            self._admission.clear()
            self._guidance.reset()
            self._cabin.set_live(False)
            self._cabin.mute(False)
        self._watchers.cut_all()
        self._preview.cut_all()

    def _focus(self, camera: str, name: str) -> bool:
        """A person at the far end chose the main picture."""
        before = self._session.selected
        if self._session.focus(camera, name) is not None:
            return False
        if self._session.selected != before:
            self._apply()
        return True

    async def _watch(self, offer: WatchOffer, keys: dict[str, str]) -> WatchAnswer | Fault:
        if self._session.state != "live" or offer.session != self._session.id:
            return Fault(reason="refused", text="this session is not live")
        guest = self._admission.find(offer.participant, offer.role)
        if guest is None:
            return Fault(reason="refused", text="the crew has not let this person in")
        rights = RIGHTS[guest.role]
        cameras = [
            encoder
            for encoder in self._sent_encoders().values()
            if encoder.camera.view in rights.views
        ]
        return await self._watchers.offer(offer, guest, cameras)

    async def _watch_candidate(self, message: WatchCandidate, keys: dict[str, str]) -> None:
        await self._watchers.candidate(message)

    async def _watch_close(self, message: WatchClose, keys: dict[str, str]) -> None:
        self._watchers.close(message)

    # Headsets

    def _headsets_changed(self) -> None:
        """A camera more or less divides the bits anew; its pictures coming or going do not."""
        if self._resumed:
            self._apply()

    def _headset_ended(self, peer: str) -> None:
        task = asyncio.create_task(self._bus.publish(HEADSET_ENDED, HeadsetEnded(peer=peer)))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _applied(self) -> Done:
        self._apply()
        await self._publish()
        return Done()

    # What follows from the session

    def _sent_encoders(self) -> dict[str, Encoder]:
        """Main picture first."""
        return {camera: self._encoders[camera] for camera in self._session.sent}

    def _apply(self) -> None:
        sent = self._session.sent
        if sent:
            self._technician.end()
        self._divide()
        self._watchers.keep_only(self._session.shown)
        self._guidance.keep_only(self._session.shown)
        if sent and sent[0] != self._main:
            self._main = sent[0]
            self._guidance.wipe()
        self._cabin.set_live(self._session.state == "live")
        self._watchers.silence(self._admission.silenced)
        self._preview.keep_only(set(sent))
        if bool(sent) != self._was_live:
            self._was_live = bool(sent)
            self._watchers.expect(self._was_live)
        self._dirty.set()

    def _divide(self) -> None:
        now = time.monotonic()
        sound = self._cabin.status
        self._pictures.has_sound = sound.microphone == "live" and not sound.muted
        self._pictures.vitals_bps = self._vitals.sent_bps
        each_bps = self._watchers.settle(self._pictures.offered_bps, self._session.shown, now)
        self._pictures.apply(self._session, self._watchers.carried, each_bps, now)

    async def _bond_status(self, status: BondStatus, keys: dict[str, str]) -> None:
        self._pictures.take_bond(status)
        if status.state == "up":
            self._cabin.set_target(status.target_bps)
        self._divide()

    async def _vitals_status(self, status: VitalsStatus, keys: dict[str, str]) -> None:
        self._vitals.take_status(status)
        self._vitals.flush(time.monotonic(), time.time())

    async def _vitals_now(self, now: VitalsNow, keys: dict[str, str]) -> None:
        self._vitals.take_now(now)
        self._vitals.flush(time.monotonic(), time.time())

    async def _vitals_live(self, live: VitalsLive, keys: dict[str, str]) -> None:
        try:
            self._vitals.take_live(live.content, time.monotonic())
        except RemoteProtocolError as error:
            logger.warning("waves were dropped: %s", error)

    # Reports

    def _changed(self) -> None:
        self._dirty.set()

    def _watchers_changed(self) -> None:
        """Another number of copies divides the bits anew, after what is under way now."""
        asyncio.get_running_loop().call_soon(self._divide)
        self._preview.keep_guests(self._watchers.peers)
        self._dirty.set()

    async def _check(self) -> None:
        """Once a second: silent viewers, figures, and progress where there is no picture."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            self._watchers.check()
            self._headsets.check(time.monotonic())
            self._vitals.check(self._pictures.sending.total_bps, time.monotonic())
            self._vitals.flush(time.monotonic(), time.time())
            self._divide()
            self._dirty.set()
            reports = [encoder.report for encoder in self._encoders.values()]
            if not any(report.state in {"ready", "live"} for report in reports):
                # No camera, no pictures: that this loop runs is all that can be hoped for.
                self._service.progress()

    async def _publish(self) -> None:
        session, now = self._snapshot(), time.monotonic()
        same_but_figures = self._published is not None and without_figures(
            session
        ) == without_figures(self._published)
        if same_but_figures and now - self._published_at < FIGURES_EVERY_S:
            return
        if session != self._published:
            self._published, self._published_at = session, now
            await self._bus.publish(MEDIA_SESSION, session)
            await self._report_health(session)

    async def _report_health(self, session: MediaSession) -> None:
        """`degraded` names the cameras that give no picture."""
        problem = problem_of(session)
        if problem != self._problem:
            self._problem = problem
            await self._service.set_state("degraded" if problem else "running", problem)

    def _snapshot(self) -> MediaSession:
        made = self._pictures.flowing
        cameras = tuple(
            camera_status(encoder, wanted=camera in made)
            for camera, encoder in self._encoders.items()
        )
        flowing = {camera.id for camera in cameras if camera.state == "live"}
        return MediaSession(
            id=self._session.id,
            state=self._session.state,
            since_utc=self._session.since_utc,
            instance=self._service.instance,
            cameras=cameras,
            sent=self._session.selected,
            watchers=self._watchers.watchers(flowing),
            focus_by=self._session.focus_by,
            hidden=self._session.hidden,
            admitted=self._admission.admitted,
            refused=self._admission.refused,
            silenced=self._admission.silenced,
            sound=self._cabin.status,
            sending=rounded(self._pictures.sending),
        )
