"""The staff's page for updates over its real listener: who gets in, what it shows and changes."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.hub import update_files, update_pages
from edgebox.hub.staff import Staff
from edgebox.hub.update_board import UpdateBoard
from edgebox.hub.update_files import Published
from edgebox.hub.update_serve import Signer
from edgebox.hub.update_store import UpdateStore
from edgebox.messages.services import BOX_INFO, BoxInfo
from edgebox.messages.update import UPDATE_OFFER, UPDATE_STATUS, UpdateOffer, UpdateStatus
from edgebox.sim import pki
from edgebox.sim.ports import free_port
from tests.conftest import Broker
from tests.integration.test_update_rollout import until

COMPATIBLE = "edgebox-rpi-arm64"
NEW = Published(
    sha256="ab" * 32,
    version="1.1.0",
    compatible=COMPATIBLE,
    size_bytes=310_000_000,
    published_utc=1_795_000_000.0,
)


class Room:
    """The staff listener with the page, and the vehicles that report."""

    def __init__(self, url: str, directory: Path, board: UpdateBoard, bus: Bus):
        self.url = url
        self.board = board
        self.bus = bus
        self._directory = directory
        self.offers: dict[str, UpdateOffer] = {}

    def person(self, file: str) -> ssl.SSLContext:
        """What `file` shows of itself."""
        context = ssl.create_default_context(cafile=str(self._directory / "pki/ca.pem"))
        staff = self._directory / "staff"
        context.load_cert_chain(staff / f"{file}.pem", staff / f"{file}.key")
        return context

    async def hear_offers(self) -> None:
        async def take(offer: UpdateOffer, keys: dict[str, str]) -> None:
            self.offers[keys["box"]] = offer

        await self.bus.subscribe(UPDATE_OFFER, take)

    async def report(self, box: str, **said: Any) -> None:
        status = UpdateStatus(
            version="1.0.0", state="current", since_utc=time.time(), compatible=COMPATIBLE
        )
        done = msgspec.structs.replace(status, **said)
        await self.bus.publish(UPDATE_STATUS, done, box=box)


@contextlib.asynccontextmanager
async def room(directory: Path, broker: Broker) -> AsyncIterator[Room]:
    port = free_port()
    pki.hub_credentials(directory / "pki", ("127.0.0.1",))
    for file, name, unit in (("fleet", "Kari Flåte", "fleet"), ("tech", "Ola Tek", "technician")):
        pki.staff_credentials(directory / "staff", file, name, unit)
    hub = Hub(
        database=f"sqlite:///{directory}/hub.db",
        staff_listen=f"127.0.0.1:{port}",
        staff_url=f"https://127.0.0.1:{port}",
        staff_ca="staff/ca.pem",
        staff_certificate="pki/hub.pem",
        staff_private_key="pki/hub.key",
        update_directory="updates",
    )
    config = Config(hub=hub, directory=str(directory))
    store, signer = UpdateStore(hub.database), Signer(hub.public_url)
    try:
        async with Bus(broker.address, "hub") as bus, Bus(broker.address, "boxes") as boxes:
            board = UpdateBoard(bus, store, update_files.directory_of(config), signer, 365)
            await board.start()
            board.published = [NEW]
            staff = Staff(config)
            app = staff.application()
            update_pages.add_routes(app, board, "nb")
            async with staff.serving(app):
                here = Room(hub.staff_url, directory, board, boxes)
                await here.hear_offers()
                work = asyncio.create_task(board.run())
                try:
                    yield here
                finally:
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)
    finally:
        await store.close()


@pytest.fixture(autouse=True)
def _published_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebox.hub.update_board.listed", lambda directory: [NEW])
    monkeypatch.setattr("edgebox.hub.update_board.TICK_S", 0.05)


async def test_only_fleet_staff_and_only_from_their_own_page(
    broker: Broker, tmp_path: Path
) -> None:
    async with room(tmp_path, broker) as here:
        for file, expected in (("fleet", 200), ("tech", 403)):
            connector = aiohttp.TCPConnector(ssl=here.person(file))
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get(f"{here.url}/updates") as response,
            ):
                assert response.status == expected
        connector = aiohttp.TCPConnector(ssl=here.person("fleet"))
        async with aiohttp.ClientSession(connector=connector) as session:
            change = f"{here.url}/updates/{NEW.sha256}"
            elsewhere = {"Origin": "https://evil.example.org"}
            async with session.post(change, data={"action": "stop"}, headers=elsewhere) as response:
                assert response.status == 403
            own = {"Origin": here.url}
            for form in ({"action": "save", "share": "7"}, {"action": "x"}, {}):
                async with session.post(change, data=form, headers=own) as response:
                    assert response.status == 400
        assert here.board.rollouts == {}


async def test_from_the_first_vehicle_to_the_stop(broker: Broker, tmp_path: Path) -> None:
    async with room(tmp_path, broker) as here:
        names = [f"box-{number}" for number in range(30)]
        for name in names:
            await here.bus.publish(BOX_INFO, BoxInfo(vehicle=f"Bil <{name}>"), box=name)
            await here.report(name)
        await until(lambda: len(here.board.vehicles) == 30)
        own = {"Origin": here.url}
        connector = aiohttp.TCPConnector(ssl=here.person("fleet"))
        async with aiohttp.ClientSession(connector=connector, headers=own) as session:

            async def page() -> str:
                async with session.get(f"{here.url}/updates?lang=en") as response:
                    assert response.status == 200
                    return await response.text()

            async def change(*form: tuple[str, str]) -> None:
                address = f"{here.url}/updates/{NEW.sha256}"
                async with session.post(address, data=form) as response:
                    assert response.status == 200
                    assert "refused" not in str(response.url)

            text = await page()
            assert "Not offered to anyone yet" in text
            assert "Bil &lt;box-3&gt;" in text
            assert "<box-3>" not in text

            def offered() -> set[str]:
                return {box for box, offer in here.offers.items() if offer.release is not None}

            await change(("action", "save"), ("share", "0"), ("first", "box-3"))
            await until(lambda: offered() == {"box-3"})
            release = here.offers["box-3"].release
            assert release is not None
            assert (release.version, release.turn) == ("1.1.0", 1)
            assert "/update/box-3/" in release.url
            said = {"sha256": NEW.sha256, "turn": 1, "next_version": "1.1.0"}
            await here.report("box-3", state="downloading", **said)
            await until(lambda: here.board.figures(NEW.sha256)["downloading"] == 1)
            await here.report("box-3", state="good", **{**said, "version": "1.1.0"})
            await until(lambda: here.board.figures(NEW.sha256)["good"] == 1)
            # A wider stage keeps who had it, and one box that falls back stops it.
            await change(("action", "save"), ("share", "50"), ("first", "box-3"))
            await until(lambda: 5 <= len(offered()) <= 25)
            unlucky = min(offered() - {"box-3"})
            await here.report(unlucky, state="fell-back", reason="fault", **said)
            await until(lambda: here.board.rollouts[NEW.sha256].stopped == "boxes")
            await until(lambda: not offered() - {"box-3"})
            text = await page()
            assert "Stopped by itself" in text
            assert "the self-test found a new fault" in text
            await change(
                ("action", "go-on"),
            )
            await until(lambda: unlucky in offered())
            again = here.offers[unlucky].release
            assert again is not None
            assert again.turn == 2
            await change(
                ("action", "stop"),
            )
            await until(lambda: not offered())
            assert "Kari Flåte" in await page()
