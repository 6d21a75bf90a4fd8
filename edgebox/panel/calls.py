"""Start, stop, what is sent, and to whom. Each answers when the box has done it."""

from flask import Blueprint, Response
from msgspec import Struct

from edgebox.messages.base import Id, Role
from edgebox.panel.context import panel, read_body, say_answer
from edgebox.panel.state import Operation

blueprint = Blueprint("calls", __name__)


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request that needs no more words."""


class ChangeCamera(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /cameras."""

    camera: Id
    operation: Operation


class Hide(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /hide."""

    hidden: bool


class Mute(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /mute."""

    muted: bool


class AdmitGuest(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /admit: who, and as what the page showed them."""

    participant: Id
    role: Role


class RefuseGuest(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /refuse."""

    participant: Id


class MuteGuest(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /mute-guest."""

    participant: Id
    muted: bool


@blueprint.post("/start")
def start() -> Response:
    """Send the chosen cameras."""
    read_body(Nothing)
    return say_answer(panel().actions.start(), "start")


@blueprint.post("/stop")
def stop() -> Response:
    """End the session. The page asks only after a held button."""
    read_body(Nothing)
    return say_answer(panel().actions.stop(), "stop")


@blueprint.post("/cameras")
def change_camera() -> Response:
    """Send one camera, hide it, or make it the main picture."""
    wanted = read_body(ChangeCamera)
    return say_answer(panel().actions.change_camera(wanted.camera, wanted.operation), "camera")


@blueprint.post("/hide")
def hide() -> Response:
    """No picture leaves the box while hidden; sound goes on."""
    return say_answer(panel().actions.hide(read_body(Hide).hidden), "hide")


@blueprint.post("/mute")
def mute() -> Response:
    """Nothing of the cabin is heard outside while muted."""
    return say_answer(panel().actions.mute(read_body(Mute).muted), "mute")


@blueprint.post("/admit")
def admit() -> Response:
    """Let somebody in who waits."""
    wanted = read_body(AdmitGuest)
    return say_answer(panel().actions.admit(wanted.participant, wanted.role), "admit")


@blueprint.post("/refuse")
def refuse() -> Response:
    """Turn somebody away who waits, or put somebody out."""
    return say_answer(panel().actions.refuse(read_body(RefuseGuest).participant), "refuse")


@blueprint.post("/mute-guest")
def mute_guest() -> Response:
    """Silence one person in the cabin, or let them be heard again."""
    wanted = read_body(MuteGuest)
    return say_answer(panel().actions.mute_guest(wanted.participant, wanted.muted), "mute-guest")
