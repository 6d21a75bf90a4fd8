"""The self-test's checks on real parts: a configuration, surroundings, what a check finds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.bond import Bond
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusConfig
from edgebox.config.support import Support
from edgebox.config.vehicle import Gpsd
from edgebox.config.vitals import Vitals
from edgebox.support.checks import CHECKS
from edgebox.support.checks.check import Check
from edgebox.support.heard import Heard
from edgebox.support.listening import Listening
from edgebox.support.surroundings import Surroundings

BY_NAME: dict[str, Check[Any]] = {check.name: check for check in CHECKS}


def config_for(address: str, directory: Path, **more: Any) -> Config:
    """A box whose files are in `directory`."""
    values: dict[str, Any] = {
        "box": Box(id="b1"),
        "bus": BusConfig(address=address),
        "gpsd": Gpsd(address=""),
        "support": Support(store="support.db"),
        "vitals": Vitals(store="vitals.db"),
        "bond": Bond(usage_file="usage.json", ca="ca.pem", certificate="device.pem"),
        "directory": str(directory),
        **more,
    }
    return Config(**values)


@contextlib.asynccontextmanager
async def surroundings(config: Config, **more: Any) -> AsyncIterator[Surroundings]:
    """As the service has them, on a real broker."""
    async with Bus(config.bus.address, "test", box=config.box.id) as bus:
        heard = Heard()
        listening = Listening(bus, heard)
        await listening.start()
        await bus.connected.wait()
        listening.follow_broker()
        yield Surroundings(config, bus, heard, **more)


async def codes(name: str, here: Surroundings) -> dict[str, str]:
    """What one check finds: its codes with their grades."""
    return {one.code: one.grade for one in await BY_NAME[name].carry_out(here)}


async def until(true: Any) -> None:
    """For five seconds at most."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)
