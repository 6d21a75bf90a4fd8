"""The headset's page for devices outside their vehicle, at the same name as in it: to the device
box and hub are one origin. What it asks is handed on to its box, with the bearer; the box decides.

Who may reach it: everybody on the Internet, through the TLS front on this machine
(`hub.headset_listen` is loopback by default). What protects it: WHIP, WHEP and events go nowhere
without a bearer that a box has handed out (passes.py), and the box asks its own door again; pairing
goes to boxes as pair_relay.py says; sizes and rates are limited for each address. Media does not
come here: it goes through the TURN server and the bond, encrypted between device and box.

| path                       | what                                              |
|----------------------------|---------------------------------------------------|
| GET /                      | the page                                          |
| GET /static/<version>/...  | its parts                                         |
| /whip, /whip/<session>     | RFC 9725 (headset/whip.py), handed on             |
| /whep, /whep/<session>     | WHEP (headset/whep.py), handed on                 |
| GET /events                | what the page is told (headset/events.py)         |
| GET /where                 | `hub`; the box says `vehicle` under the same name |
| /pair/...                  | pairing (pair_relay.py)                           |
"""

import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiohttp import web

from edgebox.bus import Bus
from edgebox.config import Config, parse_address
from edgebox.errors import ConfigError, DeviceError
from edgebox.headset.page import HEADERS, HeadsetPage
from edgebox.headset.web import ENDPOINTS, SESSION, as_http, read_request
from edgebox.headset.whip import (
    BODY_MAX,
    CORS,
    FRAGMENT_TYPE,
    INVALID,
    OFFER_TYPE,
    Request,
    Response,
    bearer_of,
    refusal,
    without_bearer,
    wrong_body,
)
from edgebox.hub import pair_relay
from edgebox.hub.address import client_key
from edgebox.hub.fleet import Fleet
from edgebox.hub.limit import Limiter
from edgebox.hub.passes import Passes
from edgebox.hub.tokens import make_id, make_turn_credentials
from edgebox.messages.base import Fault
from edgebox.messages.headset import (
    OUTSIDE_EVENTS,
    OUTSIDE_WHIP,
    OutsideEvents,
    OutsidePoll,
    OutsideRequest,
    OutsideResponse,
)
from edgebox.messages.session import TurnCredentials

logger = logging.getLogger(__name__)

REQUESTS_HZ, REQUESTS_BURST = 10.0, 200.0
"""Of one address; the page with its parts is about fifteen."""
OFFERS_HZ, OFFERS_BURST = 0.5, 10.0
ANSWER_S = 8.0
"""Media asks the relay over the bond before it answers."""
POLL_S = 9.0
"""The box answers within four seconds and the way there and back."""
AWAY_S = 2
PAGES_MAX = 500
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class OutsideSite:
    """The aiohttp application."""

    def __init__(self, bus: Bus, fleet: Fleet, turn_urls: Sequence[str], turn_secret: bytes):
        self._bus = bus
        self._fleet = fleet
        self._turn_urls = turn_urls
        self._turn_secret = turn_secret
        self._passes = Passes()
        self._requests = Limiter(REQUESTS_HZ, REQUESTS_BURST)
        self._offers = Limiter(OFFERS_HZ, OFFERS_BURST)
        self._page = HeadsetPage()
        self._streams = 0

    def application(self) -> web.Application:
        """Everything wired up."""
        app = web.Application(client_max_size=BODY_MAX, middlewares=[self._guard])
        app.on_response_prepare.append(self._add_headers)
        app.router.add_get("/", self._page.show)
        app.router.add_get("/static/{version}/{name}", self._page.part)
        app.router.add_get("/events", self._stream)
        app.router.add_get("/where", _where)
        app.router.add_route("*", ENDPOINTS, self._whip)
        app.router.add_route("*", SESSION, self._whip)
        pair_relay.add_routes(app, self._bus, self._fleet, self._passes)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._requests.take(_client(request), time.monotonic()):
            return web.Response(status=429, headers=CORS | {"Retry-After": "5"})
        return await handler(request)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)

    # WHIP

    async def _whip(self, request: web.Request) -> web.Response:
        client = f"{request.match_info['endpoint']} {_client(request)}"
        if request.method == "POST" and not self._offers.take(client, time.monotonic()):
            return as_http(refusal(429, "too many offers", {"Retry-After": "10"}))
        asked = await read_request(request)
        if isinstance(asked, web.Response):
            return asked
        return as_http(await self._answer(asked))

    async def _answer(self, asked: Request) -> Response:
        """What needs no bearer, or is malformed, is answered here and does not use the links."""
        if (response := without_bearer(asked)) is not None:
            return response
        bearer = bearer_of(asked.authorization)
        box = self._passes.box_of(bearer, time.monotonic())
        if not box:
            return refusal(401, "a bearer of a vehicle is needed", INVALID)
        kind = {"POST": OFFER_TYPE, "PATCH": FRAGMENT_TYPE}.get(asked.method)
        if kind is not None and (wrong := wrong_body(asked, kind)) is not None:
            return wrong
        try:
            body = asked.body.decode()
        except UnicodeDecodeError:
            return refusal(400, "not UTF-8")
        is_offer = asked.method == "POST"
        question = OutsideRequest(
            endpoint=asked.endpoint,  # type: ignore[arg-type]
            method=asked.method,  # type: ignore[arg-type]
            bearer=bearer,
            session=asked.session,
            content_type=asked.content_type[:200],
            if_match=asked.if_match[:200],
            body=body if kind is not None else "",
            turn=self._turn() if is_offer else None,
        )
        answer = await self._bus.request(OUTSIDE_WHIP, question, timeout_s=ANSWER_S, box=box)
        if isinstance(answer, Fault):
            logger.info("a box did not answer a headset: %s", answer.reason)
            return refusal(503, "the vehicle does not answer", {"Retry-After": str(AWAY_S)})
        return self._handed_on(asked, answer)

    def _handed_on(self, asked: Request, answer: OutsideResponse) -> Response:
        """The box's answer, with what only the hub knows."""
        headers = dict(CORS)
        if answer.status == 201:
            headers |= {
                "Location": f"{asked.endpoint}/{answer.session}",
                "Content-Type": OFFER_TYPE,
                "Link": _links(self._turn_urls, self._turn()),
            }
        if answer.status == 401:
            headers |= INVALID
        if answer.retry_after_s:
            headers["Retry-After"] = str(answer.retry_after_s)
        return Response(answer.status, headers, answer.body, answer.session)

    def _turn(self) -> TurnCredentials:
        return make_turn_credentials(self._turn_secret, f"headset-{make_id()}", time.time())

    # Events

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        bearer = bearer_of(request.headers.get("Authorization", ""))
        box = self._passes.box_of(bearer, time.monotonic())
        if not box:
            return web.Response(status=401, headers=INVALID)
        if self._streams >= PAGES_MAX:
            return web.Response(status=503, headers={"Retry-After": "5"})
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        self._streams += 1
        try:
            await response.prepare(request)
            await self._follow(response, OutsidePoll(bearer=bearer, page=secrets.token_hex(8)), box)
        except ConnectionError:
            return response
        finally:
            self._streams -= 1
        return response

    async def _follow(self, response: web.StreamResponse, poll: OutsidePoll, box: str) -> None:
        """Until the box says that it is over, or does not answer."""
        while True:
            found = await self._bus.request(OUTSIDE_EVENTS, poll, timeout_s=POLL_S, box=box)
            if not isinstance(found, OutsideEvents) or found.status != 200:
                return
            await response.write(found.lines.encode())
            if found.over:
                return


@contextlib.asynccontextmanager
async def serving(
    config: Config, bus: Bus, fleet: Fleet | None, turn_secret: bytes
) -> AsyncIterator[None]:
    """Serve while in the context, if it is configured. Raises ConfigError or DeviceError."""
    listen = config.hub.headset_listen
    if not listen:
        yield
        return
    if fleet is None:
        raise ConfigError("hub.headset_listen: there are no headsets without registry_certificate")
    site = OutsideSite(bus, fleet, config.hub.turn_urls, turn_secret)
    runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    host, port = parse_address(listen)
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise DeviceError(f"hub.headset_listen {listen}: {error.strerror}") from error
        logger.info("headsets: listening on %s", listen)
        yield
    finally:
        await runner.cleanup()


def _links(urls: Sequence[str], turn: TurnCredentials) -> str:
    """RFC 9725, 4.6: one link for each way to the relay."""
    secret = f'username="{turn.username}"; credential="{turn.password}"'
    return ", ".join(
        f'<{url}>; rel="ice-server"; {secret}; credential-type="password"' for url in urls
    )


def _client(request: web.Request) -> str:
    return client_key(request.remote or "", request.headers.get("X-Forwarded-For", ""))


async def _where(request: web.Request) -> web.Response:
    """Closed after it, so that the name is looked up anew the next time."""
    return web.Response(text="hub", headers={"Connection": "close"})
