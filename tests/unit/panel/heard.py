"""What a panel hears in these tests: messages with the fields that do not matter filled in."""

from typing import Any, cast

from edgebox.config import Config
from edgebox.config.bond import Bond, Link
from edgebox.config.media import Camera, Media
from edgebox.messages.base import Role
from edgebox.messages.bond import BondCounters, BondStatus, LinkStatus
from edgebox.messages.room import Invite, Participant, Room
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import (
    Admitted,
    CameraStatus,
    MediaSession,
    Sending,
    SoundStatus,
    Watcher,
)
from edgebox.messages.vehicle import Modem
from edgebox.panel.state import PanelState
from edgebox.panel.view import View
from edgebox.roles import RIGHTS

UTC = 1_750_000_000.0
"""Wall time when `now` is 0."""

CONFIG = Config(
    bond=Bond(
        link=(
            Link(name="a", label="Telenor", interface="wwan0"),
            Link(name="b", source="127.0.1.2"),
        )
    ),
    media=Media(
        camera=(
            Camera(id="front", name="Front", kind="v4l2", source="/dev/video0"),
            Camera(id="back", name="Back", kind="rtsp", source="rtsp://c"),
        )
    ),
)


def media(state: Any = "running", instance: str = "m1") -> ServiceStatus:
    return ServiceStatus(service="media", instance=instance, state=state, since_utc=UTC)


def camera(id_: str, state: Any = "ready", **more: Any) -> CameraStatus:
    fields: dict[str, Any] = {"name": id_.capitalize(), "kind": "v4l2", "since_utc": UTC} | more
    return CameraStatus(id=id_, state=state, **fields)


def idle(**more: Any) -> MediaSession:
    fields: dict[str, Any] = {
        "id": "s1",
        "state": "idle",
        "since_utc": UTC,
        "instance": "m1",
        "cameras": (camera("front"), camera("back")),
        "sent": (),
        "sound": sound(),
    } | more
    return MediaSession(**fields)


def live(*sent: str, watchers: tuple[Watcher, ...] = (), **more: Any) -> MediaSession:
    sent = sent or ("front", "back")
    cameras = tuple(camera(c, "live" if c in sent else "ready") for c in ("front", "back"))
    fields: dict[str, Any] = {
        "state": "live",
        "sent": sent,
        "watchers": watchers,
        "cameras": cameras,
        "sending": Sending(level="full", total_bps=3_000_000),
    } | more
    return idle(**fields)


def watcher(name: str, role: Any = "doctor", state: Any = "connected", **more: Any) -> Watcher:
    """Gets what the role may, once connected."""
    rights, here = RIGHTS[cast("Role", role)], state == "connected"
    fields: dict[str, Any] = {
        "peer": f"p-{name}",
        "participant": f"id{name}",
        "sees": ("front",) if rights.sees and here else (),
        "hears": rights.hears and here,
        "speaks": rights.speaks and here,
    } | more
    return Watcher(name=name, role=role, state=state, since_utc=UTC, **fields)


def admitted(name: str, role: Any = "doctor") -> Admitted:
    return Admitted(participant=f"id{name}", role=role, name=name)


def sound(microphone: Any = "live", loudspeaker: Any = "live", **more: Any) -> SoundStatus:
    return SoundStatus(microphone=microphone, loudspeaker=loudspeaker, **more)


def modem(interface: str = "wwan0", state: Any = "connected", **more: Any) -> Modem:
    fields: dict[str, Any] = {"operator": "Telenor N", "generation": "5G"} | more
    return Modem(interface=interface, state=state, **fields)


def participant(name: str, role: Any = "doctor", id_: str = "") -> Participant:
    return Participant(id=id_ or f"id{name}", name=name, role=role, state="present", joined_utc=UTC)


def room(*people: Participant, session: str = "s1") -> Room:
    return Room(session=session, participants=people)


def link(name: str = "a", **more: Any) -> LinkStatus:
    fields: dict[str, Any] = {
        "label": "",
        "state": "up",
        "since_utc": UTC,
        "rtt_ms": 42.0,
        "queue_ms": 0.0,
        "loss": 0.0,
        "capacity_bps": 4_000_000,
        "sent_bps": 1_000_000,
        "received_bps": 0,
    } | more
    return LinkStatus(name=name, **fields)


def bond(*links: LinkStatus, at_utc: float = UTC, **more: Any) -> BondStatus:
    fields: dict[str, Any] = {
        "state": "up",
        "since_utc": UTC,
        "capacity_bps": 6_000_000,
        "target_bps": 4_000_000,
        "rtt_ms": 42.0,
        "redundancy": 0.0,
        "counters": BondCounters(),
    } | more
    return BondStatus(at_utc=at_utc, links=links or (link("a"), link("b")), **fields)


def invite(role: Any = "doctor", expires_utc: float = UTC + 900) -> Invite:
    return Invite(url="https://hub.example.org/j/secret", role=role, expires_utc=expires_utc)


class Heard:
    """A panel state whose clock the test moves; `now` starts at 0 with the broker there."""

    def __init__(self, *, connected: bool = True) -> None:
        self.state = PanelState(CONFIG, 0.0)
        self.now = 0.0
        if connected:
            self.state.connect_broker(0.0)

    @property
    def utc(self) -> float:
        return UTC + self.now

    def view(self) -> View:
        return self.state.view(self.now, self.utc)

    def codes(self) -> list[str]:
        return [notice.code for notice in self.view().notices]

    def hear(self, *messages: ServiceStatus | MediaSession | BondStatus | Room) -> None:
        """In this order, now. A bond's report is of this moment."""
        for message in messages:
            match message:
                case ServiceStatus():
                    self.state.receive_service(message, self.now)
                case MediaSession():
                    self.state.receive_session(message, self.now)
                case BondStatus():
                    self.state.receive_bond(message, self.now, self.utc)
                case Room():
                    self.state.receive_room(message)

    def hear_hub(self) -> None:
        self.state.receive_bridge(up=True, now_utc=self.utc)
        self.state.receive_hub(self.now, self.utc)

    def whole(self) -> "Heard":
        """Everything there and idle."""
        self.hear(media(), idle(), bond())
        self.hear_hub()
        return self

    def pass_time(self, seconds: float) -> None:
        """Others go on speaking meanwhile: only what is tested is silent."""
        self.now += seconds
