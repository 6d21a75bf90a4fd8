"""A box's headset service and media, with a door that knows its bearers from the start."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from playwright.async_api import Page, Route, async_playwright

from edgebox.config import Config
from edgebox.config.headset import Headset
from edgebox.config.media import Camera
from edgebox.headset import service as headset_service
from edgebox.headset.door import Lease, Refusal
from edgebox.host.service import Service
from edgebox.media import service as media_service
from edgebox.messages.headset import HEADSET_STATUS, HeadsetStatus
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.sim import pki
from edgebox.sim.ports import free_port
from tests.conftest import Broker
from tests.integration.media_rig import FLAGS, Observer, configuration, observing

CHROMIUM = "/usr/bin/chromium"
NAME = "headset.test"
BEARER, OTHER = "bearer-of-the-first", "bearer-of-the-other"
FAKE_MEDIA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

PAIR_JS = """
export function pair(onState) {
  window.pairing = {
    set(state) { onState({state: "starting", reason: "", vehicle: "", digits: "", belongs: "",
                          ...state}); },
  };
  const first = window.firstState ??
    {state: "paired", vehicle: "Ambulanse 1", digits: "47"};
  setTimeout(() => window.pairing.set(first));
  return {bearer: () => "BEARER", presence: (text) => (window.scanned = text),
          wrongCar: () => (window.wrong = true), check() {}, stop() {}};
}
"""


@dataclass
class FixedDoor:
    """Bearers that are good, and those that are not any more."""

    leases: dict[str, Lease] = field(
        default_factory=lambda: {
            BEARER: Lease("device-1", "Hodekamera 1", "47", time.monotonic() + 3600),
            OTHER: Lease("device-2", "Hodekamera 2", "48", time.monotonic() + 3600),
        }
    )
    callbacks: list[Callable[[Lease], None]] = field(default_factory=list)

    def check(self, bearer: str, now: float) -> Lease | Refusal:
        return self.leases.get(bearer, Refusal("unknown"))

    def on_end(self, callback: Callable[[Lease], None]) -> None:
        self.callbacks.append(callback)

    def end(self, bearer: str) -> None:
        """As pairing does when the heartbeat is lost."""
        lease = self.leases.pop(bearer)
        for callback in self.callbacks:
            callback(lease)


@dataclass
class HeadsetBox:
    """What a test has in hand."""

    observer: Observer
    config: Config
    door: FixedDoor
    url: str
    media: asyncio.Task[None]
    statuses: list[HeadsetStatus]
    services: list[ServiceStatus]


def headset_configuration(
    broker: Broker, directory: Path, turn: str = "127.0.0.1:9", *cameras: Camera
) -> Config:
    """A box whose access point is loopback, with a certificate of the fleet's authority."""
    files = pki.hub_credentials(directory / "pki", [NAME, "127.0.0.1"])
    base = configuration(broker, turn, *cameras, directory=str(directory))
    section = Headset(
        listen=f"127.0.0.1:{free_port()}",
        name=NAME,
        fleet_certificate=str(files.certificate),
        fleet_key=str(files.private_key),
        state=str(directory / "headset"),
    )
    return msgspec.structs.replace(base, headset=section)


async def _run_headset(config: Config, door: FixedDoor) -> None:
    async with Service("headset", config) as service:
        await headset_service.serve(service, config, door, lambda app: None)


@contextlib.asynccontextmanager
async def headset_box(config: Config) -> AsyncIterator[HeadsetBox]:
    """Media and the headset service in this process."""
    door = FixedDoor()
    media = asyncio.create_task(media_service.run(config))
    headset = asyncio.create_task(_run_headset(config, door))
    port = config.headset.listen.rpartition(":")[2]
    try:
        async with observing(config) as observer:
            statuses: list[HeadsetStatus] = []
            services: list[ServiceStatus] = []

            async def keep(status: HeadsetStatus, keys: dict[str, str]) -> None:
                statuses.append(status)

            async def keep_service(status: ServiceStatus, keys: dict[str, str]) -> None:
                if status.service == "headset":
                    services.append(status)

            await observer.bus.subscribe(HEADSET_STATUS, keep)
            await observer.bus.subscribe(SERVICE_STATUS, keep_service)
            box = HeadsetBox(
                observer, config, door, f"https://{NAME}:{port}", media, statuses, services
            )
            await observer.until(
                lambda s: s.cameras and all(c.state in {"ready", "live"} for c in s.cameras)
            )
            async with asyncio.timeout(10):
                while not await _listens(int(port)):
                    await asyncio.sleep(0.02)
            yield box
    finally:
        for task in (headset, media):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _stub_pairing(route: Route) -> None:
    await route.fulfill(body=PAIR_JS.replace("BEARER", BEARER), content_type="text/javascript")


@contextlib.asynccontextmanager
async def headset_page(
    box: HeadsetBox,
    *,
    size: tuple[int, int] = (854, 480),
    first: str = "",
    lang: str = "nb",
    script: str = "",
    more_flags: Sequence[str] = (),
) -> AsyncIterator[Page]:
    """The device's page in a Chromium with a fake camera; pairing is a stub.

    `script`: run in it before its own.
    """
    async with async_playwright() as play:
        flags = [
            *FLAGS,
            *FAKE_MEDIA,
            *more_flags,
            f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
        ]
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = await browser.new_context(
            ignore_https_errors=True, viewport={"width": size[0], "height": size[1]}
        )
        page = await context.new_page()
        if first:
            await page.add_init_script(f"window.firstState = {first};")
        if script:
            await page.add_init_script(script)
        await page.route("**/pair.js", _stub_pairing)
        await page.goto(f"{box.url}/?lang={lang}")
        yield page
        await browser.close()
