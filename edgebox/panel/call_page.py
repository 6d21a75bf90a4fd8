"""The call with the technician: taken, ended, and the button that is held to talk.

While the button is held the page says so again and again; media, not this page, opens and closes
the microphone (edgebox/media/talk.py).
"""

from flask import Blueprint, Response
from msgspec import Struct

from edgebox.messages.base import Id
from edgebox.messages.support_call import Press, Talk
from edgebox.panel.calls import Nothing
from edgebox.panel.context import panel, read_body, say_answer

blueprint = Blueprint("call", __name__)


class Take(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /support/call/take: in which session."""

    id: Id


class Hold(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /support/talk: held again, or let go of."""

    id: Id
    press: Press
    held: bool


@blueprint.post("/support/call/take")
def take() -> Response:
    """Answer the technician, or call them."""
    return say_answer(panel().actions.take_call(read_body(Take).id), "support-call")


@blueprint.post("/support/call/end")
def end() -> Response:
    """No call, whether asked for or open."""
    read_body(Nothing)
    return say_answer(panel().actions.hang_up(), "support-call-end")


@blueprint.post("/support/talk")
def talk() -> Response:
    """The button is held, or was let go of."""
    hold = read_body(Hold)
    said = Talk(session=hold.id, press=hold.press, held=hold.held)
    return say_answer(panel().actions.talk(said), "support-talk")
