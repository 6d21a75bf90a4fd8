"""Network interfaces as the kernel sees them, and word of every change: rtnetlink(7).

Reading needs no privilege. After each message the whole state is read anew, so that a lost
message (the kernel drops them under pressure) costs a delay and never a wrong state.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

logger = logging.getLogger(__name__)

SETTLE_S = 0.02
"""Messages come in swarms; they are answered together."""
RETRY_S = 1.0
IFF_UP, IFF_RUNNING = 0x1, 0x40
"""netdevice(7)."""


@dataclass(frozen=True)
class Interface:
    """One network interface."""

    name: str
    index: int
    up: bool
    """Switched on and with a carrier."""
    addresses: frozenset[str]


Interfaces = dict[str, Interface]


async def read_interfaces() -> Interfaces:
    """All interfaces by name. Raises OSError."""
    try:
        async with AsyncIPRoute() as route:
            addresses: dict[int, set[str]] = {}
            async for entry in await route.addr("dump"):
                addresses.setdefault(entry["index"], set()).add(entry.get("address") or "")
            return {
                entry.get("ifname"): Interface(
                    name=entry.get("ifname"),
                    index=entry["index"],
                    up=entry["flags"] & IFF_UP != 0 and entry["flags"] & IFF_RUNNING != 0,
                    addresses=frozenset(addresses.get(entry["index"], set())),
                )
                async for entry in await route.link("dump")
            }
    except NetlinkError as error:
        raise OSError(error.code, str(error)) from error


async def watch_interfaces(changed: Callable[[Interfaces], Awaitable[None]]) -> None:
    """Call `changed` with the state now and after every change, until cancelled."""
    said = ""
    while True:
        try:
            await _watch(changed)
        except* (OSError, NetlinkError) as errors:
            problem = str(errors.exceptions[0])
            if problem != said:
                logger.warning("netlink: %s, listening anew every second", problem)
            said = problem
        await asyncio.sleep(RETRY_S)


async def _watch(changed: Callable[[Interfaces], Awaitable[None]]) -> None:
    async with AsyncIPRoute() as route:
        await route.bind()
        last: Interfaces = {}
        news = asyncio.Event()
        news.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(_listen(route, news))
            while True:
                await news.wait()
                await asyncio.sleep(SETTLE_S)
                news.clear()
                now = await read_interfaces()
                if now != last:
                    last = now
                    await changed(now)


async def _listen(route: AsyncIPRoute, news: asyncio.Event) -> None:
    while True:
        async for _ in route.get():
            news.set()
