"""Technical help: the crew asks for it, lets somebody in, ends it.

The link is a secret: it is in the answer to the page that asked, and nowhere else.
"""

from typing import Literal

from flask import Blueprint, Response, jsonify
from msgspec import Struct

from edgebox.messages.base import Fault, Id
from edgebox.messages.support import Serial
from edgebox.panel.calls import Nothing
from edgebox.panel.context import panel, read_body, say_answer, words
from edgebox.panel.qr import qr_path
from edgebox.panel.words import say_fault

blueprint = Blueprint("support", __name__)

Reply = Literal["yes", "no", "wait", "call"]
"""What a gloved hand can write to the technician."""


class Admit(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /support/admit: who, as the page showed them."""

    id: Id
    serial: Serial


class Allow(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /support/shell/allow: in which session."""

    id: Id


class AllowStill(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /support/still/allow: who and which camera, as the page showed them."""

    id: Id
    serial: Serial
    camera: Id


class Say(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /support/say."""

    reply: Reply


@blueprint.post("/support/ask")
def ask() -> Response:
    """Get technical help: the link with its QR code."""
    read_body(Nothing)
    answer = panel().actions.ask_help()
    if isinstance(answer, Fault):
        return jsonify(text=say_fault(answer, "support", words()))
    path, side = qr_path(answer.url) if answer.url else ("", 0)
    return jsonify(text="", id=answer.id, url=answer.url, path=path, side=side)


@blueprint.post("/support/admit")
def admit() -> Response:
    """Let the technician in who waits."""
    wanted = read_body(Admit)
    return say_answer(panel().actions.admit_technician(wanted.id, wanted.serial), "support-admit")


@blueprint.post("/support/end")
def end() -> Response:
    """Whoever is in is out; whoever waits is turned away."""
    read_body(Nothing)
    return say_answer(panel().actions.end_help(), "support-end")


@blueprint.post("/support/shell/allow")
def allow_shell() -> Response:
    """The technician may have a command line, as the page showed their wish."""
    wanted = read_body(Allow)
    return say_answer(panel().actions.allow_command_line(wanted.id), "support-shell")


@blueprint.post("/support/shell/end")
def end_shell() -> Response:
    """No command line, whether asked for, allowed or open."""
    read_body(Nothing)
    return say_answer(panel().actions.end_command_line(), "support-shell-end")


@blueprint.post("/support/still/allow")
def allow_still() -> Response:
    """The technician may have one still of one camera, as the page showed their wish."""
    wanted = read_body(AllowStill)
    answer = panel().actions.allow_still(wanted.id, wanted.serial, wanted.camera)
    return say_answer(answer, "support-still")


@blueprint.post("/support/still/refuse")
def refuse_still() -> Response:
    """None is asked for or allowed."""
    read_body(Nothing)
    return say_answer(panel().actions.refuse_still(), "support-still-refuse")


@blueprint.post("/support/say")
def say() -> Response:
    """One of a few short replies."""
    reply = words().say(f"support.reply.{read_body(Say).reply}")
    return say_answer(panel().actions.say_to_technician(reply), "support-say")
