"""Fleet staff, hub, two vehicles and a headset: from an empty list to a blocked device."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from playwright.async_api import Page

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.hub import fleet_pages, pair_relay
from edgebox.hub.fleet import Fleet, Signer
from edgebox.hub.fleet_store import FleetStore
from edgebox.hub.passes import Passes
from edgebox.hub.staff import Staff
from edgebox.messages.base import Fault
from edgebox.messages.services import BOX_INFO, BoxInfo
from edgebox.pairing.wire import Challenge, Hello, Paired, Prove, Refused
from edgebox.sim import pki
from edgebox.sim.headset_device import SimDevice
from edgebox.sim.ports import free_port
from tests.conftest import Broker
from tests.integration.pairing_rig import (
    WAIT_S,
    PairingBox,
    Vehicle,
    chromium,
    until_state,
)
from tests.unit.pairing.fleet import Fleet as SimFleet


@dataclass
class Office:
    """The hub's part for the fleet, as its service puts it together."""

    fleet: Fleet
    staff_url: str
    public_url: str
    pki: SimFleet
    bus: Bus


@contextlib.asynccontextmanager
async def office(directory: Path, broker: Broker) -> AsyncIterator[Office]:
    port = free_port()
    made = SimFleet(directory / "pki")
    pki.registry_credentials(directory / "pki")
    pki.hub_credentials(directory / "pki", ("127.0.0.1",))
    pki.staff_credentials(directory / "staff", "fleet", "Kari Flåte", "fleet")
    hub = Hub(
        database=f"sqlite:///{directory}/hub.db",
        staff_listen=f"127.0.0.1:{port}",
        staff_url=f"https://127.0.0.1:{port}",
        staff_ca="staff/ca.pem",
        staff_certificate="pki/hub.pem",
        staff_private_key="pki/hub.key",
        registry_certificate="pki/registry.pem",
        registry_key="pki/registry.key",
        registry_ca="pki/ca.pem",
    )
    config = Config(hub=hub, directory=str(directory))
    store = FleetStore(hub.database)
    async with Bus(broker.address, "hub") as bus:
        await bus.connected.wait()
        fleet = Fleet(bus, store, Signer(config), 365)
        await fleet.start()
        staff = Staff(config)
        app, public = staff.application(), web.Application()
        fleet_pages.add_routes(app, fleet, "nb")
        pair_relay.add_routes(public, bus, fleet, Passes())
        runner = web.AppRunner(public, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        work = asyncio.create_task(fleet.run())
        try:
            async with staff.serving(app):
                url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                yield Office(fleet, hub.staff_url, url, made, bus)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await runner.cleanup()
            await store.close()


@contextlib.asynccontextmanager
async def fleet_of_two(
    directory: Path, broker: Broker
) -> AsyncIterator[tuple[Office, PairingBox, PairingBox]]:
    """The office has heard of both vehicles."""
    async with (
        office(directory, broker) as here,
        PairingBox(here.pki, "box-1", directory, broker) as one,
        PairingBox(here.pki, "box-2", directory, broker) as two,
    ):
        for box in (one, two):
            await box.panel.publish(BOX_INFO, BoxInfo(vehicle=box.config.box.vehicle))
        await until(lambda: len(here.fleet.vehicles) == 2)
        yield here, one, two


async def until(holds: object) -> None:
    """Wait for it."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def enrol(here: Office, mode: str, box: str = "") -> SimDevice:
    """A device without a browser; the boxes have it when this returns."""
    ticket = here.fleet.ticket("test", "Headset 3", "Oslo", mode, box)  # type: ignore[arg-type]
    assert ticket is not None
    device = SimDevice(here.pki.authority)
    asked = device.enrol(ticket.code, here.pki.authority.der)
    assert not isinstance(await here.fleet.enrol(asked), Fault)
    again = SimDevice(here.pki.authority).enrol(ticket.code, here.pki.authority.der)
    assert isinstance(await here.fleet.enrol(again), Fault), "a code is good once"
    return device


async def knock(box: PairingBox, device: SimDevice, code: str = "") -> Paired | Refused | object:
    """The whole handshake with one box."""
    await until(lambda: box.door.gate.knows(device.id))
    hello = device.hello()
    challenge = box.door.gate.hello(hello, time.monotonic(), time.time())
    said = device.prove(hello, challenge, time.time(), code)
    answer = await box.door.admit(said, outside=False, address="10.0.0.2")
    if isinstance(answer, Paired):
        device.take(answer)
    return answer


async def test_two_boxes_at_the_same_moment(tmp_path: Path, broker: Broker) -> None:
    """Of the pool, in both with a good code: the hub's first keeps it."""
    async with fleet_of_two(tmp_path, broker) as (here, one, two):
        device = await enrol(here, "pool")
        twin = SimDevice(device.authority, key=device.key)
        answers = await asyncio.gather(
            knock(one, device, await one.code()), knock(two, twin, await two.code())
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Paired", "Refused"]
        [refused] = [answer for answer in answers if isinstance(answer, Refused)]
        assert refused.reason == "elsewhere"
        assert len(one.door.gate.leases.held) + len(two.door.gate.leases.held) == 1


async def test_a_newer_lease_ends_the_older_one(tmp_path: Path, broker: Broker) -> None:
    async with fleet_of_two(tmp_path, broker) as (here, one, two):
        device = await enrol(here, "pool")
        assert isinstance(await knock(one, device, await one.code()), Paired)
        await one.door.beat(device.beat())
        await until(lambda: here.fleet.ledger.entries[device.id].confirmed)
        copy = SimDevice(device.authority, key=device.key, last=None)
        assert isinstance(await knock(two, device, await two.code()), Paired)
        await until(lambda: not one.door.gate.leases.held)
        # The copy shows no lease: neither vehicle takes it, and staff are told.
        answer = await knock(one, copy, await one.code())
        assert isinstance(answer, Refused)
        assert answer.reason == "cloned"
        deadline = time.monotonic() + WAIT_S
        while (await here.fleet.latest())[0].event != "cloned":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def test_outside_the_vehicle_by_way_of_the_hub(tmp_path: Path, broker: Broker) -> None:
    async with fleet_of_two(tmp_path, broker) as (here, one, _), aiohttp.ClientSession() as web_:
        device = await enrol(here, "assigned", "box-1")
        await until(lambda: one.door.gate.knows(device.id))

        async def ask(step: str, body: msgspec.Struct) -> tuple[int, bytes]:
            headers = {"Content-Type": "application/json"}
            url = f"{here.public_url}/pair/{step}"
            async with web_.post(url, data=msgspec.json.encode(body), headers=headers) as answer:
                return answer.status, await answer.read()

        hello = device.hello()
        status, body = await ask("hello", hello)
        assert status == 200
        challenge = msgspec.json.decode(body, type=Challenge)
        said: Prove = device.prove(hello, challenge, time.time())
        status, body = await ask("prove", said)
        assert status == 200
        device.take(msgspec.json.decode(body, type=Paired))
        assert (await ask("heartbeat", device.beat()))[0] == 200
        stranger = Hello(device="0" * 32, nonce=hello.nonce)
        assert (await ask("hello", stranger))[0] == 403
        status, _body = await ask("prove", said)
        assert status == 403


async def test_a_hub_that_begins_anew_knows_what_it_knew(tmp_path: Path, broker: Broker) -> None:
    async with fleet_of_two(tmp_path, broker) as (here, one, _):
        device = await enrol(here, "assigned", "box-1")
        assert isinstance(await knock(one, device), Paired)
        await one.door.beat(device.beat())
        await until(lambda: here.fleet.ledger.entries.get(device.id) is not None)
        before = one.door.gate.registry_version
    async with fleet_of_two(tmp_path, broker) as (here, one, _):
        assert device.id in here.fleet.devices
        assert here.fleet.ledger.entries[device.id].counter == 1
        await until(lambda: one.door.gate.registry_version > before)
        assert isinstance(await knock(one, device), Paired)


async def staff_page(here: Office, directory: Path, browser: object) -> Page:
    """Fleet staff's, in a browser with their certificate."""
    context = await browser.new_context(  # type: ignore[attr-defined]
        ignore_https_errors=True,
        locale="nb-NO",
        client_certificates=[
            {
                "origin": here.staff_url,
                "certPath": str(directory / "staff/fleet.pem"),
                "keyPath": str(directory / "staff/fleet.key"),
            }
        ],
    )
    page: Page = await context.new_page()
    await page.goto(f"{here.staff_url}/fleet")
    return page


@pytest.mark.browser
async def test_staff_enrol_a_headset_move_it_and_block_it(tmp_path: Path, broker: Broker) -> None:
    vehicle = Vehicle()
    async with (
        fleet_of_two(tmp_path, broker) as (here, one, two),
        vehicle.serving() as url,
        chromium() as browser,
    ):
        vehicle.door = two.door
        headset = await browser.new_page()
        await headset.goto(url)
        await until_state(headset, "unenrolled")
        staff = await staff_page(here, tmp_path, browser)
        new = staff.locator("form[action='/fleet/tickets']")
        await new.locator("input[name=name]").fill("Headset 7")
        await new.locator("select").select_option("box-2")
        await new.locator("button").click()
        await staff.locator("svg.code").wait_for()
        await shoot(staff, "fleet-code")
        [ticket] = here.fleet.tickets.values()
        await headset.evaluate("(text) => pairing.presence(text)", ticket.code)
        await until_state(headset, "paired")
        await staff.locator("h1.done").wait_for()
        await until(lambda: bool(here.fleet.ledger.entries))
        await staff.goto(f"{here.staff_url}/fleet")
        row = staff.locator("[data-device]")
        assert "Ambulanse 2-4, nå" in await row.inner_text()
        await shoot(staff, "fleet")
        await row.locator("select").select_option("box-1")
        await row.locator("button[value=save]").click()
        refused = await until_state(headset, "refused", "elsewhere")
        assert refused["belongs"] == "Ambulanse 1-7"
        vehicle.door = one.door
        await headset.evaluate("dispatchEvent(new Event('online'))")
        await until_state(headset, "paired")
        await row.locator("summary").click()
        await row.locator("button[value=revoke]").click()
        await until_state(headset, "refused", "revoked")
        assert not one.door.gate.leases.held
        await shoot(staff, "fleet-blocked")
        rows = [row.event for row in await here.fleet.latest() if row.event != "knocked"]
        assert rows == ["revoked", "changed", "enrolled"]


async def shoot(page: Page, name: str) -> None:
    """For people who look at it."""
    if directory := os.environ.get("EDGEBOX_SHOTS"):
        await page.screenshot(path=f"{directory}/{name}.png", full_page=True)
