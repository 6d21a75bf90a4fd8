"""Start, stop and which cameras are sent. Each answers when the box has done it."""

from flask import Blueprint, Response, jsonify
from msgspec import Struct

from edgebox.messages import Done, Fault, Id
from edgebox.panel.context import panel, read_body, words
from edgebox.panel.state import Operation
from edgebox.panel.words import say_fault

blueprint = Blueprint("calls", __name__)


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request that needs no more words."""


class ChangeCamera(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /cameras."""

    camera: Id
    operation: Operation


@blueprint.post("/start")
def start() -> Response:
    """Send the chosen cameras."""
    read_body(Nothing)
    return _answer(panel().actions.start(), "start")


@blueprint.post("/stop")
def stop() -> Response:
    """End the session. The page asks only after a held button."""
    read_body(Nothing)
    return _answer(panel().actions.stop(), "stop")


@blueprint.post("/cameras")
def change_camera() -> Response:
    """Send one camera, hide it, or make it the main picture."""
    wanted = read_body(ChangeCamera)
    return _answer(panel().actions.change_camera(wanted.camera, wanted.operation), "camera")


def _answer(answer: Done | Fault, what: str) -> Response:
    """`text` is empty when it was done."""
    return jsonify(text=say_fault(answer, what, words()) if isinstance(answer, Fault) else "")
