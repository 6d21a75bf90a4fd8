"""A device outside its vehicle says to the hub what it would say to the box: handed on, no more.

Who may reach it: everybody on the Internet, like the rest of the hub's web side. The hub says which
box a device belongs to only by asking that box, which decides and proves itself; what is not of an
enrolled device goes nowhere. So many requests a second from one address.
"""

import time

from aiohttp import web

from edgebox.bus import Bus
from edgebox.errors import RemoteProtocolError
from edgebox.hub.address import client_key
from edgebox.hub.fleet import Fleet
from edgebox.hub.limit import Limiter
from edgebox.messages.base import Fault
from edgebox.messages.pairing import OUTSIDE_PAIR, Enrol, OutsidePair
from edgebox.pairing import keys, wire
from edgebox.pairing.wire import Beat, End, Hello, Prove

RATE_HZ, BURST = 4.0, 40.0
ANSWER_S = 3.5
STEPS = ("hello", "prove", "heartbeat", "end")


def add_routes(app: web.Application, bus: Bus, fleet: Fleet, authority: bytes) -> None:
    """POST /pair/<step>. `authority`: the fleet's, DER."""
    limits = Limiter(RATE_HZ, BURST)

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
            box = _box_of(fleet, step, body)
        except RemoteProtocolError:
            return _reply(400, "")
        if box not in fleet.vehicles:
            return _reply(403, '{"state":"refused","reason":"unknown","retry_s":60}')
        asked = OutsidePair(step=step, body=body.decode())  # type: ignore[arg-type]
        said = await bus.request(OUTSIDE_PAIR, asked, timeout_s=ANSWER_S, box=box)
        if isinstance(said, Fault):
            return _reply(503, "")
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
            {"state": "enrolled", "name": said.name, "authority": keys.encode(authority)}
        )

    app.router.add_post(f"/pair/{{step:{'|'.join(STEPS)}}}", answer)
    app.router.add_post("/pair/enrol", enrol)


def _box_of(fleet: Fleet, step: str, body: bytes) -> str:
    """Where it belongs: its vehicle, or where it was last; "" for none. RemoteProtocolError."""
    match step:
        case "hello":
            device = wire.decode(Hello, body).device
            entry = fleet.devices.get(device)
            if entry is None:
                return ""
            lease = fleet.ledger.entries.get(device)
            return entry.box or (lease.box if lease is not None else "")
        case "prove":
            return wire.decode(Prove, body).box
        case "heartbeat":
            return wire.decode(Beat, body).box
    return wire.decode(End, body).box


def _reply(status: int, body: str) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if not body:
        return web.Response(status=status, headers=headers)
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)
