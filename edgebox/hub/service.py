"""The hub's web process: `edgebox run hub`. Driven by app.py.

Who may reach it: see web.py. It listens on `hub.listen` in plain HTTP, for the TLS front.
"""

import asyncio
import logging

from aiohttp import web

from edgebox.bus import Bus
from edgebox.config import Config, parse_address
from edgebox.errors import DeviceError
from edgebox.host import notify
from edgebox.hub.hub import Hub
from edgebox.hub.store import Store
from edgebox.hub.web import Site

logger = logging.getLogger(__name__)


async def run(config: Config) -> None:
    """Serve until cancelled."""
    store = Store(config.hub.database)
    try:
        async with Bus(config.hub.bus, "hub") as bus:
            hub = Hub(config, bus, store)
            await hub.start()
            runner = web.AppRunner(Site(hub).application(), access_log=None, shutdown_timeout=2)
            await runner.setup()
            try:
                await _serve(config, bus, hub, runner)
            finally:
                notify.stopping()
                await runner.cleanup()
    finally:
        await store.close()


async def _serve(config: Config, bus: Bus, hub: Hub, runner: web.AppRunner) -> None:
    host, port = parse_address(config.hub.listen)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise DeviceError(f"hub.listen {config.hub.listen}: {error.strerror}") from error
    logger.info("listening on %s", config.hub.listen)
    notify.ready(f"listening on {config.hub.listen}")
    async with asyncio.TaskGroup() as group:
        group.create_task(_fail_with(bus))
        group.create_task(hub.run())


async def _fail_with(bus: Bus) -> None:
    await bus.failed
