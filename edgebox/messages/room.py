"""Who is in the room, and how one is invited."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Id, Message, Request, Role, Text, Topic


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
