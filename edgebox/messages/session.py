"""The video session, what the crew asks of it, and how remote pages watch it."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Id, Message, OptionalId, Request, Role, Sdp, Text, Topic


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
    slow: bool = False
    """Their own connection takes far less than the others': single pictures for them alone."""


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


class HideWish(Message, frozen=True):
    """As StopWish: whether the crew wants the pictures of this session hidden."""

    session: Id
    hidden: bool


class MuteWish(Message, frozen=True):
    """As StopWish: whether the crew wants the cabin of this session muted."""

    session: Id
    muted: bool


class RefuseWish(Message, frozen=True):
    """As StopWish: everybody the crew turned away and has not let in again since."""

    session: Id
    participants: Annotated[tuple[Id, ...], Meta(max_length=64)]


STOP_WISH = Topic("box/{box}/local/media/stopped", StopWish, retained=True)
HIDE_WISH = Topic("box/{box}/local/media/hidden", HideWish, retained=True)
MUTE_WISH = Topic("box/{box}/local/media/muted", MuteWish, retained=True)
REFUSE_WISH = Topic("box/{box}/local/media/refused", RefuseWish, retained=True)
START_VIDEO = Request("box/{box}/local/media/start", StartVideo, Done)
STOP_VIDEO = Request("box/{box}/local/media/stop", StopVideo, Done)
SELECT_CAMERAS = Request("box/{box}/local/media/select", SelectCameras, Done)


class Echo(Message, frozen=True):
    """From media to itself, after it asked for what the broker retains.

    A broker sends what it retains before what is published later: once this is back, nothing more
    comes of an earlier process.
    """

    instance: Id


MEDIA_ECHO = Topic("box/{box}/local/media/echo", Echo)


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
