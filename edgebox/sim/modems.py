"""What ModemManager would say of the demo's modems, said in its place."""

import asyncio
import random
from collections.abc import Mapping
from typing import Literal

from edgebox.bus import Bus
from edgebox.messages.vehicle import MODEMS, Modem, Modems

SAY_EVERY_S = 5.0
GENERATIONS: tuple[Literal["4G", "5G"], ...] = ("4G", "4G", "5G")
SIGNAL_PERCENT = (62, 45, 78)
SWING_PERCENT = 8


async def say_modems(bus: Bus, operators: Mapping[str, str], rng: random.Random) -> None:
    """Until cancelled. `operators`: link name -> operator."""
    while True:
        modems = tuple(
            Modem(
                interface=link,
                state="connected",
                operator=operator,
                generation=GENERATIONS[index % 3],
                signal=SIGNAL_PERCENT[index % 3] + rng.randint(-SWING_PERCENT, SWING_PERCENT),
            )
            for index, (link, operator) in enumerate(operators.items())
        )
        await bus.publish(MODEMS, Modems(modems=modems))
        await asyncio.sleep(SAY_EVERY_S)
