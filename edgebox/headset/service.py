"""The headset service: the listener on the access point, and everything behind it but media.

A process of its own: what is done to the radio's side never touches the pictures of the vehicle's
other cameras. It holds no WebRTC; media does (edgebox/messages/headset.py).
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web

from edgebox.config import Config, parse_address, resolve_file
from edgebox.errors import ConfigError, DeviceError, RemoteProtocolError
from edgebox.headset import certificate, pairing
from edgebox.headset.certificate import Credential, PublicCredential
from edgebox.headset.door import Door
from edgebox.headset.events import Events
from edgebox.headset.front import Front
from edgebox.headset.listener import (
    HANDSHAKE_S,
    Gatekeeper,
    is_address,
    open_socket,
    server_context,
)
from edgebox.headset.outside import Outside
from edgebox.headset.web import Site
from edgebox.host.service import Service
from edgebox.messages.headset import (
    CERTIFICATE_WISH,
    HEADSET_STATUS,
    ISSUED_CERTIFICATE,
    CertificateStatus,
    CertificateWish,
    HeadsetStatus,
    IssuedCertificate,
)

logger = logging.getLogger(__name__)

RETRY_S = 2.0
"""Until the access point's interface, or a certificate, is there."""
LOOK_EVERY_S = 20.0
"""A third of the unit's WatchdogSec; a certificate needs no closer look."""


async def run(config: Config) -> None:
    """Run until cancelled. Raises ConfigError."""
    async with Service("headset", config) as service:
        if not config.headset.listen:
            await _stay_off(service)
        door = pairing.PairedDoor(service)
        await door.start()

        def add_routes(app: web.Application) -> None:
            pairing.add_routes(app, door)

        await serve(service, config, door, add_routes, door.run())


async def _stay_off(service: Service) -> None:
    """No access point is configured: nothing is listened on, and that is said. Until cancelled."""
    status = HeadsetStatus(certificate=CertificateStatus(state="off"))
    await service.bus.publish(HEADSET_STATUS, status)
    while True:
        await service.bus.connected.wait()
        await service.set_state("running", "no access point is configured")
        service.progress()
        await asyncio.sleep(LOOK_EVERY_S)


async def serve(
    service: Service,
    config: Config,
    door: Door,
    add_routes: Callable[[web.Application], None],
    *work: Coroutine[Any, Any, None],
) -> None:
    """Serve this door until cancelled. `add_routes`: of pairing; `work`: what it does besides."""
    await _HeadsetService(service, config, door, add_routes).run(*work)


class _HeadsetService:
    def __init__(
        self,
        service: Service,
        config: Config,
        door: Door,
        add_routes: Callable[[web.Application], None],
    ):
        self._service = service
        self._bus = service.bus
        self._section = config.headset
        self._add_routes = add_routes
        self._dirty = asyncio.Event()
        self._front = Front(service.bus, door, self._dirty.set)
        self._events = Events(service.bus, self._front.camera_of)
        self._front.on_session = self._events.session_changed
        door.on_end(lambda lease: self._events.lease_ended(lease.device))
        self._site = Site(config.headset.name, door, self._front.handle, self._events)
        self._outside = Outside(service.bus, door, self._front.handle, self._events)
        names = (config.headset.name, f"{config.box.id}.{config.headset.name}")
        self._public = PublicCredential(Path(config.directory) / config.headset.state, names)
        self._credentials = [self._public.credential, *_fleet(config)]
        self._context = server_context()
        self._loaded: tuple[Credential, float] | None = None
        self._certificate = CertificateStatus(name=config.headset.name)
        self._newer, self._ready = asyncio.Event(), asyncio.Event()
        self._trouble = ""

    async def run(self, *work: Coroutine[Any, Any, None]) -> None:
        await self._front.listen()
        await self._events.listen()
        await self._outside.listen()
        await self._bus.subscribe(ISSUED_CERTIFICATE, self._issued)
        await self._service.run(self._listen(), self._look(), self._tell(), *work)

    # The listener

    async def _listen(self) -> None:
        host, port = parse_address(self._section.listen)
        if not is_address(host):
            raise ConfigError("headset.listen: give the access point's address, not a name")
        app = self._site.application()
        self._add_routes(app)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=20, shutdown_timeout=1)
        await runner.setup()
        try:
            async with self._server(runner, host, port):
                await asyncio.get_running_loop().create_future()
        finally:
            await runner.cleanup()

    @contextlib.asynccontextmanager
    async def _server(self, runner: web.AppRunner, host: str, port: int) -> AsyncIterator[None]:
        """Once interface and certificate are there."""
        opened = await self._open(host, port)
        await self._ready.wait()
        handlers = runner.server
        if handlers is None:
            raise ConfigError("headset: the web server was not set up")
        server = await asyncio.get_running_loop().create_server(
            Gatekeeper(handlers),
            sock=opened,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_S,
        )
        await self._say("")
        try:
            yield
        finally:
            server.close()

    async def _open(self, host: str, port: int) -> socket.socket:
        while True:
            try:
                return open_socket(host, port, self._section.interface)
            except DeviceError as error:
                await self._say(str(error))
            await asyncio.sleep(RETRY_S)

    # The certificate

    async def _issued(self, issued: IssuedCertificate, keys: dict[str, str]) -> None:
        try:
            if self._public.take(issued.chain):
                self._newer.set()
        except RemoteProtocolError as error:
            logger.warning("what the hub sent is not used: %s", error)

    async def _look(self) -> None:
        """Now and then, and when a newer one came: load the best, say how it stands."""
        wish = CertificateWish(request=self._public.request())
        await self._bus.publish(CERTIFICATE_WISH, wish)
        while True:
            self._newer.clear()
            self._choose()
            self._outside.forget()
            self._dirty.set()
            await self._say(self._trouble)
            self._service.progress()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if self._loaded else RETRY_S):
                    await self._newer.wait()

    def _choose(self) -> None:
        now_utc = time.time()
        best = certificate.choose(self._credentials, self._section.name, now_utc)
        self._certificate = certificate.status(best, self._section.name, now_utc)
        if best is None or self._loaded == (best, best.chain.stat().st_mtime):
            return
        try:
            certificate.load_into(self._context, best)
        except DeviceError as error:
            logger.warning("%s", error)
            return
        self._loaded = best, best.chain.stat().st_mtime
        self._ready.set()

    # Reports

    async def _say(self, trouble: str) -> None:
        """What keeps the listener from serving; else how the certificate stands."""
        self._trouble = trouble
        words = trouble
        if not trouble:
            words = certificate.words(self._certificate, time.time())
        await self._service.set_state("degraded" if words else "running", words)

    async def _tell(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            status = HeadsetStatus(headsets=self._front.headsets, certificate=self._certificate)
            await self._bus.publish(HEADSET_STATUS, status)


def _fleet(config: Config) -> list[Credential]:
    """The fleet's own, if one is configured. Raises ConfigError."""
    section = config.headset
    if not section.fleet_certificate:
        return []
    chain = resolve_file(config, section.fleet_certificate)
    return [Credential("fleet", chain, resolve_file(config, section.fleet_key))]
