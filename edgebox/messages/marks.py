"""What remote help points at."""

from typing import Annotated

from msgspec import Meta

from edgebox.messages.base import Id, Message, Text, Topic

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


class Note(Message, frozen=True):
    """A line that somebody wrote to whoever wears or holds this camera. In no log."""

    participant: Id
    name: Text
    camera: Id
    text: Text


PART_BYTES = 9_000
"""Of a picture; as a line of text it is below what a headset's page is handed at once."""


class PicturePart(Message, frozen=True):
    """A piece of a JPEG that somebody sent to whoever wears or holds this camera. In no log."""

    participant: Id
    name: Text
    camera: Id
    picture: Annotated[int, Meta(ge=0)]
    """Tells pictures apart; rises while media runs."""
    part: Annotated[int, Meta(ge=0, le=99)]
    parts: Annotated[int, Meta(ge=1, le=100)]
    data: Annotated[bytes, Meta(max_length=PART_BYTES)]


POINTING = Topic("box/{box}/local/pointing", Pointing, qos=0)
STROKE = Topic("box/{box}/local/stroke", Stroke)
WIPE = Topic("box/{box}/local/wipe", Wipe)
NOTE = Topic("box/{box}/local/note", Note)
PICTURE = Topic("box/{box}/local/picture", PicturePart)
