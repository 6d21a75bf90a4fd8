"""The conduit as a service: `async def run(config)` for the box's and the hub's end."""

import asyncio

from edgebox.conduit.box_end import BoxEnd
from edgebox.conduit.hub_end import HubEnd
from edgebox.config import Config
from edgebox.host import notify
from edgebox.host.service import Service
from edgebox.messages.bond import BOND_STATUS, BondStatus

SAY_EVERY_S = 5.0
"""A third of the unit's WatchdogSec."""


async def run(config: Config) -> None:
    """Carry until cancelled. Raises ConfigError."""
    if config.bond.role == "hub":
        await _serve_boxes(config)
    else:
        await _serve_bridge(config)


async def _serve_boxes(config: Config) -> None:
    async with HubEnd(config):
        notify.ready("conduit, hub's end")
        await asyncio.Event().wait()


async def _serve_bridge(config: Config) -> None:
    end = BoxEnd(config)

    async def receive_bond(status: BondStatus, keys: dict[str, str]) -> None:
        end.note_bond(up=status.state == "up")

    async with Service("conduit", config) as service:
        await service.bus.subscribe(BOND_STATUS, receive_bond)
        await service.set_state("running")
        await service.run(end.run(), service.keep_saying(SAY_EVERY_S))
