"""A device outside its vehicle says to the hub what it would say to the box: handed on, no more.

Who may reach it: everybody on the Internet, like the rest of the hub's web side. The hub says which
box a device belongs to only by asking that box, which decides and proves itself; what is not of an
enrolled device goes nowhere. So many requests a second from one address, and so many to one box
from all who have not been heard before: strangers cannot use up its links.
"""

import time

import msgspec
from aiohttp import web

from edgebox.bus import Bus
from edgebox.errors import RemoteProtocolError
from edgebox.hub.address import client_key
from edgebox.hub.fleet import Fleet
from edgebox.hub.limit import Limiter
from edgebox.hub.passes import Passes
from edgebox.messages.base import Fault
from edgebox.messages.pairing import OUTSIDE_PAIR, Enrol, OutsidePair, OutsidePaired
from edgebox.pairing import keys, wire
from edgebox.pairing.wire import Beat, End, Hello, Prove

RATE_HZ, BURST = 4.0, 40.0
BOX_HZ, BOX_BURST = 6.0, 40.0
"""To one box, of all devices that no box has let in; a handshake is two."""
ANSWER_S = 3.5
STEPS = ("hello", "prove", "heartbeat", "end")


class _Given(msgspec.Struct, frozen=True):
    """What of a box's answer (pairing.wire) concerns the hub; a hello's has neither."""

    state: str = ""
    bearer: str = ""


def add_routes(app: web.Application, bus: Bus, fleet: Fleet, passes: Passes) -> None:
    """POST /pair/<step>."""
    limits = Limiter(RATE_HZ, BURST)
    boxes = Limiter(BOX_HZ, BOX_BURST)

    async def answer(request: web.Request) -> web.StreamResponse:
        client = client_key(request.remote or "", request.headers.get("X-Forwarded-For", ""))
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise web.HTTPForbidden
        if not limits.take(client, time.monotonic()):
            return _reply(429, "")
        step, body = request.match_info["step"], await request.read()
        try:
            box, bearer = _box_of(fleet, step, body)
        except RemoteProtocolError:
            return _reply(400, "")
        if box not in fleet.vehicles:
            return _reply(403, '{"state":"refused","reason":"unknown","retry_s":60}')
        is_known = bool(bearer) and passes.box_of(bearer, time.monotonic()) == box
        if not is_known and not boxes.take(box, time.monotonic()):
            return _reply(429, "")
        asked = OutsidePair(step=step, body=body.decode())  # type: ignore[arg-type]
        said = await bus.request(OUTSIDE_PAIR, asked, timeout_s=ANSWER_S, box=box)
        if isinstance(said, Fault):
            return _reply(503, "")
        _note(passes, said, box, bearer)
        return _reply(said.status, said.body)

    async def enrol(request: web.Request) -> web.StreamResponse:
        client = client_key(request.remote or "", request.headers.get("X-Forwarded-For", ""))
        if request.content_type != "application/json" or not limits.take(client, time.monotonic()):
            return _reply(429, "")
        try:
            asked = wire.decode(Enrol, await request.read())
        except RemoteProtocolError:
            return _reply(400, "")
        said = await fleet.enrol(asked)
        if isinstance(said, Fault):
            return _reply(403, '{"state":"refused","reason":"ticket"}')
        return web.json_response(
            {"state": "enrolled", "name": said.name, "authority": keys.encode(fleet.authority)}
        )

    app.router.add_post(f"/pair/{{step:{'|'.join(STEPS)}}}", answer)
    app.router.add_post("/pair/enrol", enrol)


def _box_of(fleet: Fleet, step: str, body: bytes) -> tuple[str, str]:
    """Where it belongs: its vehicle, or where it was last; "" for none. And the bearer it has.

    Raises RemoteProtocolError.
    """
    match step:
        case "hello":
            device = wire.decode(Hello, body).device
            entry = fleet.devices.get(device)
            if entry is None:
                return "", ""
            lease = fleet.ledger.entries.get(device)
            return entry.box or (lease.box if lease is not None else ""), ""
        case "prove":
            return wire.decode(Prove, body).box, ""
        case "heartbeat":
            beat = wire.decode(Beat, body)
            return beat.box, beat.bearer
    end = wire.decode(End, body)
    return end.box, end.bearer


def _note(passes: Passes, said: OutsidePaired, box: str, bearer: str) -> None:
    """Remember which bearers are this box's: it has just said so."""
    now = time.monotonic()
    if said.status != 200:
        passes.drop(bearer)
        return
    try:
        given = msgspec.json.decode(said.body, type=_Given)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return
    if given.state == "paired":
        for one in {bearer, given.bearer} - {""}:
            passes.note(one, box, now)


def _reply(status: int, body: str) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if not body:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)
