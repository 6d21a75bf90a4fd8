"""A box's vitals service and a hub's receiver with a broker between them, for tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusConfig
from edgebox.config.vitals import Monitor, Vitals
from edgebox.hub.vitals_receiver import VitalsReceiver
from edgebox.hub.vitals_store import VitalsStore
from edgebox.messages.base import Fault
from edgebox.observation import Observation, unpack
from edgebox.vitals.service import run
from tests.conftest import Broker

BOX = "box-1"


def config_of(broker: Broker, directory: Path, *monitors: Monitor, box_id: str = BOX) -> Config:
    """A box's configuration."""
    return Config(
        box=Box(id=box_id),
        bus=BusConfig(address=broker.address),
        vitals=Vitals(store="vitals.db", disk_max_mb=64, monitor=monitors),
        directory=str(directory),
    )


@contextlib.asynccontextmanager
async def box(config: Config) -> AsyncIterator[asyncio.Task[None]]:
    """The service in this process."""
    task = asyncio.create_task(run(config))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class HubSide:
    """The receiver and what it has stored."""

    def __init__(self, bus: Bus, store: VitalsStore, receiver: VitalsReceiver):
        self.bus = bus
        self.store = store
        self.receiver = receiver

    async def stored(self) -> list[Observation]:
        """Everything, in the order of storing; each batch is looked at for being once."""
        rows = await self.store.call(self.store.read, 0, 10**6)
        assert not isinstance(rows, Fault), rows
        keys = [(row.stream, row.seq) for row in rows]
        assert len(keys) == len(set(keys)), "a batch was stored twice"
        return [one for row in rows for one in unpack(row.content)]

    async def until(
        self, wanted: Callable[[list[Observation]], bool], timeout_s: float = 20.0
    ) -> list[Observation]:
        """Wait for something to be stored."""
        async with asyncio.timeout(timeout_s):
            while not wanted(found := await self.stored()):
                await asyncio.sleep(0.05)
        return found


@contextlib.asynccontextmanager
async def hub(broker: Broker, url: str = "sqlite://") -> AsyncIterator[HubSide]:
    """A hub's receiver on its own connection to the broker."""
    store = VitalsStore(url)
    await store.call(store.set_up)
    try:
        async with Bus(broker.address, "hub") as bus:
            receiver = VitalsReceiver(bus, store, 0)
            await receiver.start()
            task = asyncio.create_task(receiver.run())
            try:
                yield HubSide(bus, store, receiver)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    finally:
        await store.close()
