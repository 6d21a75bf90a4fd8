"""The hub's web side: the link's page, the room's page, its WebSocket.

Who may reach it: everybody on the Internet, through a TLS front on this machine (`hub.listen` is
loopback by default). What protects it: a secret in the link, spent by one POST; a secret in the
cookie; the Origin of WebSockets; limits on sizes and rates. Wrong, used and expired links look
alike. A GET never spends a link, for messengers open links to show a preview.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from edgebox.config.hub import Hub as HubConfig
from edgebox.host.templates import templates
from edgebox.hub import language, tokens
from edgebox.hub.address import client_key
from edgebox.hub.door import Door
from edgebox.hub.headers import permissions, security_headers
from edgebox.hub.hub import PARTICIPANT_TTL_S, Hub
from edgebox.hub.limit import Limiter
from edgebox.hub.links import Links, printable
from edgebox.hub.page import RemotePage
from edgebox.hub.protocol import MESSAGE_MAX_BYTES, Ended, encode
from edgebox.hub.signalling import Signalling
from edgebox.hub.store import ParticipantRow
from edgebox.messages.base import Fault
from edgebox.roles import RIGHTS

STATIC = Path(__file__).parent / "static"
NAME_MAX = 60
BODY_MAX_BYTES = 4096
REQUEST_RATE_HZ = 10.0
REQUEST_BURST = 200.0
"""A hospital shares one address; a page with its parts is about ten requests."""
KNOCK_RATE_HZ = 0.2
KNOCK_BURST = 20.0
"""Links that open nothing."""
HEARTBEAT_S = 5.0
"""WebSocket pings: a laptop that lost its network is `away` after 7.5 s."""
SCRIPTS = sorted(path.name for path in STATIC.glob("*.js"))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """The aiohttp application around a Hub."""

    def __init__(self, config: HubConfig, hub: Hub, links: Links, signalling: Signalling):
        self._hub = hub
        self._links = links
        self._signalling = signalling
        self._requests = Limiter(REQUEST_RATE_HZ, REQUEST_BURST)
        self._knocks = Limiter(KNOCK_RATE_HZ, KNOCK_BURST)
        self._origin = config.public_url
        self._default_language = config.language
        self._https = self._origin.startswith("https://")
        self._version = _version_of(STATIC)
        self._headers = security_headers(self._origin)
        self._templates = templates("edgebox.hub")
        self._pages: set[web.WebSocketResponse] = set()

    def application(self) -> web.Application:
        """Everything wired up."""
        app = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[self._guard])
        app.on_response_prepare.append(self._add_headers)
        app.on_shutdown.append(self._close_pages)
        app.router.add_get("/j/{token}", self._show_link)
        app.router.add_post("/j/{token}", self._join)
        app.router.add_get("/room/{room}", self._show_room)
        app.router.add_get("/room/{room}/ws", self._serve_page)
        app.router.add_get("/static/{version}/{name}", self._static)
        return app

    # Every request

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._requests.take(_client(request), time.monotonic()):
            return self._notice(request, "busy", 429)
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return self._notice(request, "closed", 404)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return self._notice(request, "closed", 404)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)

    async def _close_pages(self, app: web.Application) -> None:
        for socket in list(self._pages):
            await socket.close(code=1012, message=b"restart")

    # Pages

    async def _show_link(self, request: web.Request) -> web.StreamResponse:
        door = await self._links.look_at(request.match_info["token"], self._cookies(request))
        if isinstance(door, Fault):
            return self._notice(request, "later", 503)
        if door.entered:
            return self._to_room(request, door)
        if not door.open:
            return self._refuse(request)
        return self._join_page(request, door, door.name, missing=False)

    async def _join(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return self._refuse(request)
        token = request.match_info["token"]
        cookies = self._cookies(request)
        door = await self._links.look_at(token, cookies)
        if isinstance(door, Fault):
            return self._notice(request, "later", 503)
        if door.entered:
            return self._to_room(request, door)
        if not door.open:
            return self._refuse(request)
        name = _name_in(await request.read())
        if not name:
            return self._join_page(request, door, "", missing=True)
        cookie = await self._links.join(token, door, name, cookies.get(door.room, ""))
        if isinstance(cookie, Fault):
            return self._notice(request, "later", 503)
        if cookie is None:
            return self._refuse(request)
        response = self._to_room(request, door)
        response.set_cookie(
            self._cookie_name(door.room),
            cookie,
            max_age=PARTICIPANT_TTL_S,
            path="/",
            httponly=True,
            secure=self._https,
            samesite="Lax",
        )
        return response

    async def _show_room(self, request: web.Request) -> web.StreamResponse:
        row = self._participant(request)
        if row is None:
            return self._refuse(request)
        chosen = self._language(request)
        start = {
            "page": f"/room/{row.room}/ws",
            "state": self._hub.state(row),
            "ice": self._signalling.ice_servers(row),
            "texts": language.page_texts(chosen),
            "language": chosen,
        }
        # `<` is the only character that could end the script element.
        data = msgspec.json.encode(start).decode().replace("<", "\\u003c")
        response = self._page(request, "room.html", 200, data=data)
        response.headers["Permissions-Policy"] = permissions(RIGHTS[row.role])
        return response

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if request.match_info["version"] != self._version or name not in _names(STATIC):
            raise web.HTTPNotFound
        return web.FileResponse(
            STATIC / name, headers={"Cache-Control": "public, max-age=31536000, immutable"}
        )

    # The WebSocket

    async def _serve_page(self, request: web.Request) -> web.StreamResponse:
        page = request.query.get("page", "")
        if request.headers.get("Origin") != self._origin or not tokens.PAGE.fullmatch(page):
            return self._refuse(request)
        row = self._participant(request)
        socket = web.WebSocketResponse(
            max_msg_size=MESSAGE_MAX_BYTES, heartbeat=HEARTBEAT_S, timeout=2.0, compress=False
        )
        await socket.prepare(request)
        if row is None:
            # Scripts cannot see why a handshake fails: a page that missed the end is told so here.
            await socket.send_str(encode(Ended(reason="ended")))
            await socket.close()
            return socket
        self._pages.add(socket)
        peer = tokens.make_peer(row.id, page)
        try:
            await RemotePage(self._hub, self._signalling, row, peer, socket).serve()
        finally:
            self._pages.discard(socket)
        return socket

    # Parts

    def _participant(self, request: web.Request) -> ParticipantRow | None:
        room = request.match_info["room"]
        cookie = request.cookies.get(self._cookie_name(room), "")
        return self._hub.participant(room, cookie)

    def _cookie_name(self, room: str) -> str:
        """One for each room: a dispatcher helps several vehicles. RFC 6265bis, 4.1.3."""
        return f"__Host-room-{room}" if self._https else f"room-{room}"

    def _cookies(self, request: web.Request) -> dict[str, str]:
        """Room id -> cookie."""
        prefix = self._cookie_name("")
        return {
            name.removeprefix(prefix): value
            for name, value in request.cookies.items()
            if name.startswith(prefix)
        }

    def _to_room(self, request: web.Request, door: Door) -> web.Response:
        asked = request.query.get("lang", "")
        suffix = f"?lang={asked}" if asked in language.LANGUAGES else ""
        location = f"/room/{door.room}{suffix}"
        return web.Response(status=303, headers={"Location": location})

    def _join_page(
        self, request: web.Request, door: Door, name: str, *, missing: bool
    ) -> web.Response:
        return self._page(
            request, "join.html", 200, door=door, name=name, missing=missing, scripts=SCRIPTS
        )

    def _refuse(self, request: web.Request) -> web.Response:
        """The same page whatever was wrong."""
        if not self._knocks.take(_client(request), time.monotonic()):
            return self._notice(request, "busy", 429)
        return self._notice(request, "closed", 404)

    def _notice(self, request: web.Request, what: str, status: int) -> web.Response:
        return self._page(request, "notice.html", status, what=what)

    def _page(
        self, request: web.Request, template: str, status: int, **values: object
    ) -> web.Response:
        chosen = self._language(request)
        html = self._templates.get_template(template).render(
            t=language.catalogue(chosen),
            language=chosen,
            static=f"/static/{self._version}",
            **values,
        )
        return web.Response(text=html, status=status, content_type="text/html")

    def _language(self, request: web.Request) -> str:
        return language.choose(
            request.query.get("lang", ""),
            request.headers.get("Accept-Language", ""),
            self._default_language,
        )


def _client(request: web.Request) -> str:
    return client_key(request.remote or "", request.headers.get("X-Forwarded-For", ""))


def _name_in(form: bytes) -> str:
    """The form's `name`: one line of at most NAME_MAX printable characters, or nothing."""
    try:
        fields = parse_qs(form.decode(errors="replace"), max_num_fields=5)
    except ValueError:
        return ""
    return printable(fields.get("name", [""])[0])[:NAME_MAX].strip()


def _names(directory: Path) -> frozenset[str]:
    return frozenset(path.name for path in directory.iterdir() if path.is_file())


def _version_of(directory: Path) -> str:
    """Changes with any file, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
