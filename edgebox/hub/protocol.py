"""What remote page and hub say to each other: JSON on one WebSocket, class name in `type`.

The page connects to `/room/<room>/ws?page=<16 hex digits>`, a name it makes up at each load. It is
sent a State at once and at each change, and IceServers before the credentials expire.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edgebox.errors import RemoteProtocolError
from edgebox.messages.base import Role, Sdp
from edgebox.messages.session import CameraStatus, Sending, Stream

MESSAGE_MAX_BYTES = 128 * 1024
End = Literal["ended", "left", "expired", "refused", "removed", "elsewhere"]


class _Message(Struct, frozen=True, tag=True, kw_only=True):
    """Base of all; unknown fields are ignored."""


# Page to hub


class Offer(_Message, frozen=True):
    """Relayed to the box; a later one replaces the connection of the one before."""

    id: Annotated[int, Meta(ge=0, le=2**31)]
    sdp: Sdp


class Candidate(_Message, frozen=True):
    """Found after the offer went out. An empty `candidate` ends them."""

    offer: Annotated[int, Meta(ge=0, le=2**31)]
    candidate: Annotated[str, Meta(max_length=1000)]
    mid: Annotated[str, Meta(max_length=16)]


class Muted(_Message, frozen=True):
    """The person muted their microphone, or switched it on. A page starts muted."""

    muted: bool


class Leave(_Message, frozen=True):
    """The person leaves for good: the cookie is void after this."""


class Ping(_Message, frozen=True):
    """A page cannot see WebSocket pings; by the Pong it knows that the connection lives."""


FromPage = Offer | Candidate | Muted | Leave | Ping

# Hub to page


class Gets(_Message, frozen=True):
    """What the role gets and gives (edgebox.roles), so that the page shows no more than that."""

    sees: bool
    hears: bool
    speaks: bool
    shows: bool
    guides: bool
    vitals: bool
    position: bool


class You(_Message, frozen=True):
    """Whom the page belongs to."""

    id: str
    name: str
    role: Role
    admitted: bool
    """False: the crew has not let them in yet; nothing else is told, offers are refused."""
    gets: Gets
    """Of the role, admitted or not."""


class Presence(_Message, frozen=True):
    """One person; what flows is what the box itself says."""

    id: str
    name: str
    role: Role
    state: Literal["present", "away"]
    admitted: bool
    muted: bool
    """By themselves."""
    silenced: bool
    """By the crew."""
    sees: bool
    hears: bool
    speaks: bool
    shows: bool


class Cabin(_Message, frozen=True):
    """Sound in the ambulance, for those who hear or speak."""

    microphone: bool
    """Something of the cabin can be heard."""
    loudspeaker: bool
    muted: bool
    """By the crew."""


class Where(_Message, frozen=True):
    """Where the vehicle is, for roles with that right. No coordinates: no fix."""

    at_utc: float
    """Of the fix."""
    received_utc: float
    latitude_deg: float | None
    longitude_deg: float | None
    error_m: float | None
    speed_mps: float | None
    track_deg: float | None


class State(_Message, frozen=True):
    """Everything the page shows, anew at each change."""

    now_utc: float
    vehicle: str
    reachable: bool
    """Whether the box has a connection to the hub."""
    reachable_since_utc: float
    media: Literal["unknown", "starting", "running", "degraded", "stopped"]
    session: Literal["unknown", "idle", "live"]
    instance: str
    """A changed one means that media was restarted and that a new offer is due."""
    cameras: tuple[CameraStatus, ...]
    """Those that are sent and that this person may see, main picture first."""
    camera_count: int
    """How many they may see, so that an offer can be made before it is known what will be sent."""
    focus_by: str
    """Who chose the main picture; empty: the crew."""
    hidden: bool
    """The crew hid the pictures; sound goes on."""
    sending: Sending
    """To this person: the others may get more."""
    slow: bool
    """This person's own connection is why they get less than the others."""
    cabin: Cabin | None
    where: Where | None
    people: tuple[Presence, ...]
    you: You


class IceServer(_Message, frozen=True):
    """An RTCIceServer."""

    urls: tuple[str, ...]
    username: str
    credential: str


class IceServers(_Message, frozen=True):
    """For connections that are made from now on."""

    servers: tuple[IceServer, ...]


class Answer(_Message, frozen=True):
    """The box's answer to the offer of this id."""

    offer: int
    sdp: str
    streams: tuple[Stream, ...]


class Refused(_Message, frozen=True):
    """No answer to the offer of this id. `not-allowed`: not this person, or not yet."""

    offer: int
    reason: str


class Pong(_Message, frozen=True):
    """The answer to Ping."""


class Ended(_Message, frozen=True):
    """The last message.

    `ended`: the session is over. `refused`: the crew did not let them in; `removed`: put them out
    again. `elsewhere`: a newer page of the same person took over; only this one ends.
    """

    reason: End


ToPage = State | IceServers | Answer | Refused | Pong | Ended

_decoder: msgspec.json.Decoder[FromPage] = msgspec.json.Decoder(FromPage)


def decode(data: str | bytes) -> FromPage:
    """Raises RemoteProtocolError for anything that is not one of the page's messages."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"not a message of a remote page: {error}") from error


def encode(message: ToPage) -> str:
    """JSON text."""
    return msgspec.json.encode(message).decode()
