"""Simulated links as a whole: the links, the TCP relays beside them and their control page.

await run(load(file))                                  # a process of its own
async with running(settings) as links: ...             # inside another
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from edgebox.sim.control import Control
from edgebox.sim.link_settings import LinksSettings
from edgebox.sim.links import SimLink
from edgebox.sim.tcp_relay import TcpRelay


async def run(settings: LinksSettings) -> None:
    """Run until cancelled. Raises DeviceError when an address is taken."""
    async with running(settings):
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def running(settings: LinksSettings) -> AsyncIterator[dict[str, SimLink]]:
    """Run while in the context; gives the links by name."""
    async with contextlib.AsyncExitStack() as stack:
        links: dict[str, SimLink] = {}
        for one in settings.link:
            seed = f"{settings.seed} {one.name}"
            link = SimLink(one.listen, one.target, one.path(), seed=seed)
            links[one.name] = await stack.enter_async_context(link)
        for relay in settings.relay:
            carrier = TcpRelay(relay.listen, relay.target, list(links.values()))
            await stack.enter_async_context(carrier)
        await stack.enter_async_context(Control(settings, links))
        yield links
