"""Invite one person: the link as QR code, as text, or by SMS.

The link is a secret: it is in the answer to the page that asked, and it is not logged and not part
of the status. A telephone number is in the request that sends the link to it, and nowhere else.
"""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from msgspec import Meta, Struct

from edgebox.messages.base import Fault, Role
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


class SendSms(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /sms: which invitation, as `invite_id` names it, and to whom."""

    id: Annotated[str, Meta(max_length=64)]
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9]{5,15}\Z")]


@blueprint.post("/sms")
def send() -> Response:
    """Send the link that was made last."""
    wanted = read_body(SendSms)
    answer = panel().actions.send_invite(wanted.id, wanted.phone)
    return jsonify(text=say_fault(answer, "sms", words()) if isinstance(answer, Fault) else "")
