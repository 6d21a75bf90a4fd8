"""What devices on the vehicle's access point reach: the page, pairing, WHIP, events.

Who may reach it: every device on that network, and nobody else: the listener is bound to the access
point's address and interface (listener.py). What protects it: being on the network grants nothing;
WHIP, WHEP and events need the bearer of a lease, pairing proves both ends; sizes, rates and numbers
are limited for each address; only our own names are answered (a page elsewhere cannot lead a
browser here by DNS). TLS in any case: browsers give no camera to a page without.

| path                       | what                                                        |
|----------------------------|-------------------------------------------------------------|
| GET /                      | the page                                                    |
| GET /static/<version>/...  | its parts                                                   |
| /whip, /whip/<session>     | RFC 9725 (whip.py): what the device sends                   |
| /whep, /whep/<session>     | WHEP (whep.py): what it hears                               |
| GET /events                | what the page is told (events.py)                           |
| GET /where                 | `vehicle`; the hub says `hub` under the same name           |
| /pair/...                  | pairing (pairing.py)                                        |
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from edgebox.headset.door import Door, Lease
from edgebox.headset.events import Events
from edgebox.headset.listener import is_address
from edgebox.headset.page import HEADERS, HeadsetPage
from edgebox.headset.whip import BODY_MAX, CORS, Request, Response, bearer_of
from edgebox.host.allowance import Allowance

REQUESTS_PER_S, REQUESTS_BURST = 10.0, 120.0
"""Of one address; the page with its parts is about fifteen."""
OFFERS_PER_S, OFFERS_BURST = 0.5, 10.0
"""Of one address and of each kind; each makes media open a connection."""
BODY_S = 5.0
"""A body that comes slower is not waited for."""
HEARTBEAT_S = 5.0
ENDPOINTS = "/{endpoint:whip|whep}"
SESSION = ENDPOINTS + "/{session:[A-Za-z0-9_-]{1,64}}"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[Request], Awaitable[Response]]


class Site:
    """The aiohttp application."""

    def __init__(self, name: str, door: Door, answer: Answer, events: Events):
        """`name`: the host name devices use. `answer`: of WHIP and WHEP."""
        self._name = name
        self._door = door
        self._answer = answer
        self._events = events
        self._requests = Allowance(REQUESTS_PER_S, REQUESTS_BURST)
        self._offers = Allowance(OFFERS_PER_S, OFFERS_BURST)
        self._page = HeadsetPage()

    def application(self) -> web.Application:
        """Everything but pairing's own paths."""
        app = web.Application(client_max_size=BODY_MAX, middlewares=[self._guard])
        app.on_response_prepare.append(self._add_headers)
        app.router.add_get("/", self._page.show)
        app.router.add_get("/static/{version}/{name}", self._page.part)
        app.router.add_get("/events", self._stream)
        app.router.add_get("/where", _where)
        app.router.add_route("*", ENDPOINTS, self._whip)
        app.router.add_route("*", SESSION, self._whip)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._requests.take(request.remote or "", time.monotonic()):
            return web.Response(status=429, headers=CORS | {"Retry-After": "5"})
        host = (request.host or "").rpartition(":")[0] or request.host
        if host != self._name and not is_address(host):
            return web.Response(status=421, text="not under this name\n")
        return await handler(request)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)

    async def _whip(self, request: web.Request) -> web.Response:
        client = f"{request.match_info['endpoint']} {request.remote}"
        if request.method == "POST" and not self._offers.take(client, time.monotonic()):
            return web.Response(status=429, headers=CORS | {"Retry-After": "10"})
        asked = await read_request(request)
        if isinstance(asked, web.Response):
            return asked
        return as_http(await self._answer(asked))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        lease = self._door.check(
            bearer_of(request.headers.get("Authorization", "")), time.monotonic()
        )
        if not isinstance(lease, Lease):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        page = self._events.open(lease.device)
        if page is None:
            return web.Response(status=503, headers={"Retry-After": "5"})
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        try:
            await response.prepare(request)
            while (lines := await page.next_lines(HEARTBEAT_S)) is not None:
                await response.write(lines)
        except ConnectionError:
            return response
        finally:
            self._events.close(page)
        return response


async def read_request(request: web.Request) -> Request | web.Response:
    """A request as it came over HTTP, or the answer to one that did not come whole."""
    try:
        async with asyncio.timeout(BODY_S):
            body = await request.read()
    except TimeoutError:
        return web.Response(status=408, headers=CORS)
    except web.HTTPRequestEntityTooLarge:
        return web.Response(status=413, headers=CORS)
    return Request(
        method=request.method,
        session=request.match_info.get("session", ""),
        content_type=request.headers.get("Content-Type", ""),
        authorization=request.headers.get("Authorization", ""),
        if_match=request.headers.get("If-Match", ""),
        body=body,
        endpoint=f"/{request.match_info['endpoint']}",
    )


def as_http(response: Response) -> web.Response:
    """The same over HTTP."""
    body = response.body.encode() if response.body else None
    return web.Response(status=response.status, headers=response.headers, body=body)


async def _where(request: web.Request) -> web.Response:
    """Closed after it, so that the name is looked up anew the next time."""
    return web.Response(text="vehicle", headers={"Connection": "close"})
