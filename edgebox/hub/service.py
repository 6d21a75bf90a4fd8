"""The hub's web process: `edgebox run hub`. Driven by app.py.

Who may reach it: see web.py and staff.py. It listens on `hub.listen` in plain HTTP, for the TLS
front, on `hub.headset_listen` for headsets outside their vehicle, and on `hub.staff_listen` for the
fleet's own people. Who may reach those: headset.py, staff.py.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from aiohttp import web

from edgebox.bus import Bus
from edgebox.config import Config, parse_address, read_secret, resolve_file
from edgebox.errors import DeviceError
from edgebox.host import notify
from edgebox.hub import fleet_pages, headset, update_pages, update_serve
from edgebox.hub.desk import Desk
from edgebox.hub.desk import add_routes as add_desk_routes
from edgebox.hub.enrolment import Enrolment
from edgebox.hub.fleet import Fleet, Signer
from edgebox.hub.fleet_store import FleetStore
from edgebox.hub.hub import Hub
from edgebox.hub.links import Links
from edgebox.hub.signalling import Signalling
from edgebox.hub.staff import Staff
from edgebox.hub.store import Store
from edgebox.hub.update_board import UpdateBoard
from edgebox.hub.update_files import directory_of
from edgebox.hub.update_store import UpdateStore
from edgebox.hub.vitals_export import exporters
from edgebox.hub.vitals_receiver import VitalsReceiver
from edgebox.hub.vitals_store import VitalsStore
from edgebox.hub.web import Site
from edgebox.messages.room import CREATE_INVITE
from edgebox.messages.selftest import ASK_TURN
from edgebox.support.audit import open_trail

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]


async def run(config: Config) -> None:
    """Serve until cancelled. Raises ConfigError or DeviceError."""
    turn_secret = read_secret(config, config.hub.turn_secret)
    store = Store(config.hub.database)
    vitals_store = VitalsStore(config.hub.vitals_database or config.hub.database)
    fleet_store = FleetStore(config.hub.database)
    update_store = UpdateStore(config.hub.database)
    exports = exporters(config, vitals_store)
    try:
        async with Bus(config.hub.bus, "hub") as bus:
            hub = Hub(bus, store, config.hub.audit_keep_days)
            links = Links(config.hub, hub, store)
            signalling = Signalling(bus, hub, config.hub.turn_urls, turn_secret)
            await hub.start()
            await bus.serve(CREATE_INVITE, links.create)
            await bus.serve(ASK_TURN, signalling.turn_for_box)
            await vitals_store.call(vitals_store.set_up)
            vitals = VitalsReceiver(bus, vitals_store, config.hub.vitals_keep_h)
            await vitals.start()
            site = Site(config.hub, hub, links, signalling)
            application = site.application()
            Enrolment(bus).add_routes(application)
            updates = await _updates(config, bus, update_store, application)
            fleet = await _fleet(config, bus, fleet_store)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=2)
            await runner.setup()
            try:
                async with (
                    _staff_pages(config, bus, fleet, updates, turn_secret) as staff_work,
                    headset.serving(config, bus, fleet, turn_secret),
                ):
                    work = [
                        hub.run,
                        vitals.run,
                        updates.run,
                        *(one.run for one in exports),
                        *staff_work,
                    ]
                    await _serve(config, bus, runner, work)
            finally:
                notify.stopping()
                await runner.cleanup()
    finally:
        await store.close()
        await vitals_store.close()
        await fleet_store.close()
        await update_store.close()


async def _fleet(config: Config, bus: Bus, store: FleetStore) -> Fleet | None:
    """The fleet's headsets, if somebody signs their list."""
    if not config.hub.registry_certificate:
        return None
    fleet = Fleet(bus, store, Signer(config), config.hub.audit_keep_days)
    await fleet.start()
    return fleet


async def _updates(
    config: Config, bus: Bus, store: UpdateStore, application: web.Application
) -> UpdateBoard:
    """Offers of new versions, and where boxes fetch them."""
    signer, directory = update_serve.Signer(config.hub.public_url), directory_of(config)
    update_serve.add_routes(application, signer, directory)
    board = UpdateBoard(bus, store, directory, signer, config.hub.audit_keep_days)
    await board.start()
    return board


@contextlib.asynccontextmanager
async def _staff_pages(
    config: Config, bus: Bus, fleet: Fleet | None, updates: UpdateBoard, turn_secret: bytes
) -> AsyncIterator[list[Work]]:
    """The pages for staff and technicians, if they are configured; gives what they need run."""
    fleet_work: list[Work] = [fleet.run] if fleet is not None else []
    if not config.hub.staff_listen:
        yield fleet_work
        return
    staff = Staff(config)
    app = staff.application()
    trail = open_trail(resolve_file(config, config.hub.support_audit), time.time())
    desk = Desk(bus, config.hub, trail, staff.is_welcome, staff.is_revoked, turn_secret)
    add_desk_routes(app, desk)
    update_pages.add_routes(app, updates, config.hub.language)
    if fleet is not None:
        fleet_pages.add_routes(app, fleet, config.hub.language)
    await desk.start()
    async with staff.serving(app):
        logger.info("staff: listening on %s", config.hub.staff_listen)
        yield [desk.run, *fleet_work]


async def _serve(config: Config, bus: Bus, runner: web.AppRunner, work: Sequence[Work]) -> None:
    host, port = parse_address(config.hub.listen)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise DeviceError(f"hub.listen {config.hub.listen}: {error.strerror}") from error
    logger.info("listening on %s", config.hub.listen)
    notify.ready(f"listening on {config.hub.listen}")
    async with asyncio.TaskGroup() as group:
        group.create_task(_fail_with(bus))
        for one in work:
            group.create_task(one())


async def _fail_with(bus: Bus) -> None:
    await bus.failed
