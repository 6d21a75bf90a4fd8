"""Headsets on the panel in a real Chromium, with the real door behind it and devices in front."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import Page, expect

from edgebox.bus import Bus
from edgebox.config.bond import Bond
from edgebox.headset.pairing import PairedDoor
from edgebox.host.service import Service
from edgebox.messages.pairing import REGISTRY
from edgebox.pairing.registry import Vehicle
from edgebox.pairing.wire import Paired, Refused, Waiting
from edgebox.sim import pki
from edgebox.sim.headset_device import SimDevice
from tests.integration.panel_box import (
    BOX,
    brokers,
    chromium,
    config_for,
    open_panel,
    running_panel,
    stand_in,
)
from tests.integration.test_hub_fleet import until as until_true
from tests.integration.test_panel_screens import FORMS, see
from tests.unit.pairing.fleet import Fleet

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


async def knock(door: PairedDoor, device: SimDevice, code: str = "") -> Paired | Waiting | Refused:
    """The whole handshake."""
    hello = device.hello()
    challenge = door.gate.hello(hello, time.monotonic(), time.time())
    said = device.prove(hello, challenge, time.time(), code)
    answer = await door.admit(said, outside=False, address="10.0.0.2")
    if isinstance(answer, Paired):
        device.take(answer)
    return answer


async def everywhere(pages: list[Page], place: str, text: str) -> None:
    """All pages show it."""
    for page in pages:
        await expect(page.locator(place)).to_contain_text(text)


async def test_headsets_on_the_panel(tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    fleet = Fleet(tmp_path / "pki")
    fleet.vehicles = [
        Vehicle(box=BOX, name="Ambulanse 7-3"),
        Vehicle(box="box-2", name="Ambulanse 2-4"),
    ]
    fleet.utc = time.time()
    pool, own = fleet.device("pool", name="Headset 3"), fleet.device(box=BOX, name="Headset 8")
    foreign = fleet.device(box="box-2", name="Nettbrett Sandviken akuttmottak")
    files = pki.box_credentials(fleet.directory, BOX)
    with brokers() as both:
        config = config_for(both)
        bond = Bond(
            ca=str(files.ca),
            certificate=str(files.certificate),
            private_key=str(files.private_key),
            link=config.bond.link,
        )
        headset = msgspec.structs.replace(config.headset, state=str(tmp_path / "state"))
        config = msgspec.structs.replace(config, bond=bond, headset=headset)
        async with (
            stand_in(config, both) as box,
            Service("headset", config) as service,
            Bus(both.box.address, "hub") as hub,
            running_panel(config) as url,
            chromium() as browser,
        ):
            door = PairedDoor(service)
            await door.start()
            await service.set_state("running")
            await hub.connected.wait()
            await hub.publish(REGISTRY, fleet.registry(ago_s=1.0), box=BOX)
            await until_true(lambda: door.gate.registry_version == 1)
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            first = pages[0]

            async def tell() -> None:
                await door._tell()

            # Assigned: live without a touch, shown with its digits, and "wrong vehicle" ends it.
            paired = await knock(door, own)
            assert isinstance(paired, Paired)
            await tell()
            await everywhere(pages, "#guests .name", "Headset 8")
            await everywhere(pages, "#guests .digits", paired.digits)
            await everywhere(pages, "#guests .gets", "Ambulanse 7-3")
            await see("headset-paired", pages, found)
            # Of the pool: it asks; a tap lets it in.
            waiting = await knock(door, pool)
            assert isinstance(waiting, Waiting)
            await tell()
            await everywhere(pages, "#guests .digits", waiting.digits)
            await see("headset-asks", pages, found)
            # While it is live, too.
            await box.go_live("front")
            await everywhere(pages, "#guests .name", "Headset 3")
            await see("headset-asks-live", pages, found)
            await first.wait_for_timeout(800)
            await knock(door, pool)
            await first.locator("#guests .allow").click()
            await until_true(lambda: bool(door.gate._allowed))
            assert isinstance(await knock(door, pool), Paired)
            await tell()
            # Another vehicle's.
            assert isinstance(await knock(door, foreign), Refused)
            await tell()
            # The pane: code and devices.
            for page in pages:
                await page.locator("#settings").click()
                await page.locator("#headset-open").click()
                await expect(page.locator("#headset-qr")).to_be_visible()
                await expect(page.locator("#headset-devices")).to_contain_text("Headset 8")
            await everywhere(pages, "#headset-devices", "Ambulanse 2-4")
            await see("headset-pane", pages, found)
            # "Wrong vehicle" takes two taps.
            row = first.locator(".headset-device", has_text="Headset 8").locator(".wrong")
            await first.wait_for_timeout(800)
            await row.click()
            await first.wait_for_timeout(500)
            assert len(door.gate.leases.held) == 2
            await row.click()
            await until_true(lambda: len(door.gate.leases.held) == 1)
            refused = await knock(door, own)
            assert isinstance(refused, Refused)
            assert refused.reason == "wrong-car"
            # Closed, the code is nowhere.
            await first.locator("#headset-pane .close").click()
            assert await first.locator("#headset-qr-path").get_attribute("d") == ""
    assert not found, "\n".join(f"{where}: {faults}" for where, faults in found.items())
