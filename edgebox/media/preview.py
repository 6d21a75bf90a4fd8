"""What the panel's browser shows: the crew's preview and guests' own cameras, by WHEP.

`POST /whep/<camera id>` (draft-ietf-wish-whep) answers only while the session is live and the
camera is sent; what it shows are the very same encoded pictures that remote help gets.
`POST /guest/<peer>` answers only while pictures of that guest come in; what it shows are those, as
the guest's browser encoded them. Sound is none of the panel's business: it goes to the loudspeaker.

Who may reach it: processes of this machine. It listens on loopback only (anything else refuses to
start), asks for a loopback name in `Host` (a page elsewhere cannot lead a browser here by DNS), and
lets no web page but the panel's in: `Origin` must be the panel's if a browser sends one.

`POST /stop` ends the session. The panel's page and the panel ask here: a stop needs no bus.

Media travels over 127.0.0.1 alone: modems that come and go do not touch it. Chromium itself makes
no connection while loopback is the machine's only interface (156, even with its switch
--allow-loopback-in-peer-connection); any other one that is up, such as the vehicle's own access
point, is enough.
"""

import ipaddress
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, MutableMapping
from contextlib import asynccontextmanager

from aiohttp import web

from edgebox.config import Config, parse_address
from edgebox.errors import ConfigError, RemoteProtocolError
from edgebox.media.closing import Closing
from edgebox.media.encoder import Encoder
from edgebox.media.guest import GuestPicture
from edgebox.media.offer import SIZE_MAX, Allowed, Offer, PictureCodec
from edgebox.media.publisher import Connection, OfferRefusedError

logger = logging.getLogger(__name__)

PREVIEWS_MAX = 8
HOST = "127.0.0.1"
SDP = "application/sdp"
GUEST = "guest/"
"""Before a peer's id: no camera's id holds a slash."""


class Preview:
    """The HTTP endpoint and its connections."""

    def __init__(
        self,
        config: Config,
        sent: Callable[[], dict[str, Encoder]],
        guest: Callable[[str], GuestPicture | None],
        stop: Callable[[], Awaitable[object]],
    ):
        """`sent`: encoders of the cameras sent right now, by id. `guest`: what comes in from a
        peer's own camera, if anything does. `stop` ends the session.

        Raises ConfigError.
        """
        self._host, self._port = parse_address(config.media.preview_listen)
        if not _is_loopback(self._host):
            raise ConfigError("media.preview_listen: it has no log-in, so only loopback is allowed")
        panel_port = parse_address(config.panel.listen)[1]
        self._origins = {f"http://{name}:{panel_port}" for name in ("127.0.0.1", "localhost")}
        self._cameras = {camera.id for camera in config.media.camera}
        self._sent = sent
        self._guest = guest
        self._stop = stop
        self._connections: dict[str, tuple[str, Connection]] = {}
        self._closing = Closing()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen while in the context. Raises ConfigError if the port is taken."""
        application = web.Application(client_max_size=SIZE_MAX, middlewares=[self._guard])
        application.router.add_route("OPTIONS", "/{kind:whep|guest}/{path:.+}", self._options)
        application.router.add_post("/whep/{camera}", self._post)
        application.router.add_post("/guest/{peer}", self._post_guest)
        application.router.add_post("/stop", self._end)
        application.router.add_delete("/whep/session/{session}", self._delete)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, self._host, self._port).start()
            except OSError as error:
                raise ConfigError(
                    f"media.preview_listen: cannot listen on {self._host}:{self._port}: "
                    f"{error.strerror}"
                ) from error
            yield
        finally:
            self.cut_all()
            await self._closing.finish()
            await runner.cleanup()

    def cut_all(self) -> None:
        """The session ended."""
        self.keep_only(set())

    def keep_only(self, cameras: set[str]) -> None:
        """Cut previews of cameras that are not sent any more."""
        for session, (name, _) in list(self._connections.items()):
            if name not in cameras and not (cameras and name.startswith(GUEST)):
                self._drop(session)

    def keep_guests(self, peers: Collection[str]) -> None:
        """Cut the pictures of guests who have gone."""
        for session, (name, _) in list(self._connections.items()):
            if name.startswith(GUEST) and name.removeprefix(GUEST) not in peers:
                self._drop(session)

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Who may ask, and what the browser is told about it (CORS)."""
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            return web.Response(status=403, text="not for this page\n")
        if not _is_loopback(request.host.rpartition(":")[0] or request.host):
            return web.Response(status=403, text="not under this name\n")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            _allow(error.headers, origin)
            raise
        _allow(response.headers, origin)
        return response

    async def _options(self, request: web.Request) -> web.Response:
        return web.Response(
            headers={
                "Access-Control-Allow-Methods": "POST, DELETE, OPTIONS",
                "Access-Control-Allow-Headers": "Content-Type",
                "Accept-Post": SDP,
            }
        )

    async def _post(self, request: web.Request) -> web.Response:
        camera = request.match_info["camera"]
        if camera not in self._cameras and camera not in self._sent():
            return _refusal(404, "no such camera")
        offer = await _offer(request, Allowed())
        # Only now: while the body came in the session may have ended.
        encoder = self._sent().get(camera)
        if encoder is None:
            return _refusal(409, "this camera is not sent now", retry_after_s=1)
        return await self._answer(camera, encoder, offer)

    async def _post_guest(self, request: web.Request) -> web.Response:
        peer = request.match_info["peer"]
        picture = self._guest(peer)
        if picture is None:
            return _refusal(409, "no picture of this guest comes in now", retry_after_s=1)
        codec: PictureCodec = "VP8" if picture.codec == "VP8" else "H264"
        offer = await _offer(request, Allowed(picture_codecs=(codec,)))
        return await self._answer(GUEST + peer, picture, offer)

    async def _answer(
        self, name: str, source: Encoder | GuestPicture, offer: Offer
    ) -> web.Response:
        if len(self._connections) >= PREVIEWS_MAX:
            return _refusal(503, "too many previews", retry_after_s=5)
        session = secrets.token_urlsafe(16)

        def changed() -> None:
            if connection.state == "closed":
                self._drop(session)

        connection = Connection([source], changed)
        self._connections[session] = (name, connection)
        try:
            answer = await connection.answer_on(offer, HOST)
        except OfferRefusedError as error:
            self._drop(session)
            return _refusal(422, str(error))
        if session not in self._connections:
            return _refusal(409, "the session ended", retry_after_s=1)
        return web.Response(
            status=201,
            text=answer,
            content_type=SDP,
            headers={"Location": f"/whep/session/{session}"},
        )

    async def _end(self, request: web.Request) -> web.Response:
        await self._stop()
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        session = request.match_info["session"]
        if session not in self._connections:
            return _refusal(404, "no such session")
        self._drop(session)
        return web.Response()

    def _drop(self, session: str) -> None:
        _, connection = self._connections.pop(session, ("", None))
        if connection is not None:
            self._closing.start(connection)


async def _offer(request: web.Request, allowed: Allowed) -> Offer:
    """The offer in the body. Raises HTTPException with what is wrong."""
    if request.content_type != SDP:
        raise web.HTTPUnsupportedMediaType(text=f"send {SDP}\n")
    try:
        offer = Offer(await request.text(), allowed)
    except (RemoteProtocolError, UnicodeDecodeError, LookupError) as error:
        raise web.HTTPBadRequest(text=f"not an offer: {error}\n") from error
    if not offer.served:
        raise web.HTTPUnprocessableEntity(text="no section that receives such video\n")
    return offer


def _allow(headers: MutableMapping[str, str], origin: str | None) -> None:
    """Let the page that asked read the answer (Fetch standard, CORS protocol)."""
    if origin is not None:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = "Location"
        headers["Vary"] = "Origin"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _refusal(status: int, text: str, retry_after_s: int = 0) -> web.Response:
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    return web.Response(status=status, text=text + "\n", headers=headers)
