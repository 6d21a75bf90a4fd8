"""Boxes that pair over real HTTP and a real broker, and a page in a real Chromium that does it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import msgspec
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.bond import Bond
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusConfig
from edgebox.config.headset import Headset
from edgebox.headset.pairing import PairedDoor, add_routes
from edgebox.host.service import Service
from edgebox.messages.pairing import (
    PAIRING_STATUS,
    PRESENCE,
    REGISTRY,
    AskPresence,
    PairingStatus,
    PresenceCode,
)
from edgebox.pairing import keys
from edgebox.pairing.registry import Device
from edgebox.sim import pki
from tests.conftest import Broker
from tests.demo import CHROMIUM, CHROMIUM_ARGS
from tests.unit.pairing.fleet import Fleet

STATIC = Path(__file__).parents[2] / "edgebox/headset/static"
WAIT_S = 10.0
PAGE = """<!doctype html><html><head><script type="module">
import { pair } from "/static/pair.js";
import { openDevice } from "/static/keys.js";
window.states = [];
window.device = openDevice();
window.pairing = pair((state) => window.states.push(state));
</script></head><body></body></html>"""


class PairingBox:
    """One vehicle: broker, service, door."""

    def __init__(self, fleet: Fleet, box: str, directory: Path, broker: Broker):
        files = pki.box_credentials(fleet.directory, box)
        names = {one.box: one.name for one in fleet.vehicles}
        self.config = Config(
            box=Box(id=box, vehicle=names[box]),
            bus=BusConfig(address=broker.address),
            bond=Bond(
                ca=str(files.ca),
                certificate=str(files.certificate),
                private_key=str(files.private_key),
            ),
            headset=Headset(state=str(directory / box)),
        )
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.service = await self._stack.enter_async_context(Service("headset", self.config))
        self.panel = await self._stack.enter_async_context(
            Bus(self.config.bus.address, "panel", box=self.config.box.id)
        )
        await self.panel.connected.wait()
        self.status: PairingStatus | None = None
        await self.panel.subscribe(PAIRING_STATUS, self._receive)
        self.door = PairedDoor(self.service)
        await self.door.start()
        self._task = asyncio.create_task(self.door.run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._stack.aclose()

    async def _receive(self, status: PairingStatus, keys: dict[str, str]) -> None:
        self.status = status

    async def code(self) -> str:
        """What the panel shows."""
        answer = await self.panel.request(PRESENCE, AskPresence())
        assert isinstance(answer, PresenceCode)
        return answer.text

    async def until_card(self, state: str) -> Any:
        """The first card of that state, once the panel has been told."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for card in self.status.cards if self.status else ():
                    if card.state == state:
                        return card
                await asyncio.sleep(0.02)

    async def until_no_card(self, state: str) -> None:
        """The panel has been told that there is none of that state."""
        async with asyncio.timeout(WAIT_S * 2):
            while self.status is None or any(one.state == state for one in self.status.cards):
                await asyncio.sleep(0.02)


class Vehicle:
    """The network the headset is on: one origin, behind which now this box is and now that."""

    def __init__(self) -> None:
        self.door: PairedDoor | None = None
        self.steps: list[str] = []
        """What devices asked for."""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve; gives the origin."""
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_static("/static", STATIC)
        app.router.add_post("/pair/{step}", self._pair)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=PAGE, content_type="text/html")

    async def _pair(self, request: web.Request) -> web.StreamResponse:
        self.steps.append(request.match_info["step"])
        if self.door is None:
            return web.Response(status=502)
        inner = web.Application()
        add_routes(inner, self.door)
        found = await inner.router.resolve(request)
        return await found.handler(request)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A real one."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        try:
            yield browser
        finally:
            await browser.close()


async def until_state(page: Page, state: str, reason: str = "") -> dict[str, Any]:
    """What the page was told last, once it is that."""
    seen: Any = None
    try:
        async with asyncio.timeout(WAIT_S * 2):
            while True:
                seen = await page.evaluate("window.states?.[window.states.length - 1]")
                if seen and seen["state"] == state and (not reason or seen["reason"] == reason):
                    return dict(seen)
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"no {state} {reason}; last {seen}") from None


async def enlist(page: Page, fleet: Fleet, entry: Device) -> str:
    """What fleet staff do, without them: the page's key in the registry. Gives the device's id."""
    point = await page.evaluate("window.device.then((one) => one.point)")
    public = keys.load_point(keys.decode(point))
    device = keys.device_id(public)
    fleet.devices[device] = msgspec.structs.replace(entry, key=keys.short_point(public))
    authority = keys.encode(fleet.authority.der)
    await page.evaluate(
        """async (authority) => {
          const { decode } = await import("/static/keys.js");
          await (await window.device).keep({ authority: decode(authority) });
        }""",
        authority,
    )
    return device


async def send_registry(hub: Bus, fleet: Fleet, *boxes: PairingBox) -> None:
    """To these boxes; they have it when this returns."""
    fleet.utc = time.time()
    signed = fleet.registry(ago_s=1.0)
    for box in boxes:
        await hub.publish(REGISTRY, signed, box=box.config.box.id)
    async with asyncio.timeout(WAIT_S):
        while any(box.door.gate.registry_version < signed.version for box in boxes):
            await asyncio.sleep(0.01)
