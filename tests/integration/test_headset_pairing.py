"""The page's half of pairing in a real Chromium against the box's half, over a real broker."""

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Browser

from edgebox.bus import Bus
from edgebox.headset.door import Lease, Refusal
from edgebox.messages.base import Done
from edgebox.messages.pairing import (
    ALLOW_DEVICE,
    CLAIM,
    END_DEVICE,
    ENROL,
    REGISTRY,
    AllowDevice,
    Claim,
    Claimed,
    EndDevice,
    Enrol,
    Enrolled,
)
from edgebox.pairing import enrolment, keys
from edgebox.pairing.registry import Device, Mode
from tests.conftest import Broker
from tests.integration.pairing_rig import (
    PairingBox,
    Vehicle,
    chromium,
    enlist,
    send_registry,
    until_state,
)
from tests.unit.pairing.fleet import DAY_S, Fleet

pytestmark = pytest.mark.browser


def entry(mode: Mode = "assigned", box: str = "box-1") -> Device:
    """Without its key."""
    return Device(
        key=b"",
        name="Headset 3",
        mode=mode,
        box=box,
        expires_utc=time.time() + 300 * DAY_S,
    )


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium."""
    async with chromium() as one:
        yield one


@pytest.fixture
async def hub(broker: Broker) -> AsyncIterator[Bus]:
    """The hub's side of the bus, on the same broker."""
    async with Bus(broker.address, "hub") as bus:
        await bus.connected.wait()
        yield bus


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Two vehicles, now."""
    made = Fleet(tmp_path / "pki")
    made.utc = time.time()
    return made


@contextlib.asynccontextmanager
async def two_vehicles(
    fleet: Fleet, directory: Path, broker: Broker
) -> AsyncIterator[tuple[PairingBox, PairingBox]]:
    """Side by side."""
    async with (
        PairingBox(fleet, "box-1", directory, broker) as own,
        PairingBox(fleet, "box-2", directory, broker) as other,
    ):
        yield own, other


async def test_live_in_its_own_vehicle_and_refused_in_the_other(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    vehicle = Vehicle()
    async with two_vehicles(fleet, tmp_path, broker) as (own, other), vehicle.serving() as url:
        vehicle.door = other.door
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        await enlist(page, fleet, entry())
        await send_registry(hub, fleet, own, other)
        await page.reload()
        refused = await until_state(page, "refused")
        assert (refused["reason"], refused["belongs"]) == ("elsewhere", "Ambulanse 1-7")
        assert (await other.until_card("refused")).belongs == "Ambulanse 1-7"
        vehicle.door = own.door
        await page.evaluate("dispatchEvent(new Event('online'))")
        paired = await until_state(page, "paired")
        card = await own.until_card("paired")
        assert (paired["vehicle"], paired["digits"]) == ("Ambulanse 1-7", card.digits)
        bearer = await page.evaluate("pairing.bearer()")
        lease = own.door.check(bearer, time.monotonic())
        assert isinstance(lease, Lease)
        assert lease.name == "Headset 3"
        # The box's service starts anew: the page comes back by itself, with its counter.
        await own.__aexit__(None, None, None)
        vehicle.door = None
        async with PairingBox(fleet, "box-1", tmp_path, broker) as again:
            vehicle.door = again.door
            await again.until_card("paired")
            assert await page.evaluate("window.device.then(async (d) => d.id)") == lease.device
            assert await until_state(page, "paired")


async def test_the_key_cannot_be_taken_out(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    vehicle = Vehicle()
    async with vehicle.serving() as url:
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        kept = await page.evaluate("""async () => {
          const open = indexedDB.open("edgebox-pairing");
          await new Promise((done) => { open.onsuccess = done; });
          const get = open.result.transaction("device").objectStore("device").get("me");
          await new Promise((done) => { get.onsuccess = done; });
          const key = get.result.privateKey;
          const out = await crypto.subtle.exportKey("pkcs8", key).catch((error) => error.name);
          return [key.extractable, out];
        }""")
        assert kept == [False, "InvalidAccessError"]


async def test_pool_by_code_and_by_tap(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    vehicle = Vehicle()
    async with two_vehicles(fleet, tmp_path, broker) as (own, other), vehicle.serving() as url:
        vehicle.door = own.door
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        device = await enlist(page, fleet, entry("pool", ""))
        await send_registry(hub, fleet, own, other)
        await page.reload()
        waiting = await until_state(page, "waiting")
        # The neighbour's code: the page says so, and this box is not even told of it.
        theirs = await other.code()
        await page.evaluate("(text) => pairing.presence(text)", theirs)
        await until_state(page, "waiting", "code")
        assert other.door.gate.leases.held == []
        code = await own.code()
        assert await page.evaluate("(text) => pairing.presence(text)", code)
        paired = await until_state(page, "paired")
        assert paired["digits"] == waiting["digits"]
        # Said at the panel: cut off at once, and a tap lets it in again.
        ended: list[Lease] = []
        own.door.on_end(ended.append)
        bearer = await page.evaluate("pairing.bearer()")
        assert await own.panel.request(END_DEVICE, EndDevice(device=device)) == Done()
        assert [one.device for one in ended] == [device]
        assert own.door.check(bearer, time.monotonic()) == Refusal("expired")
        await until_state(page, "refused", "wrong-car")
        own.door.gate._barred.clear()  # a minute later
        await page.evaluate("dispatchEvent(new Event('online'))")
        card = await own.until_card("asks")
        wish = AllowDevice(device=device, digits=card.digits)
        assert await own.panel.request(ALLOW_DEVICE, wish) == Done()
        await until_state(page, "paired")
        # Said at the headset.
        await page.evaluate("pairing.wrongCar()")
        await until_state(page, "refused", "wrong-car")
        await own.until_no_card("paired")
        assert len(ended) == 2


@pytest.mark.long
async def test_asleep_in_the_middle_of_a_call_and_back(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    vehicle = Vehicle()
    async with PairingBox(fleet, "box-1", tmp_path, broker) as own, vehicle.serving() as url:
        vehicle.door = own.door
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        await enlist(page, fleet, entry())
        await send_registry(hub, fleet, own)
        await page.reload()
        await until_state(page, "paired")
        ended: list[Lease] = []
        own.door.on_end(ended.append)
        vehicle.door = None  # asleep: nothing comes
        began_at = time.monotonic()
        await own.until_no_card("paired")
        assert 6 < time.monotonic() - began_at < 12
        assert len(ended) == 1
        vehicle.door = own.door
        await until_state(page, "paired")
        await own.until_card("paired")


async def test_a_false_box_is_told_nothing(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    """Whoever answers to the name, by a false DNS-SD answer or address, has to prove itself."""
    false = Fleet(tmp_path / "false")
    false.utc = time.time()
    vehicle = Vehicle()
    async with (
        PairingBox(fleet, "box-1", tmp_path, broker) as own,
        PairingBox(false, "box-1", tmp_path / "lair", broker) as rogue,
        vehicle.serving() as url,
    ):
        vehicle.door = own.door
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        await enlist(page, fleet, entry())
        await send_registry(hub, fleet, own)
        vehicle.door = rogue.door
        vehicle.steps.clear()
        await page.reload()
        await until_state(page, "refused", "false-box")
        assert vehicle.steps == ["hello"]
        vehicle.door = own.door
        await page.evaluate("dispatchEvent(new Event('online'))")
        await until_state(page, "paired")


@pytest.mark.long
async def test_a_device_whose_clock_is_wrong_is_told_so(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    vehicle = Vehicle()
    async with PairingBox(fleet, "box-1", tmp_path, broker) as own, vehicle.serving() as url:
        vehicle.door = own.door
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        await enlist(page, fleet, entry())
        await send_registry(hub, fleet, own)
        await page.clock.install(time=time.time() - 7200)
        await page.reload()
        await until_state(page, "refused", "clock")


async def test_enrolment_by_the_code_of_fleet_staff(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    """From an empty browser to paired: the page is shown a code, and nothing else is done."""
    ticket = keys.encode(b"0123456789abcdef")

    async def enrol(enrol: Enrol, names: dict[str, str]) -> Enrolled:
        assert enrol.ticket == ticket
        device, point = enrolment.check(enrol)
        fleet.devices[device] = msgspec.structs.replace(entry(), key=point)
        await hub.publish(REGISTRY, fleet.registry(ago_s=1.0), box="box-1")
        return Enrolled(name="Headset 3")

    async def claim(claim: Claim, names: dict[str, str]) -> Claimed:
        return Claimed(result="granted")

    await hub.serve(ENROL, enrol)
    await hub.serve(CLAIM, claim)
    vehicle = Vehicle()
    async with PairingBox(fleet, "box-1", tmp_path, broker) as own, vehicle.serving() as url:
        vehicle.door = own.door
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        assert not await page.evaluate("pairing.presence('https://example.org/')")
        # By a picture and by a link, it is the same code; the link's does not stay in the history.
        code = enrolment.code(ticket, fleet.authority.der)
        await page.goto("about:blank")
        await page.goto(f"{url}/#{code}")
        await until_state(page, "paired")
        assert await page.evaluate("location.hash") == ""


@pytest.mark.long
async def test_a_code_that_names_another_authority_enrols_nobody(
    browser: Browser, fleet: Fleet, tmp_path: Path, broker: Broker, hub: Bus
) -> None:
    async def enrol(enrol: Enrol, names: dict[str, str]) -> Enrolled:
        return Enrolled(name="Headset 3")

    await hub.serve(ENROL, enrol)
    vehicle = Vehicle()
    async with PairingBox(fleet, "box-1", tmp_path, broker) as own, vehicle.serving() as url:
        vehicle.door = own.door
        page = await browser.new_page()
        await page.goto(url)
        await until_state(page, "unenrolled")
        code = enrolment.code(keys.encode(bytes(16)), b"another authority's certificate")
        await page.evaluate("(text) => pairing.presence(text)", code)
        await until_state(page, "unenrolled", "ticket")
