"""A stand-in for a provider of text messages: takes every message and forgets it.

Listens on loopback; whoever is on this machine may ask.
"""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from edgebox.sim.ports import LOOPBACK


@contextlib.asynccontextmanager
async def sms_gateway(port: int) -> AsyncIterator[None]:
    """Serves while in the context."""
    application = web.Application()
    application.router.add_post("/send", _take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        yield
    finally:
        await runner.cleanup()


async def _take(request: web.Request) -> web.Response:
    return web.Response(status=202)
