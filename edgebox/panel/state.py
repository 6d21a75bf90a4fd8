"""What the panel knows: folds bus messages, told the time, into a View.

Theory of operation. Nothing here is remembered past its truth:

- While the broker is away nothing can be heard, so everything heard before is forgotten.
- Media's session counts while the same instance of media is running. A session left on the broker
  by an instance that has died is no session; the panel says that video is restarting.
- The bond reports ten times a second; a report older than BOND_FRESH_S says nothing about now.
- The hub counts while it answers (hub_reach.py).
- A room counts while the hub can be reached and while it is the room of the current session.
- Who sees and hears is what media says it sends to each connection, not what a role might get.

What stays is the layout (`screen`) and which cameras the crew chose, so that a restart of any part
does not move the buttons under the crew's fingers.

Driven by service.run; `now` is monotonic, `now_utc` wall time.
"""

from typing import Literal

from edgebox.config import Config
from edgebox.messages.base import Fault, Role
from edgebox.messages.bond import BondStatus
from edgebox.messages.room import Invite, Room
from edgebox.messages.selftest import SelfTest
from edgebox.messages.services import ServiceName, ServiceStatus
from edgebox.messages.session import CameraStatus, MediaSession
from edgebox.messages.update import UpdateStatus
from edgebox.messages.vehicle import Modems
from edgebox.messages.vitals import VitalsNow, VitalsStatus
from edgebox.panel.daylight import is_dark
from edgebox.panel.headset import HeadsetBoard
from edgebox.panel.health import health_view
from edgebox.panel.hub_reach import HubReach
from edgebox.panel.invited import Invited
from edgebox.panel.meter import Meters
from edgebox.panel.notices import notices
from edgebox.panel.parts import parts
from edgebox.panel.people import find_guest, plain, waiting, who_gets, with_us
from edgebox.panel.support import SupportDesk
from edgebox.panel.update import update_view
from edgebox.panel.view import (
    BondState,
    CameraView,
    Headline,
    HubState,
    PersonView,
    Truth,
    View,
    sound_view,
)
from edgebox.panel.vitals import vitals_view

BOND_FRESH_S = 1.0
"""Ten reports missed."""
MEDIA_GRACE_S = 10.0
"""Away longer than this, media does not come back by a simple restart."""
CHOICE_HOLD_S = 3.0
"""A tap counts before media has published what came of it."""
Operation = Literal["send", "hide", "main"]


class PanelState:
    """Everything heard, and `view`. No I/O."""

    def __init__(self, config: Config, now: float):
        self._meters = Meters(config.bond.link)
        self._monitors = config.vitals.monitor
        self._screen: Literal["idle", "live"] = "idle"
        self._cameras = tuple(
            CameraStatus(
                id=camera.id, name=camera.name, kind=camera.kind, state="starting", since_utc=0.0
            )
            for camera in config.media.camera
        )
        self._choice: tuple[str, ...] = ()
        self._chosen_at = float("-inf")
        self._last_sent: tuple[str, ...] = ()
        self._invited = Invited()
        self.support = SupportDesk()
        self.headset = HeadsetBoard()
        self._forget(now, None)

    def _forget(self, now: float, away_utc: float | None) -> None:
        self._broker_up = False
        self._broker_changed_at = now
        self._broker_away_utc = away_utc
        self._services: dict[ServiceName, ServiceStatus] = {}
        self._session: MediaSession | None = None
        self._media_away_at: float | None = now
        self._bond: BondStatus | None = None
        self._bond_at = float("-inf")
        self._room: Room | None = None
        self._hub = HubReach()
        self._meters.receive_modems(Modems())
        self._vitals: VitalsStatus | None = None
        self._board: VitalsNow | None = None
        self._self_test: SelfTest | None = None
        self._update: UpdateStatus | None = None
        self.support.forget()
        self.headset.forget()

    # What is heard

    def connect_broker(self, now: float) -> None:
        """The bus is there; retained states follow."""
        self._broker_up = True
        self._broker_changed_at = now
        self._broker_away_utc = None
        if self._media_away_at is not None:
            self._media_away_at = now

    def disconnect_broker(self, now: float, now_utc: float) -> None:
        """The bus is away: forget what can no longer be checked."""
        self._forget(now, now_utc)

    def receive_service(self, status: ServiceStatus, now: float) -> None:
        """A service's own word, or the broker's `stopped` for it."""
        self._services[status.service] = status
        if status.service == "vehicle" and status.state == "stopped":
            self._meters.receive_modems(Modems())
        if status.service == "media" and status.state == "stopped":
            self.support.forget_call()
        self._check_media(now)

    def receive_session(self, session: MediaSession, now: float) -> None:
        """Media's word on what is sent."""
        self._session = session
        self._check_media(now)

    def receive_bond(self, status: BondStatus, now: float, now_utc: float) -> None:
        """A report; one that lay on the broker is as old as it says."""
        age_s = max(now_utc - status.at_utc, 0.0)
        if age_s <= BOND_FRESH_S:
            self._bond, self._bond_at = status, now - age_s
            self._meters.receive(status, now)

    def receive_modems(self, modems: Modems) -> None:
        """What the modems say of themselves; not heard while their service is stopped."""
        vehicle = self._services.get("vehicle")
        if vehicle is None or vehicle.state != "stopped":
            self._meters.receive_modems(modems)

    def receive_vitals(self, message: VitalsStatus | VitalsNow) -> None:
        """How the patient monitors are, or their newest values."""
        if isinstance(message, VitalsStatus):
            self._vitals = message
        else:
            self._board = message

    def receive_self_test(self, test: SelfTest) -> None:
        """The last one, or how far one has come."""
        self._self_test = test

    def receive_update(self, status: UpdateStatus) -> None:
        """Which version runs, and what becomes of the next."""
        self._update = status

    def receive_room(self, room: Room) -> None:
        """The hub's word on who is in the room."""
        self._room = room
        self._invited.receive_room(room)

    def receive_hub(self, now: float, now_utc: float, *, doubled: bool = False) -> None:
        """The hub has answered. `doubled`: another box uses this one's identity."""
        self._hub.receive_answer(now, now_utc, doubled=doubled)

    def receive_bridge(self, up: bool, now_utc: float) -> None:
        """The broker's word on its connection to the hub."""
        self._hub.receive_bridge(up, now_utc)

    def receive_invite(self, invite: Invite, session: str) -> None:
        """A link the crew asked for has been made."""
        self._invited.receive(invite, session, self._room)

    # What the crew wants

    def selection(self, now: float) -> tuple[str, ...]:
        """Cameras the crew wants sent, main first: just tapped, else sent now or last, else all."""
        known = [camera.id for camera in self._cameras]
        hold = self._screen == "idle" or now - self._chosen_at < CHOICE_HOLD_S
        wanted = (hold and self._choice) or self._last_sent
        return tuple(camera for camera in wanted if camera in known) or tuple(known)

    def selection_after(
        self, camera: str, operation: Operation, now: float
    ) -> tuple[str, ...] | Fault:
        """What `selection` becomes; a Fault for a camera nobody knows, or the last one."""
        chosen = self.selection(now)
        if camera not in {one.id for one in self._cameras}:
            return Fault(reason="not-found")
        rest = tuple(one for one in chosen if one != camera)
        if operation == "main":
            return (camera, *rest)
        if operation == "send":
            return chosen if camera in chosen else (*chosen, camera)
        return rest or Fault(reason="invalid")

    def choose(self, cameras: tuple[str, ...], now: float) -> None:
        """The crew's choice was taken."""
        self._choice, self._chosen_at = cameras, now

    @property
    def screen(self) -> Literal["idle", "live"]:
        """The layout, as media last said."""
        return self._screen

    @property
    def session_id(self) -> str | None:
        """The session to invite to, once media has said."""
        return self._session.id if self._session is not None else None

    def guest(self, participant: str, role: Role, now: float) -> PersonView | None:
        """Who waits under that id with that role."""
        session = self._session if self._truth(now) == "known" else None
        return find_guest(self._guests(session, self._hub_state(now)), participant, role)

    def invite_url(self, id_: str) -> str | None:
        """The link of the invitation last made, if that is its id."""
        return self._invited.url(id_)

    # What is shown

    def view(self, now: float, now_utc: float) -> View:
        """The panel at this moment."""
        truth, bond, hub = self._truth(now), self._bond_state(now), self._hub_state(now)
        session = self._session if truth == "known" else None
        live = session if session is not None and session.state == "live" else None
        cameras = self._camera_views(session, now)
        people = self._people(session, hub)
        sending = _names_sent(live, cameras) if live else ()
        links = self._meters.views(known=bond != "unknown")
        sound = sound_view(session) if session else None
        return View(
            screen=self._screen,
            truth=truth,
            headline=self._headline(truth, bond, session, people),
            live_since_utc=live.since_utc if live else None,
            instance=session.instance if session else "",
            cameras=cameras,
            preview=self._preview(live) if self._screen == "live" else "",
            sending=sending,
            level=live.sending.level if live else "nothing",
            reason=live.sending.reason if live else "",
            hidden=session is not None and session.hidden,
            focus_by=plain(live.focus_by) if live else "",
            sound=sound,
            people=people,
            guests=self._guests(session, hub),
            session=session.id if session else "",
            bond=bond,
            hub=hub,
            links=links,
            parts=parts(truth, cameras, bond, links, hub, self._hub.since_utc),
            notices=notices(
                truth=truth,
                broker_away_utc=self._broker_away_utc,
                bond=bond,
                bond_away=self._bond_away(now),
                bond_since_utc=self._bond.since_utc if self._bond else None,
                hub=hub,
                hub_since_utc=self._hub.since_utc,
                cameras=cameras,
                sound=sound,
                enrolled=not _is_found(self._self_test, "certificate.not-enrolled"),
                doubled=self._hub.is_doubled(now),
                locked=self._meters.locked(),
                stopped=self._stopped(),
            ),
            invite=self._invited.view(self.session_id, now_utc),
            vitals=vitals_view(self._monitors, self._vitals, self._board, now_utc),
            health=health_view(self._self_test, now_utc, away=self._is_away("support")),
            support=self.support.view(now, away=self._is_away("support")),
            headset=self.headset.view(now, away=self._is_away("headset")),
            update=update_view(self._update, away=self._is_away("update")),
            dark=is_dark(now_utc),
        )

    # Media

    def _check_media(self, now: float) -> None:
        """Note since when media is away, and keep what outlives its restart."""
        session, status = self._session, self._services.get("media")
        if session is None or status is None or not _speaks_for(status, session):
            self._media_away_at = now if self._media_away_at is None else self._media_away_at
            return
        self._media_away_at = None
        self._cameras = session.cameras
        if session.state != self._screen:
            self._screen, self._choice = session.state, ()
        if session.sent:
            self._last_sent = session.sent

    def _truth(self, now: float) -> Truth:
        if not self._broker_up:
            return "unknown"
        if self._media_away_at is None:
            return "known"
        return "starting" if now - self._media_away_at < MEDIA_GRACE_S else "missing"

    def _headline(
        self,
        truth: Truth,
        bond: BondState,
        session: MediaSession | None,
        people: tuple[PersonView, ...],
    ) -> Headline:
        if truth == "starting":
            return "restarting" if self._screen == "live" else "starting"
        if truth != "known":
            return truth
        if self._screen == "idle":
            return "idle"
        if bond == "unknown":
            return "live-unsure"
        if bond != "up":
            return "live-cut"
        if session is not None and session.hidden:
            return "live-hidden"
        return who_gets(people)

    def _camera_views(self, session: MediaSession | None, now: float) -> tuple[CameraView, ...]:
        """While live, `sent` is media's word; otherwise it is what a start would send."""
        live = session is not None and session.state == "live"
        chosen = session.sent if session is not None and live else self.selection(now)
        return tuple(
            CameraView(
                id=camera.id,
                name=plain(camera.name),
                kind=camera.kind,
                state="unknown" if session is None else camera.state,
                sent=camera.id in chosen,
                main=camera.id in chosen[:1],
                part=camera.part,
            )
            for camera in self._cameras
        )

    def _preview(self, live: MediaSession | None) -> str:
        """The first picture that goes out; while media is silent, what went out last."""
        sent = live.sent if live is not None else self._last_sent
        going = {camera.id for camera in self._cameras if camera.state == "live"}
        return next((camera for camera in sent if camera in going), "".join(sent[:1]))

    # The others

    def _people(self, session: MediaSession | None, hub: HubState) -> tuple[PersonView, ...]:
        return with_us(session, self._room_of(session, hub)) if session is not None else ()

    def _guests(self, session: MediaSession | None, hub: HubState) -> tuple[PersonView, ...]:
        room = self._room_of(session, hub)
        return waiting(session, room) if session is not None and room is not None else ()

    def _room_of(self, session: MediaSession | None, hub: HubState) -> Room | None:
        """None while nobody can tell who is in the room of this session."""
        room = self._room
        if session is None or room is None or room.session != session.id or hub != "up":
            return None
        return room

    def _bond_state(self, now: float) -> BondState:
        fresh = self._broker_up and now - self._bond_at <= BOND_FRESH_S
        return self._bond.state if self._bond is not None and fresh else "unknown"

    def _bond_away(self, now: float) -> bool:
        """Silent although it had time to speak."""
        return self._broker_up and now - max(self._bond_at, self._broker_changed_at) > BOND_FRESH_S

    def _hub_state(self, now: float) -> HubState:
        if not self._broker_up:
            return "unknown"
        return self._hub.state(now, self._broker_changed_at)

    def _is_away(self, name: ServiceName) -> bool:
        """It has stopped, or was never heard."""
        status = self._services.get(name)
        return status is None or status.state == "stopped"

    def _stopped(self) -> tuple[str, ...]:
        """Services that said goodbye, apart from those that have notices of their own."""
        own = {"media", "bond", "panel"}
        stopped = (n for n, status in self._services.items() if status.state == "stopped")
        return tuple(sorted(name for name in stopped if name not in own))


def _is_found(test: SelfTest | None, code: str) -> bool:
    return test is not None and any(one.code == code for one in test.findings)


def _speaks_for(status: ServiceStatus, session: MediaSession) -> bool:
    """The session was published by the media that runs now."""
    return status.state != "stopped" and status.instance == session.instance


def _names_sent(session: MediaSession, cameras: tuple[CameraView, ...]) -> tuple[str, ...]:
    """Names of those whose pictures go out, main picture first."""
    names = {camera.id: camera.name for camera in cameras if camera.state == "live"}
    return tuple(names[camera] for camera in session.sent if camera in names)
