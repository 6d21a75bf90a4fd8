"""The vitals service on a disk that takes nothing when it starts."""

import asyncio
from pathlib import Path

from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.vitals import VITALS_STATUS, VitalsStatus
from tests.conftest import Broker
from tests.integration.small_disk import small_disk
from tests.integration.vitals_box import BOX, box, config_of


async def test_full_disk_is_said_and_the_service_serves_once_there_is_room(
    tmp_path: Path, broker: Broker
) -> None:
    stores: list[str] = []
    states: list[str] = []

    async def take_status(status: VitalsStatus, keys: dict[str, str]) -> None:
        stores.append(status.store.failed)

    async def take_service(status: ServiceStatus, keys: dict[str, str]) -> None:
        states.append(status.state)

    with small_disk(tmp_path) as place:
        config = config_of(broker, tmp_path)
        config = replace(config, vitals=replace(config.vitals, store=str(place / "vitals.db")))
        filler = place / "filler"
        with filler.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    break
        async with (
            Bus(broker.address, "listener", box=BOX) as bus,
            box(config) as task,
            asyncio.timeout(20),
        ):
            await bus.subscribe(VITALS_STATUS, take_status)
            await bus.subscribe(SERVICE_STATUS, take_service)
            while not (stores and stores[-1] and states[-1:] == ["degraded"]):
                await asyncio.sleep(0.02)
            filler.unlink()
            while not (stores[-1] == "" and states[-1] == "running"):
                await asyncio.sleep(0.02)
            assert not task.done()
