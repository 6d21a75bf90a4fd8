"""Two boxes with one certificate, as from a copied card: real brokers, a real hub."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.host import daemons
from edgebox.host.service import Service
from edgebox.hub.hub import Hub
from edgebox.hub.store import Store
from edgebox.messages.services import ASK_HUB, AskHub, HubStatus
from tests.integration.test_daemons import Fleet, Program

TOLD_S = 60.0


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        one = Fleet(Path(name))
        try:
            await one.hub.start()
            await one.boxes["b1"].start()
            yield one
        finally:
            one.stop()


@contextlib.asynccontextmanager
async def copied(fleet: Fleet) -> AsyncIterator[str]:
    """The same configuration and key on another machine; its socket."""
    socket = fleet.socket_of("b1-copy")
    path = fleet.directory / "b1-copy.conf"
    text = (fleet.directory / "b1/mosquitto.conf").read_text()
    path.write_text(text.replace(fleet.socket_of("b1"), socket))
    path.chmod(0o600)
    command = [daemons.find_program("mosquitto", package="mosquitto"), "-c", str(path)]
    program = Program(command, fleet.directory / "copy.log", socket)
    try:
        await program.start()
        yield socket
    finally:
        program.kill()


@contextlib.asynccontextmanager
async def media_on(socket: str) -> AsyncIterator[Service]:
    """What says that it lives."""
    config = Config()
    box = type(config.box)(id="b1")
    bus = type(config.bus)(address=socket)
    service = Service("media", Config(box=box, bus=bus))
    async with service:
        await service.set_state("running")
        yield service


async def test_hub_tells_a_copied_card_and_boxes_are_told(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[HubStatus] = []

    async with contextlib.AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus(fleet.hub_socket, "hub"))
        store = Store(f"sqlite:///{fleet.directory}/hub.db")
        await Hub(bus, store, 30).start()
        stack.push_async_callback(store.close)
        first = await stack.enter_async_context(media_on(fleet.socket_of("b1")))
        asked = await first.bus.request(ASK_HUB, AskHub(), timeout_s=10)
        assert isinstance(asked, HubStatus)
        assert not asked.doubled
        second = await stack.enter_async_context(
            media_on(await stack.enter_async_context(copied(fleet)))
        )
        async with asyncio.timeout(TOLD_S):
            while not any(one.doubled for one in answers):
                for service in (first, second):
                    answer = await service.bus.request(ASK_HUB, AskHub(), timeout_s=1)
                    answers += [answer] if isinstance(answer, HubStatus) else []
    assert "two boxes use the identity of b1" in caplog.text
