"""What the panel shows, as plain values without a word of any language.

`state.PanelState.view` makes it, `words.say` puts it into a language, the page draws it. Two equal
views look the same, so a view is sent only when it differs from the one before.
"""

from hashlib import sha256
from typing import Literal

from msgspec import Struct

from edgebox.messages import Role

Truth = Literal["known", "starting", "missing", "unknown"]
"""`known`: media itself says so. `starting`: media was (re)started and has not spoken yet.
`missing`: it has been away for long. `unknown`: no way to hear it."""

Headline = Literal[
    "idle",
    "live-watched",
    "live-unwatched",
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
Quality = Literal["good", "reduced", "weak", "none", "unknown"]
PartState = Literal["good", "warn", "fault", "unknown"]
InviteState = Literal["open", "used", "expired", "void"]
NoticeCode = Literal[
    "broker-away",
    "video-starting",
    "video-missing",
    "bond-away",
    "bond-down",
    "bond-connecting",
    "hub-away",
    "camera-absent",
    "camera-failed",
    "camera-starting",
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


class PersonView(_Value, frozen=True):
    """Somebody in the room. `state` is a Watcher's, or a Participant's for who gets no picture."""

    name: str
    role: Role
    state: Literal["connecting", "connected", "lost", "present", "away"]


class LinkView(_Value, frozen=True):
    """One link's meter. Bars are shares of `MeterScale`, in percent; rates are rounded to be calm.

    While `state` is `unknown`, `absent` or `down` there are no numbers.
    """

    label: str
    state: LinkState
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
    quality: Quality
    watchers: tuple[PersonView, ...]
    waiting: tuple[PersonView, ...]
    """In the room, without any picture."""
    bond: BondState
    hub: HubState
    links: tuple[LinkView, ...]
    parts: PartsView
    notices: tuple[NoticeView, ...]
    """Worst first."""
    invite: InviteView | None
    dark: bool
    """It is night outside."""
