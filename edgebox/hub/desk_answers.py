"""The shapes of what the desk's pages ask and get."""

from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from edgebox.hub.desk_board import BoxEntry
from edgebox.messages.support import Deed, Token

B = TypeVar("B")


class JoinBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /desk/join/{box}."""

    token: Token


class OrderBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /desk/box/{box}/order."""

    deed: Deed


def shown(box: BoxEntry) -> dict[str, object]:
    """What a page is told of a box."""
    session = box.session
    return {
        "id": box.id,
        "vehicle": box.vehicle or box.id,
        "reachable": box.reachable,
        "bridge": box.bridge,
        "still": session.still,
        "stillCamera": session.still_camera,
        "direct": box.is_direct,
        "over": box.way.over,
        "clock": box.way.clock,
        "support": box.support,
        "doubled": box.doubled,
        "state": session.state,
        "askedBy": session.asked_by,
        "technician": session.technician,
        "serial": session.serial,
        "left": session.left_s,
        "ended": session.ended,
        "commandLine": session.command_line,
        "call": session.call,
        "callEnded": session.call_ended,
        "callMicrophone": session.call_microphone,
        "version": box.software.version if box.software is not None else "",
        "update": box.software.state if box.software is not None else "",
        "nextVersion": box.software.next_version if box.software is not None else "",
    }


def event(name: str, data: object) -> bytes:
    """One of the server-sent events of the HTML standard."""
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


def as_json(data: object, status: int = 200) -> web.Response:
    """An answer."""
    return web.Response(
        body=msgspec.json.encode(data), status=status, content_type="application/json"
    )


async def read_body(request: web.Request, kind: type[B]) -> B:
    """The body as `kind`; anything else is a 400."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise web.HTTPBadRequest from None
