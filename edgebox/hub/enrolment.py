"""Where a fresh box asks for its certificate: POST /enrol/{box}, JSON both ways.

Reachable by everybody, like the rest of the hub's web side. It holds no key and decides nothing:
the authority's process does, by the voucher's secret, which is never sent.

{"request": PEM, "proof": hex}
200 {"certificate": PEM, "authority": PEM, "vehicle": text, "hub": host, "proof": hex}
400 not such JSON   403 refused   429 too often   503 the authority does not answer
"""

import re
import time

import msgspec
from aiohttp import web

from edgebox.bus import Bus
from edgebox.hub.address import client_key
from edgebox.hub.limit import Limiter
from edgebox.messages.base import Fault
from edgebox.messages.identity import ENROL, Enrol

TRY_RATE_HZ = 0.2
TRY_BURST = 10.0
ANSWER_S = 5.0
BOX = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
STATUS = {"refused": 403, "invalid": 400}


class Enrolment:
    """The route and what one address may ask of it."""

    def __init__(self, bus: Bus):
        self._bus = bus
        self._tries = Limiter(TRY_RATE_HZ, TRY_BURST)

    def add_routes(self, app: web.Application) -> None:
        """To the hub's web side."""
        app.router.add_post("/enrol/{box}", self._enrol)

    async def _enrol(self, request: web.Request) -> web.StreamResponse:
        client = client_key(request.remote or "", request.headers.get("X-Forwarded-For", ""))
        if not self._tries.take(client, time.monotonic()):
            return _json({"refused": "too often"}, 429)
        box = request.match_info["box"]
        try:
            asked = msgspec.json.decode(await request.read(), type=Enrol)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return _json({"refused": "not a request"}, 400)
        if not BOX.fullmatch(box):
            return _json({"refused": "not a request"}, 400)
        answer = await self._bus.request(ENROL, asked, timeout_s=ANSWER_S, box=box)
        if isinstance(answer, Fault):
            return _json({"refused": answer.text}, STATUS.get(answer.reason, 503))
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def _json(value: dict[str, str], status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
