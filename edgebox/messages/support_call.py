"""A call between crew and technician: one asks, the other answers, inside the technician's session.

The technician is heard in the cabin. The cabin's microphone goes to them only while the crew holds
a button: media opens it on the panel's word alone, on the local bus, and closes it by itself.
"""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Id, Message, OptionalId, Request, Sdp, Topic
from edgebox.messages.session import TurnCredentials

CallState = Literal["off", "asked", "calling", "open"]
"""`asked`: the technician would like to talk; `calling`: the crew would; `open`: both said yes."""
CallEnd = Literal["", "crew", "technician", "session", "unanswered", "lost", "video", "audit"]


class AskCall(Message, frozen=True, tag="call-ask"):
    """The technician would like to talk, or answers the crew."""


class OpenCall(Message, frozen=True, tag="call"):
    """Connect what both said yes to; a later one replaces the connection."""

    sdp: Sdp
    """One audio section and all its candidates; what else is in it is rejected."""
    turn: TurnCredentials
    """For the box's side."""


class EndCall(Message, frozen=True, tag="call-end"):
    """The technician hangs up, or does not want to be called."""


class CallOpened(Message, frozen=True, tag="call-opened"):
    """The box's answer; holds all its candidates (relay only)."""

    sdp: Sdp


# The crew, by the panel


class TakeCall(Message, frozen=True):
    """The crew answers the technician, or calls them."""

    id: Id
    """Of the session."""


class HangUp(Message, frozen=True):
    """No call, whether asked for or open; the session goes on."""


TAKE_CALL = Request("box/{box}/local/support/call/take", TakeCall, Done)
HANG_UP = Request("box/{box}/local/support/call/end", HangUp, Done)


Press = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
"""A new name each time the button is pressed."""


class Talk(Message, frozen=True):
    """The crew holds the button, said again and again meanwhile, or has let go of it."""

    session: Id
    press: Press
    held: bool


TALK = Topic("box/{box}/local/media/call/talk", Talk)

# Support and media


class CallOffer(Message, frozen=True):
    """The technician's offer, after support has checked whose it is."""

    session: Id
    sdp: Sdp
    turn: TurnCredentials


CALL_OFFER = Request("box/{box}/local/media/call/offer", CallOffer, CallOpened)


class CallStatus(Message, frozen=True):
    """What really flows between technician and cabin; said by media."""

    session: OptionalId = ""
    """Of the technician; empty: there is no connection."""
    state: Literal["none", "connecting", "connected", "lost"] = "none"
    microphone: bool = False
    """The technician is sent what the cabin's microphone hears."""
    voice: bool = False
    """Sound that is not silence comes from the technician."""
    can_hear: bool = False
    """The cabin's loudspeaker works."""
    can_speak: bool = False
    """Its microphone does."""


CALL_STATUS = Topic("box/{box}/local/media/call", CallStatus, retained=True)
