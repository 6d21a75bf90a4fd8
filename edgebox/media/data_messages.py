"""What remote page and box say to each other on the data channel: JSON, class name in `type`.

The page opens the channel, label `edgebox`, ordered and reliable, in the same connection as the
pictures; DTLS takes it from end to end, so the hub reads none of it. Pointing goes over a second
one, label `pointing`, unordered and without retransmission. A text message holds at most
MESSAGE_MAX_BYTES (Values: what the board holds, some 100 kB at most); a still's bytes follow its
StillStart as binary messages of at most CHUNK_BYTES, and a page's own picture its Show.

The box answers only what the person's role may do (edgebox.roles): the rest is Denied.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edgebox.errors import RemoteProtocolError
from edgebox.messages.base import Id
from edgebox.messages.marks import Fraction
from edgebox.messages.vitals import MonitorStatus
from edgebox.observation import Alarm, Numeric

LABEL = "edgebox"
POINTING_LABEL = "pointing"
VITALS_LABEL = "vitals"
"""Channel of waves: unordered, without retransmission. A late wave is of no use; a gap is shown."""
MESSAGE_MAX_BYTES = 8192
CHUNK_BYTES = 1024
"""One chunk is one datagram on the way: SCTP need not put pieces together."""
STILL_MAX_BYTES = 8 * 1024 * 1024
SHOWN_MAX_BYTES = 300_000
"""A picture that a page sends to who wears a camera; pages make them of a third of that."""

Speed = Annotated[float, Meta(ge=-1.0, le=1.0)]


class _Message(Struct, frozen=True, tag=True, kw_only=True):
    """Base of all; unknown fields are ignored."""


# Page to box


class Focus(_Message, frozen=True):
    """Make this camera the main picture."""

    camera: Id


class Point(_Message, frozen=True):
    """Where the person points; fractions of the whole sensor picture, from its top left."""

    camera: Id
    on: bool
    x: Fraction = 0.0
    y: Fraction = 0.0


class Draw(_Message, frozen=True):
    """More points of a line; `stroke` is new for each line."""

    camera: Id
    stroke: Annotated[int, Meta(ge=0, le=2**31)]
    points: Annotated[tuple[tuple[Fraction, Fraction], ...], Meta(max_length=200)]


class Erase(_Message, frozen=True):
    """Wipe all lines of this camera's picture."""

    camera: Id


class TakeStill(_Message, frozen=True):
    """A picture in the camera's full resolution; `id` is the page's own."""

    id: Annotated[int, Meta(ge=0, le=2**31)]
    camera: Id


class Zoom(_Message, frozen=True):
    """Show this part of the sensor's picture, cut out before encoding. All of it: 0, 0, 1."""

    camera: Id
    x: Fraction
    """Left edge, of the whole width."""
    y: Fraction
    """Top edge, of the whole height."""
    size: Annotated[float, Meta(ge=0.1, le=1.0)]
    """Of the whole width and height."""


class Move(_Message, frozen=True):
    """Turn or zoom a camera that can (ONVIF PTZ), at a speed, until the next Move or 1 s."""

    camera: Id
    pan: Speed = 0.0
    tilt: Speed = 0.0
    zoom: Speed = 0.0


class Write(_Message, frozen=True):
    """A line for whoever wears or holds this camera: a headset, a phone."""

    camera: Id
    text: Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class Show(_Message, frozen=True):
    """A picture for whoever wears or holds this camera: `bytes` of JPEG follow as binary messages.

    One at a time for each page; a new one ends what has come of the last.
    """

    camera: Id
    bytes: Annotated[int, Meta(ge=1, le=SHOWN_MAX_BYTES)]


FromPage = Focus | Point | Draw | Erase | TakeStill | Zoom | Move | Write | Show


@dataclass(frozen=True, slots=True)
class Picture:
    """What followed a Show, whole and checked."""

    camera: str
    jpeg: bytes


# Box to page


class Pointed(_Message, frozen=True):
    """Where another person points."""

    name: str
    participant: str
    camera: str
    on: bool
    x: float = 0.0
    y: float = 0.0


class Drawn(_Message, frozen=True):
    """A line somebody drew, oneself included: everybody sees the same."""

    participant: str
    camera: str
    stroke: int
    points: tuple[tuple[float, float], ...]


class Erased(_Message, frozen=True):
    """All lines of this camera's picture are gone."""

    camera: str


class View(_Message, frozen=True):
    """Which part of a camera's sensor picture is sent from now on, and whether it can Move."""

    camera: str
    x: float
    y: float
    size: float
    movable: bool


class StillStart(_Message, frozen=True):
    """`bytes` of this JPEG follow as binary messages. One still at a time for each page."""

    id: int
    camera: str
    at_utc: float
    width: int
    height: int
    bytes: int


class Denied(_Message, frozen=True):
    """What was asked is not done."""

    what: str
    """Class name of the message."""
    reason: Literal["not-allowed", "not-found", "busy", "failed"]
    id: int = 0
    """Of a TakeStill."""


class Monitors(_Message, frozen=True):
    """The vehicle's patient monitors and whether they are there; only for roles with `vitals`."""

    at_utc: float
    """Box clock when this was sent."""
    monitors: tuple[MonitorStatus, ...]


class Values(_Message, frozen=True):
    """Values as the board has them, each with its times and validity. Age = `at_utc` - received.

    Each is an array: "Numeric", code, name, unit, value, validity, LOINC, label, channel, episodic,
    device, received, source time; or "Alarm", text, priority, state, id, origin, device, received,
    source time.
    """

    at_utc: float
    """Box clock when this was sent."""
    numerics: tuple[Numeric, ...]
    alarms: tuple[Alarm, ...] = ()


class WaveBlock(_Message, frozen=True):
    """Samples on the channel VITALS_LABEL. Value = raw * scale + offset; None is a gap."""

    device: str
    name: str
    label: str
    unit: str
    validity: str
    rate_hz: float
    scale: float
    offset: float
    first: int
    """Number of the first sample: a jump is what was lost on the way, or by the monitor."""
    at_utc: float
    """Box clock at the last sample, as it was received: the clock of the pictures."""
    samples: tuple[int | None, ...]
    channel: str = ""
    """Tells waves of the same name apart."""


class Moment(_Message, frozen=True):
    """When a picture was taken, on the channel VITALS_LABEL: waves shall stand beside it.

    The page knows the RTP timestamps of the pictures it shows.
    """

    camera: str
    rtp: int
    """RTP timestamp of a picture of this camera in this connection: 90 kHz, modulo 2**32."""
    at_utc: float
    """Box clock when that picture was taken."""


ToPage = (
    Pointed | Drawn | Erased | View | StillStart | Denied | Monitors | Values | WaveBlock | Moment
)

_decoder: msgspec.json.Decoder[FromPage] = msgspec.json.Decoder(FromPage)


def decode(data: str | bytes) -> FromPage:
    """Raises RemoteProtocolError for anything that is not one of the page's messages."""
    if len(data) > MESSAGE_MAX_BYTES:
        raise RemoteProtocolError("a data message is too long")
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"not a message of a remote page: {error}") from error


def encode(message: ToPage) -> str:
    """JSON text."""
    return msgspec.json.encode(message).decode()
