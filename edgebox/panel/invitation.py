"""Invite one person by link and QR code.

The link is a secret: it is in the answer to the page that asked, nowhere else. It is not kept here,
not logged, and not part of the status.
"""

from flask import Blueprint, Response, jsonify
from msgspec import Struct

from edgebox.messages import Fault, Role
from edgebox.panel.context import panel, read_body, words
from edgebox.panel.qr import qr_path
from edgebox.panel.view import invite_id
from edgebox.panel.words import INVITE_ROLES, say_fault

blueprint = Blueprint("invitation", __name__)


class AskInvite(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /invite."""

    role: Role


@blueprint.post("/invite")
def invite() -> Response:
    """A new link with its QR code as SVG path data in a view box of `side`."""
    role = read_body(AskInvite).role
    answer = panel().actions.invite(role) if role in INVITE_ROLES else Fault(reason="refused")
    if isinstance(answer, Fault):
        return jsonify(text=say_fault(answer, "invite", words()))
    path, side = qr_path(answer.url)
    return jsonify(
        text="",
        id=invite_id(answer.url),
        url=answer.url,
        expires=answer.expires_utc,
        path=path,
        side=side,
    )
