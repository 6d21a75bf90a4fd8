"""Headsets: the code that lets one of the pool in, the tap that does, and "wrong car".

The code is in the answer to the page that shows it, and nowhere else; it changes every 30 s and
works once.
"""

from flask import Blueprint, Response, jsonify
from msgspec import Struct

from edgebox.messages.base import Fault
from edgebox.messages.pairing import DeviceId, Digits
from edgebox.panel.calls import Nothing
from edgebox.panel.context import panel, read_body, say_answer, words
from edgebox.panel.qr import qr_path
from edgebox.panel.words import say_fault

blueprint = Blueprint("headset", __name__)


class Allow(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /headset/allow: the device with the digits the crew was shown."""

    device: DeviceId
    digits: Digits


class End(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /headset/end."""

    device: DeviceId


@blueprint.post("/headset/code")
def code() -> Response:
    """The code of now as SVG path data, and for how long it is shown."""
    read_body(Nothing)
    answer = panel().actions.headset_code()
    if isinstance(answer, Fault):
        return jsonify(text=say_fault(answer, "headset", words()))
    path, side = qr_path(answer.text)
    return jsonify(text="", path=path, side=side, seconds=answer.seconds_left)


@blueprint.post("/headset/allow")
def allow() -> Response:
    """Let it in."""
    wanted = read_body(Allow)
    return say_answer(panel().actions.allow_headset(wanted.device, wanted.digits), "headset-allow")


@blueprint.post("/headset/end")
def end() -> Response:
    """Not ours."""
    return say_answer(panel().actions.end_headset(read_body(End).device), "headset")
