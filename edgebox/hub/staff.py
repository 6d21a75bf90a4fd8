"""The hub's second listener, for the fleet's own people: its staff and its technicians.

Who may reach it: whoever shows a certificate of the fleet's staff authority (`hub.staff_ca`, an
authority of its own: a box's certificate opens nothing here). TLS 1.3 refuses all others before a
byte of HTTP is read; `hub.staff_listen` is off by default and belongs on the trust's own network.
The certificate's one common name is who they are, its one organizational unit what they are:
`fleet` or `technician`. Serials in the file `hub.staff_revoked` (format: bond/revocation.py,
`serial:` lines) are refused from then on, open pages included, and so is an expired certificate.

AREAS says which of the two may open what; whatever is not named there is closed. A browser sends
its certificate with requests that other sites made it send, so all that changes anything must come
from our own origin. Handlers find who asks in `request[PERSON]`.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal, NamedTuple

from aiohttp import web

from edgebox.bond.revocation import RevokedFile
from edgebox.config import Config, parse_address, resolve_file
from edgebox.errors import ConfigError, DeviceError
from edgebox.hub.headers import security_headers
from edgebox.hub.limit import Limiter

logger = logging.getLogger(__name__)

StaffRole = Literal["fleet", "technician"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NAME_MAX = 60
BODY_MAX_BYTES = 64 * 1024
REQUEST_RATE_HZ = 20.0
REQUEST_BURST = 200.0
HANDSHAKE_S = 5.0
REVOKED_EVERY_S = 2.0
HOME: dict[StaffRole, str] = {"fleet": "/fleet", "technician": "/desk"}
AREAS: dict[str, frozenset[StaffRole]] = {
    "": frozenset({"fleet", "technician"}),
    "fleet": frozenset({"fleet"}),
    "updates": frozenset({"fleet"}),
    "desk": frozenset({"technician"}),
    "audit": frozenset({"fleet", "technician"}),
}
"""First part of the path -> who may open what is below it."""


class Person(NamedTuple):
    """Who has proved to be here."""

    name: str
    role: StaffRole
    serial: str
    """Of the certificate, upper-case hex without leading zeros."""
    expires_utc: float = float("inf")


PERSON = web.RequestKey("person", Person)
"""Who makes this request."""


class Staff:
    """The listener and its rules. `application()` is what pages are added to."""

    def __init__(self, config: Config):
        """Raises ConfigError for files that cannot be read."""
        hub = config.hub
        revoked = resolve_file(config, hub.staff_revoked) if hub.staff_revoked else None
        self._revoked = RevokedFile(revoked, "hub.staff_revoked")
        self._context = _tls_context(config)
        self._listen = hub.staff_listen
        self._origin = hub.staff_url
        self._headers = security_headers(self._origin)
        self._limits = Limiter(REQUEST_RATE_HZ, REQUEST_BURST)

    def application(self) -> web.Application:
        """Everything that guards; `/` leads to the person's own area."""
        app = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[self._guard])
        app.on_response_prepare.append(self._add_headers)
        app.router.add_get("/", self._show_home)
        return app

    def is_welcome(self, person: Person) -> bool:
        """Whether an open page of theirs may stay: not revoked, not expired."""
        return not self.is_revoked(person.serial) and time.time() < person.expires_utc

    def is_revoked(self, serial: str) -> bool:
        """Whether this certificate is shut out."""
        return int(serial, 16) in self._revoked.revoked.serials

    @contextlib.asynccontextmanager
    async def serving(self, app: web.Application) -> AsyncIterator[None]:
        """Listen while in the context. Raises DeviceError when the address is taken."""
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await runner.setup()
        try:
            server = await self._start(runner)
            watching = asyncio.create_task(self._watch_revoked())
            try:
                yield
            finally:
                watching.cancel()
                server.close()
                await asyncio.gather(watching, return_exceptions=True)
        finally:
            await runner.cleanup()

    async def _start(self, runner: web.AppRunner) -> asyncio.Server:
        host, port = parse_address(self._listen)
        loop = asyncio.get_running_loop()
        if runner.server is None:
            raise RuntimeError("the runner was set up")
        try:
            return await loop.create_server(
                runner.server,
                host,
                port,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=1.0,
            )
        except OSError as error:
            raise DeviceError(f"hub.staff_listen {self._listen}: {error.strerror}") from error

    async def _watch_revoked(self) -> None:
        while True:
            await asyncio.sleep(REVOKED_EVERY_S)
            self._revoked.look()

    # Every request

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        person = self._person(request)
        if person is None or not self._may(person, request):
            logger.warning("refused: %s", _who(person))
            return _refusal(403)
        if not self._limits.take(person.serial, time.monotonic()):
            return _refusal(429)
        request[PERSON] = person
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _refusal(error.status)

    def _person(self, request: web.Request) -> Person | None:
        """None: not one of the fleet's people, or no longer."""
        certificate = request.get_extra_info("peercert")
        person = person_of(certificate) if isinstance(certificate, dict) else None
        return person if person is not None and self.is_welcome(person) else None

    def _may(self, person: Person, request: web.Request) -> bool:
        area = request.path.split("/")[1]
        if person.role not in AREAS.get(area, frozenset()):
            return False
        changes = request.method not in {"GET", "HEAD"} or "Upgrade" in request.headers
        if changes:
            return request.headers.get("Origin") == self._origin
        site = request.headers.get("Sec-Fetch-Site", "none")
        opened = request.headers.get("Sec-Fetch-Mode") == "navigate"
        return site in {"same-origin", "none"} or opened

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)

    async def _show_home(self, request: web.Request) -> web.StreamResponse:
        person = request[PERSON]
        return web.Response(status=303, headers={"Location": HOME[person.role]})


def person_of(certificate: dict[str, object]) -> Person | None:
    """Of `ssl.SSLSocket.getpeercert`; None without exactly one common name and one known unit."""
    subject = certificate.get("subject", ())
    if not isinstance(subject, tuple):
        return None
    found = [(key, value) for part in subject for key, value in part]
    names = [value for key, value in found if key == "commonName"]
    units = [value for key, value in found if key == "organizationalUnitName"]
    if len(names) != 1 or len(units) != 1 or not _is_name(names[0]):
        return None
    serial = f"{int(str(certificate['serialNumber']), 16):X}"
    expires_utc = float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))
    match units[0]:
        case "fleet" | "technician":
            return Person(names[0], units[0], serial, expires_utc)
        case _:
            return None


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_MAX and text.isprintable() and text == text.strip()


def _who(person: Person | None) -> str:
    return f"{person.role} {person.name}, serial {person.serial}" if person else "a stranger"


def _refusal(status: int) -> web.Response:
    """The same plain words whatever was wrong."""
    return web.Response(status=status, text="Ingen adgang / No access\n")


def _tls_context(config: Config) -> ssl.SSLContext:
    hub = config.hub
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(resolve_file(config, hub.staff_ca))
        context.load_cert_chain(
            resolve_file(config, hub.staff_certificate),
            resolve_file(config, hub.staff_private_key),
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"hub: staff_ca, _certificate or _private_key: {error}") from error
    return context
