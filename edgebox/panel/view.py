"""What the panel shows, as plain values without a word of any language.

`state.PanelState.view` makes it, `words.say` puts it into a language, the page draws it. Two equal
views look the same, so a view is sent only when it differs from the one before.
"""

from hashlib import sha256
from typing import Literal

from msgspec import Struct

from edgebox.messages.base import Role
from edgebox.messages.session import MediaSession
from edgebox.panel.headset_view import HeadsetView
from edgebox.panel.health import HealthView
from edgebox.panel.support_view import SupportView
from edgebox.panel.update import UpdateView
from edgebox.panel.vitals import VitalsView

Truth = Literal["known", "starting", "missing", "unknown"]
"""`known`: media itself says so. `starting`: media was (re)started and has not spoken yet.
`missing`: it has been away for long. `unknown`: no way to hear it."""

Headline = Literal[
    "idle",
    "live-watched",
    "live-heard",
    "live-unwatched",
    "live-hidden",
    "live-cut",
    "live-unsure",
    "starting",
    "restarting",
    "missing",
    "unknown",
]
CameraState = Literal["starting", "ready", "live", "absent", "failed", "unknown"]
CameraKind = Literal["pattern", "file", "v4l2", "rtsp", "picamera", "headset"]
LinkState = Literal["up", "suspect", "down", "absent", "unknown"]
BondState = Literal["up", "connecting", "down", "unknown"]
HubState = Literal["up", "away", "unknown"]
Generation = Literal["", "2G", "3G", "4G", "5G"]
Level = Literal["nothing", "full", "reduced", "main-only", "few-frames", "stills", "sound-only"]
Reason = Literal["", "capacity", "links-down", "hidden", "viewer", "camera"]
DeviceState = Literal["none", "starting", "ready", "live", "absent", "failed"]
PartState = Literal["good", "warn", "fault", "unknown"]
InviteState = Literal["open", "used", "expired", "void"]
NoticeCode = Literal[
    "broker-away",
    "video-starting",
    "video-missing",
    "bond-away",
    "bond-down",
    "bond-connecting",
    "not-enrolled",
    "doubled",
    "hub-away",
    "camera-absent",
    "camera-failed",
    "camera-starting",
    "microphone-absent",
    "microphone-failed",
    "loudspeaker-absent",
    "loudspeaker-failed",
    "sim-locked",
    "service-stopped",
]


class _Value(Struct, frozen=True, kw_only=True):
    """Base of all parts."""


class CameraView(_Value, frozen=True):
    """One camera's tile. `sent`: remote help gets it, or while idle will get it."""

    id: str
    name: str
    kind: CameraKind
    state: CameraState
    sent: bool
    main: bool
    part: tuple[float, float, float] = (0.0, 0.0, 1.0)
    """What of the sensor's picture is sent: left, top, size."""


class PersonView(_Value, frozen=True):
    """Somebody in the room. `sees` to `silenced` are media's own word on what flows now."""

    id: str
    """The hub's for this person; empty for a connection the hub names nobody for."""
    name: str
    role: Role
    state: Literal["connecting", "connected", "lost", "present", "away", "unknown"]
    """A Watcher's, or a Participant's for who has no connection to the box."""
    sees: bool = False
    hears: bool = False
    """The cabin, not only the other people."""
    speaks: bool = False
    shows: str = ""
    """Peer whose own picture comes in, or empty."""
    silenced: bool = False
    slow: bool = False
    """Their own connection is weak: single pictures for them alone."""


class SoundView(_Value, frozen=True):
    """Microphone and loudspeaker of the cabin."""

    microphone: DeviceState
    loudspeaker: DeviceState
    muted: bool


class LinkView(_Value, frozen=True):
    """One link's meter. Bars are shares of `MeterScale`, in percent; rates are rounded to be calm.

    While `state` is `unknown`, `absent` or `down` there are no numbers.
    """

    label: str
    """The operator's name if the modem knows it, else the configured one."""
    state: LinkState
    generation: Generation = ""
    capacity_percent: int = 0
    sent_percent: int = 0
    capacity_bps: int | None = None
    sent_bps: int | None = None
    rtt_ms: int | None = None


class NoticeView(_Value, frozen=True):
    """One thing that does not work. `subject` is a camera's name or a service."""

    code: NoticeCode
    grade: Literal["warn", "fault"]
    subject: str = ""
    kind: CameraKind | None = None
    since_utc: float | None = None


class PartsView(_Value, frozen=True):
    """The parts people need, each in one look."""

    video: PartState
    cameras_ready: int
    links: PartState
    links_up: int
    hub: PartState
    hub_since_utc: float | None
    """Since when the hub cannot be reached."""


class InviteView(_Value, frozen=True):
    """The last invitation made here; its link is known to the page that asked for it only."""

    id: str
    """As `invite_id` makes it."""
    state: InviteState
    role: Role
    used_by: str = ""


def invite_id(url: str) -> str:
    """Names an invitation without giving its link away (which is random, so cannot be guessed)."""
    return sha256(url.encode()).hexdigest()[:12]


class View(_Value, frozen=True):
    """The whole panel."""

    screen: Literal["idle", "live"]
    """The layout; stays as it was while `truth` is not `known`."""
    truth: Truth
    headline: Headline
    live_since_utc: float | None
    instance: str
    """Of media: a new one means its preview must be fetched anew. Empty unless `known`."""
    cameras: tuple[CameraView, ...]
    preview: str
    """Id of the camera whose picture is shown, or empty. Kept while `truth` is not `known`: a
    preview that still runs is the only word of media there is."""
    sending: tuple[str, ...]
    """Names of the cameras whose pictures go out at this moment, main picture first."""
    level: Level
    """Of what is sent now, by media's own word; `nothing` unless live and known."""
    reason: Reason
    hidden: bool
    focus_by: str
    """Who chose the main picture, if not the crew."""
    sound: SoundView | None
    """None while media's word is not known."""
    people: tuple[PersonView, ...]
    """Admitted by the crew or connected: they get what their role may, once live."""
    guests: tuple[PersonView, ...]
    """They wait for the crew to let them in, and get nothing."""
    session: str
    """That `guests` wait for. Empty while not known."""
    bond: BondState
    hub: HubState
    links: tuple[LinkView, ...]
    parts: PartsView
    notices: tuple[NoticeView, ...]
    """Worst first."""
    invite: InviteView | None
    vitals: VitalsView | None
    """None without a patient monitor in the configuration."""
    health: HealthView
    """The last self-test."""
    support: SupportView
    """Who helps from outside."""
    dark: bool
    """It is night outside."""
    headset: HeadsetView = HeadsetView()
    update: UpdateView = UpdateView()


def sound_view(session: MediaSession) -> SoundView:
    """From media's own word."""
    sound = session.sound
    return SoundView(microphone=sound.microphone, loudspeaker=sound.loudspeaker, muted=sound.muted)
