"""The vitals service on a disk that takes nothing when it starts."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.vitals import VITALS_STATUS, VitalsStatus
from edgebox.vitals.store import Store
from tests.conftest import Broker
from tests.integration.small_disk import small_disk
from tests.integration.vitals_box import BOX, box, config_of


@contextlib.contextmanager
def full(place: Path) -> Iterator[None]:
    """Until the block ends."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[None]:
    """The same, after an error of the card. There is a store on it by now."""
    if os.geteuid():
        pytest.skip("only root may mount")
    Store(place / "vitals.db", 10**6).close()
    remount = ["mount", "-o"]
    subprocess.run([*remount, "remount,ro", place], check=True)
    yield
    subprocess.run([*remount, "remount,rw", place], check=True)


@pytest.mark.parametrize("fault", ["full", "read_only"])
async def test_disk_that_takes_nothing_is_said_and_tried_again(
    tmp_path: Path, broker: Broker, fault: Literal["full", "read_only"]
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
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(20))
            bus = await stack.enter_async_context(Bus(broker.address, "listener", box=BOX))
            with {"full": full, "read_only": read_only}[fault](place):
                task = await stack.enter_async_context(box(config))
                await bus.subscribe(VITALS_STATUS, take_status)
                await bus.subscribe(SERVICE_STATUS, take_service)
                while not (stores and stores[-1] and states[-1:] == ["degraded"]):
                    assert not task.done()
                    await asyncio.sleep(0.02)
            while not (stores[-1] == "" and states[-1] == "running"):
                await asyncio.sleep(0.02)
            assert not task.done()
