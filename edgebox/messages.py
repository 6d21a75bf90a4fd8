"""Every message on the bus: its fields, its topic and the direction it travels.

Topics of a box start with `box/<box id>/`. The next word says how far a message goes:
`local` never leaves the box, `up` is bridged to the hub, `down` comes from the hub.
The hub's broker lets a box write only its own `up` and read only its own `down`.

Payloads are JSON with the class name in `type`. Times ending in `_utc` are seconds since 1970.
A topic may hold placeholders in braces; their values travel in the topic, not in the payload.
"""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from edgebox.observation import Alarm, Numeric

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
OptionalId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,64}\Z")]
Text = Annotated[str, Meta(max_length=200)]
Sdp = Annotated[str, Meta(max_length=65_536)]
Role = Literal["doctor", "pilot", "interpreter", "observer", "technician", "bystander"]


class Message(Struct, frozen=True, tag=True, kw_only=True, forbid_unknown_fields=False):
    """Base of all. Unknown fields are ignored: the two ends are updated at different times."""


class Fault(Message, frozen=True):
    """The answer to a request that could not be done. An expected outcome, not an exception."""

    reason: Literal["timeout", "unreachable", "refused", "not-found", "busy", "invalid", "failed"]
    text: Text = ""
    """For the technician; people at the panel see a sentence made from `reason`."""


class Done(Message, frozen=True):
    """The answer to a request that has nothing more to say."""


M = TypeVar("M", bound=Message)
Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)


class Topic(Struct, Generic[M], frozen=True):
    """Where one kind of message is published. `retained` topics hold a state, others events."""

    template: str
    message: type[M]
    retained: bool = False
    qos: Literal[0, 1] = 1


class Request(Struct, Generic[Q, A], frozen=True):
    """Where one kind of question is asked; exactly one service answers it."""

    template: str
    question: type[Q]
    answer: type[A]


# Services ---------------------------------------------------------------------------------------

ServiceName = Literal["bond", "media", "vitals", "panel", "support", "vehicle", "headset"]


class ServiceStatus(Message, frozen=True):
    """What a service says of itself; the broker says `stopped` for it when it dies."""

    service: ServiceName
    instance: Id
    """Random at each start: a changed one means the service was restarted."""
    state: Literal["starting", "running", "degraded", "stopped"]
    since_utc: float
    detail: Text = ""
    version: str = ""


SERVICE_STATUS = Topic("box/{box}/up/status/{service}", ServiceStatus, retained=True)


class BoxInfo(Message, frozen=True):
    """Who this box is; published by the panel's process at start."""

    vehicle: Text


BOX_INFO = Topic("box/{box}/up/info", BoxInfo, retained=True)


class HubStatus(Message, frozen=True):
    """Set by the hub per box, so that the panel knows an answer comes from there.

    The bridge itself reports its state at `$SYS/broker/connection/<box id>/state` (0 or 1).
    """

    instance: Id
    since_utc: float


HUB_STATUS = Topic("box/{box}/down/hub", HubStatus, retained=True)


class AskHub(Message, frozen=True):
    """Is the hub there? The panel asks every few seconds.

    Nothing else tells: a bridge whose connection died in silence goes on saying 1.
    """


ASK_HUB = Request("box/{box}/up/hub/ask", AskHub, HubStatus)

# Bond -------------------------------------------------------------------------------------------


class LinkStatus(Message, frozen=True):
    """One link as the bond sees it now. Rates are of the last second."""

    name: str
    label: str
    state: Literal["up", "suspect", "down", "absent"]
    """`absent`: no such interface. `down`: nothing comes back. `suspect`: silent while loaded."""
    since_utc: float
    rtt_ms: float | None
    queue_ms: float
    """Queueing delay towards the hub."""
    loss: float
    """Share of packets lost towards the hub, 0 to 1."""
    capacity_bps: int
    """Estimated towards the hub; a mere starting value while `measured_utc` is None."""
    sent_bps: int
    received_bps: int
    measured_utc: float | None = None
    """When traffic last showed what the link carries; None: not since it came up."""
    use: Literal["ordinary", "reserve", "last", "closed"] = "ordinary"
    """`reserve`: only when those before it do not suffice. `last`: only when no other is up.
    `closed`: its monthly cap is used up, nothing is sent on it."""
    priority: int = 1
    price_per_gb: float = 0.0
    used_bytes: int = 0
    """On this link since its month began, both ways, IP headers included."""
    cap_bytes: int = 0
    """What it may carry in a month; 0: as much as it likes."""
    mtu_bytes: int = 0
    """Largest outer UDP payload that is known to pass towards the hub; 0: not known."""


class BondCounters(Message, frozen=True):
    """Since the start of the bond process. Dropped datagrams by cause, and repairs."""

    sent: int = 0
    duplicated: int = 0
    rescued: int = 0
    expired: int = 0
    """Dropped at the sender because they could not be in time."""
    delivered: int = 0
    late: int = 0
    garbage: int = 0
    """Not a bond packet, a wrong key or damaged."""
    replayed: int = 0
    refused: int = 0
    """Forward to an address the far end does not allow, or too many flows."""


class BondStatus(Message, frozen=True):
    """Ten times a second, and at once when `target_bps` falls by 10 % or more."""

    at_utc: float
    state: Literal["up", "connecting", "down"]
    """`connecting`: no session keys yet. `down`: keys, but no link brings anything back."""
    since_utc: float
    links: tuple[LinkStatus, ...]
    capacity_bps: int
    target_bps: int
    """What the encoders may produce together, sound and repair already taken off."""
    rtt_ms: float | None
    redundancy: float
    """Bytes sent more than once or as parity, as a share of all, last second."""
    counters: BondCounters
    problem: Text = ""
    """Why there are no session keys, for the technician."""


BOND_STATUS = Topic("box/{box}/local/bond", BondStatus, retained=True, qos=0)

# Media ------------------------------------------------------------------------------------------


class CameraStatus(Message, frozen=True):
    """One picture source. `ready`: opened, nothing is encoded. `live`: encoding now."""

    id: Id
    name: Text
    kind: Literal["pattern", "file", "v4l2", "rtsp", "picamera", "headset"]
    state: Literal["starting", "ready", "live", "absent", "failed"]
    since_utc: float
    detail: Text = ""
    """What is wrong and what to plug or install, in English, for the technician."""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate_bps: int = 0
    encoder: Text = ""
    """`libx264`, `h264_v4l2m2m`, or `passthrough` for a camera that encodes itself."""
    part: tuple[float, float, float] = (0.0, 0.0, 1.0)
    """What of the sensor's picture is sent: left, top, size, as in data_messages.Zoom."""
    view: Literal["patient", "outside"] = "patient"
    """What it looks at: who may see it follows from that (edgebox.roles)."""


class Watcher(Message, frozen=True):
    """One connection of a person, as the box itself sees it: what really flows, not what may."""

    peer: Id
    name: Text
    role: Role
    state: Literal["connecting", "connected", "lost"]
    since_utc: float
    participant: OptionalId = ""
    sees: tuple[str, ...] = ()
    """Ids of the cameras they are sent now."""
    hears: bool = False
    speaks: bool = False
    """Sound comes from them (not: their microphone is muted)."""
    shows: bool = False
    """Their own camera's picture comes in; the panel gets it at `/guest/<peer>`."""
    silenced: bool = False
    """The crew muted them: nobody hears them."""


class Admitted(Message, frozen=True):
    """A person the crew let in, with the role they were let in with."""

    participant: Id
    role: Role
    name: Text


class SoundStatus(Message, frozen=True):
    """Microphone and loudspeaker of the cabin. `none`: not configured."""

    microphone: Literal["none", "starting", "ready", "live", "absent", "failed"] = "none"
    loudspeaker: Literal["none", "starting", "ready", "live", "absent", "failed"] = "none"
    muted: bool = False
    """The crew muted the cabin: nothing of it is sent to anybody."""
    detail: Text = ""
    """What is wrong and what to plug, in English, for the technician."""
    bitrate_bps: int = 0


class Sending(Message, frozen=True):
    """What goes out now and why, best level first. The pages put it into words."""

    level: Literal[
        "nothing", "full", "reduced", "main-only", "few-frames", "stills", "sound-only"
    ] = "nothing"
    """`reduced`: all pictures, with fewer bits than they could use. `main-only`: thumbnails are
    left out. `few-frames`: under about 300 kbit/s. `stills`: a picture every few seconds."""
    reason: Literal["", "capacity", "links-down", "hidden", "viewer", "camera"] = ""
    since_utc: float = 0.0
    total_bps: int = 0
    """What may be sent now, sound included."""


class MediaSession(Message, frozen=True):
    """The video session; published by media, which resumes from its own retained copy.

    `id` names the current session, or while `idle` the next one: the hub's room belongs to it.
    """

    id: Id
    state: Literal["idle", "live"]
    since_utc: float
    instance: Id
    """As in ServiceStatus: remote pages that see a new one connect anew."""
    cameras: tuple[CameraStatus, ...]
    sent: tuple[str, ...]
    """Ids of the cameras remote help gets, main picture first."""
    watchers: tuple[Watcher, ...] = ()
    focus_by: Text = ""
    """Name of the person who chose the main picture; empty: the crew."""
    hidden: bool = False
    """The crew hid the pictures: none leaves the box, sound goes on."""
    admitted: tuple[Admitted, ...] = ()
    refused: tuple[Id, ...] = ()
    """Participants the crew turned away; the hub ends them."""
    silenced: tuple[Id, ...] = ()
    """Participants nobody hears until the crew lets them be heard again."""
    sound: SoundStatus = SoundStatus()
    sending: Sending = Sending()


MEDIA_SESSION = Topic("box/{box}/up/session", MediaSession, retained=True)


class StartVideo(Message, frozen=True):
    """Make the session live. Empty `cameras`: as last time, at first all."""

    cameras: tuple[Id, ...] = ()


class StopVideo(Message, frozen=True):
    """End the session: pictures stop before the answer is sent, all watchers are cut off."""


class SelectCameras(Message, frozen=True):
    """Which cameras remote help gets, main picture first; at least one."""

    cameras: tuple[Id, ...]


class HidePictures(Message, frozen=True):
    """Hide or show all pictures at once. Done when none leaves any more."""

    hidden: bool


class MuteCabin(Message, frozen=True):
    """Stop or start sending the sound of the cabin. Done when none leaves any more."""

    muted: bool


class Admit(Message, frozen=True):
    """The crew lets a waiting person in, with what the role gets (edgebox.roles)."""

    session: Id
    participant: Id
    role: Role
    name: Text


class Refuse(Message, frozen=True):
    """The crew turns a person away, or puts them out again: all that flows stops at once."""

    session: Id
    participant: Id


class GuestMuted(Message, frozen=True):
    """The crew silences one person, for everybody, or lets them be heard again."""

    participant: Id
    muted: bool


HIDE_PICTURES = Request("box/{box}/local/media/hide", HidePictures, Done)
MUTE_CABIN = Request("box/{box}/local/media/mute", MuteCabin, Done)
ADMIT = Request("box/{box}/local/media/admit", Admit, Done)
REFUSE = Request("box/{box}/local/media/refuse", Refuse, Done)
MUTE_GUEST = Request("box/{box}/local/media/mute-guest", GuestMuted, Done)


class StopWish(Message, frozen=True):
    """The crew ended this session, whether media was there to hear it or not.

    Retained: media obeys when it comes back. The session's id keeps it from ending a later one.
    """

    session: Id


STOP_WISH = Topic("box/{box}/local/media/stopped", StopWish, retained=True)
START_VIDEO = Request("box/{box}/local/media/start", StartVideo, Done)
STOP_VIDEO = Request("box/{box}/local/media/stop", StopVideo, Done)
SELECT_CAMERAS = Request("box/{box}/local/media/select", SelectCameras, Done)


class TurnCredentials(Message, frozen=True):
    """Time-limited (draft-uberti-behave-turn-rest): valid until the time in `username`."""

    username: Text
    password: Text


class WatchOffer(Message, frozen=True):
    """A remote page's SDP offer: recvonly video, one section for each picture it can take.

    Besides, as far as the role has the right (edgebox.roles): one audio section, one video section
    in the direction of the cabin, and a data channel (edgebox/media/data_messages.py).
    """

    session: Id
    peer: Id
    """One per page; a second offer of a peer replaces its connection."""
    name: Text
    role: Role
    sdp: Sdp
    turn: TurnCredentials
    """For the box's side of the connection."""
    participant: OptionalId = ""
    """Whom the crew admitted; offers of others are refused by the box."""


class Stream(Message, frozen=True):
    """Which camera a media section of the answer carries."""

    mid: str
    camera: Id
    name: Text


class WatchAnswer(Message, frozen=True):
    """The box's SDP answer; holds all its candidates (relay only)."""

    sdp: Sdp
    streams: tuple[Stream, ...]


class WatchCandidate(Message, frozen=True):
    """A candidate the page found after its offer. Empty `candidate` ends them."""

    peer: Id
    candidate: Annotated[str, Meta(max_length=1000)]
    mid: Annotated[str, Meta(max_length=16)]


class WatchClose(Message, frozen=True):
    """The page has gone, or the hub withdrew its right to watch."""

    peer: Id


WATCH = Request("box/{box}/down/watch/offer", WatchOffer, WatchAnswer)
WATCH_CANDIDATE = Topic("box/{box}/down/watch/candidate", WatchCandidate)
WATCH_CLOSE = Topic("box/{box}/down/watch/close", WatchClose)

# What remote help points at ---------------------------------------------------------------------

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class Pointing(Message, frozen=True):
    """Where somebody points in a camera's picture; not `on`: they stopped."""

    participant: Id
    name: Text
    camera: Id
    on: bool
    x: Fraction = 0.0
    """From the left, of the picture's width."""
    y: Fraction = 0.0
    """From the top, of the picture's height."""


class Stroke(Message, frozen=True):
    """A line somebody draws on a camera's picture; more points of the same `stroke` may follow."""

    participant: Id
    camera: Id
    stroke: Annotated[int, Meta(ge=0, le=2**31)]
    points: Annotated[tuple[tuple[Fraction, Fraction], ...], Meta(max_length=200)]


class Wipe(Message, frozen=True):
    """All lines on this camera's picture are gone."""

    camera: Id


POINTING = Topic("box/{box}/local/pointing", Pointing, qos=0)
STROKE = Topic("box/{box}/local/stroke", Stroke)
WIPE = Topic("box/{box}/local/wipe", Wipe)

# Modems and position ----------------------------------------------------------------------------


class Modem(Message, frozen=True):
    """A modem as ModemManager knows it."""

    interface: Text
    """The network interface; equals `interface` of the bond's link."""
    state: Literal["absent", "locked", "off", "searching", "registered", "connected", "failed"]
    operator: Text = ""
    generation: Literal["", "2G", "3G", "4G", "5G"] = ""
    signal: Annotated[int, Meta(ge=0, le=100)] | None = None
    """Percent; None: not known or too old."""
    detail: Text = ""


class Modems(Message, frozen=True):
    """All modems; empty without ModemManager."""

    modems: tuple[Modem, ...] = ()


MODEMS = Topic("box/{box}/up/modems", Modems, retained=True)


class Position(Message, frozen=True):
    """Where the vehicle is, by gpsd only. None of the values: no fix."""

    at_utc: float
    """Source time: of the fix."""
    received_utc: float
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None
    error_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None


POSITION = Topic("box/{box}/up/position", Position, qos=0)


class SendInvite(Message, frozen=True):
    """Send a link by SMS, through a modem or the configured gateway. The number is not kept."""

    url: Annotated[str, Meta(max_length=500)]
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9]{5,15}\Z")]


SEND_INVITE = Request("box/{box}/local/sms", SendInvite, Done)

# Room -------------------------------------------------------------------------------------------


class Participant(Message, frozen=True):
    """A person in the room, as the hub knows it; `Watcher` is who really gets pictures."""

    id: Id
    name: Text
    role: Role
    state: Literal["present", "away"]
    joined_utc: float
    muted: bool = False
    """They muted their own microphone."""


class Room(Message, frozen=True):
    """The hub's room for a session of this box."""

    session: Id
    participants: tuple[Participant, ...]


ROOM = Topic("box/{box}/down/room", Room, retained=True)


class CreateInvite(Message, frozen=True):
    """The crew asks for a link that one person can use once."""

    session: Id
    role: Role
    name: Text = ""
    """Whom it is for, if the crew said so; that person may still change it."""


class Invite(Message, frozen=True):
    """The link. The hub keeps only its hash, so it cannot be asked for again."""

    url: Annotated[str, Meta(max_length=500)]
    role: Role
    expires_utc: float


CREATE_INVITE = Request("box/{box}/up/invite", CreateInvite, Invite)

# Vitals -----------------------------------------------------------------------------------------

VITALS_CONTENT_MAX_BYTES = 160_000
"""Of one batch; base64 and JSON around it stay below what the brokers take."""
VitalsKind = Literal["numerics", "waves"]
"""`numerics` are values, alarm texts and incidents: first sent, last dropped."""
VitalsNumber = Annotated[int, Meta(ge=1, le=2**53)]
VitalsContent = Annotated[bytes, Meta(max_length=VITALS_CONTENT_MAX_BYTES)]
"""`edgebox.observation.pack`."""


class VitalsBatch(Message, frozen=True):
    """One numbered batch on its way to the hub, which stores it once and in order.

    A stream begins with each start of the vitals service and its numbers with 1, so that neither a
    new image nor an old one put back ever gives a number twice.
    """

    stream: Id
    kind: VitalsKind
    opened_utc: float
    """When the stream began, by the box's clock."""
    seq: VitalsNumber
    first: VitalsNumber
    """The lowest the box still has: below it nothing more will come."""
    at_utc: float
    """When it was stored on the box."""
    content: VitalsContent


class VitalsAck(Message, frozen=True):
    """The hub has stored this stream up to `through`, durably. Nothing yet: 0."""

    stream: Id
    through: Annotated[int, Meta(ge=0, le=2**53)]
    missing: bool = False
    """Something later came before `through` + 1: send again from there."""


class ResumeVitals(Message, frozen=True):
    """The box asks how far the hub is: at start, and whenever acknowledgements stay away."""

    streams: Annotated[tuple[Id, ...], Meta(max_length=64)]


class VitalsPlaces(Message, frozen=True):
    """One for each stream asked for."""

    places: tuple[VitalsAck, ...]


VITALS_BATCH = Topic("box/{box}/up/vitals/batch", VitalsBatch)
VITALS_ACK = Topic("box/{box}/down/vitals/ack", VitalsAck)
RESUME_VITALS = Request("box/{box}/up/vitals/resume", ResumeVitals, VitalsPlaces)


class MonitorStatus(Message, frozen=True):
    """One configured monitor, whether it is there or not."""

    id: Id
    name: Text
    kind: Text
    state: Literal["waiting", "connected", "silent", "gone", "wrong-speed", "two-on-one-line"]
    """`waiting`: never seen since the service started. `silent`: the line is there, nothing comes.
    `gone`: unplugged, closed or ended by the monitor. `wrong-speed`: bytes come, none of them are
    readable. `two-on-one-line`: frames of two monitors are mixed."""
    since_utc: float
    stale_after_s: float
    """A value older than this by `received_utc` is stale, unless it is episodic."""
    device: Text = ""
    """Maker and model, as the monitor says."""
    received_utc: float = 0.0
    """Last time something readable came; 0: never."""
    clock_ahead_s: float | None = None
    """How far the monitor's clock is ahead of the box's, transport included; None: it says no
    time. Shown, never corrected."""
    demo: bool = False
    """Its last values were of a demonstration, not of a patient."""
    damaged: int = 0
    """Frames that were not readable, since the service started."""
    detail: Text = ""
    """In English, for the technician."""


class VitalsStoreStatus(Message, frozen=True):
    """What the box keeps until the hub has it."""

    waiting_numerics: int = 0
    """Batches."""
    waiting_waves: int = 0
    oldest_utc: float | None = None
    """Of those waiting."""
    used_bytes: int = 0
    limit_bytes: int = 0
    dropped_waves: int = 0
    """Batches that were lost since the service started because there was no room."""
    dropped_numerics: int = 0
    """As before; only when no waves were left to drop."""
    failed: Text = ""
    """Why nothing can be stored, and so nothing is shown; empty: it works."""


class VitalsStatus(Message, frozen=True):
    """Each second, and at once when a monitor's state changes."""

    at_utc: float
    monitors: tuple[MonitorStatus, ...] = ()
    store: VitalsStoreStatus = VitalsStoreStatus()


class VitalsNow(Message, frozen=True):
    """The last value of everything, each with its own times: for the panel's tile."""

    at_utc: float
    numerics: tuple[Numeric, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    """The monitor's own texts, newest first, those it has not ended."""


class VitalsLive(Message, frozen=True):
    """What was stored just now, for those who see it live."""

    content: VitalsContent


VITALS_STATUS = Topic("box/{box}/up/vitals/status", VitalsStatus, retained=True)
VITALS_NOW = Topic("box/{box}/local/vitals/now", VitalsNow, retained=True, qos=0)
VITALS_LIVE = Topic("box/{box}/local/vitals/live", VitalsLive, qos=0)
