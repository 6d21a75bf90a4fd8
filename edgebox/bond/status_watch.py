"""`edgebox bond status`: follow the bond's status on the bus and show it.

Needs the box's broker and may only read; the bond itself is not asked and not disturbed.
"""

import asyncio
import sys
import time
from typing import TextIO

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from edgebox.bond.status_view import View, away_text, lines
from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.errors import DeviceError
from edgebox.messages.bond import BOND_STATUS, BondStatus

WAIT_S = 2.0
"""The broker is on this machine, and the bond speaks ten times a second."""
REDRAW_S = 0.25


class Follower:
    """The latest status."""

    def __init__(self, config: Config):
        self._address = config.bus.address
        self.bus = Bus(self._address, "bond-status", box=config.box.id)
        self.status: BondStatus | None = None
        self._news = asyncio.Event()

    async def start(self) -> None:
        """Subscribe; the broker may come later."""
        await self.bus.subscribe(BOND_STATUS, self._take)

    async def _take(self, status: BondStatus, keys: dict[str, str]) -> None:
        self.status = status
        self._news.set()

    async def settled(self) -> View:
        """The first true status, or after WAIT_S what there is instead."""
        try:
            async with asyncio.timeout(WAIT_S):
                while (view := self.view()).away is not None:
                    self._news.clear()
                    await self._news.wait()
                return view
        except TimeoutError:
            return self.view()

    def view(self) -> View:
        """What there is to show now."""
        return View(self.status, self._address, self.bus.connected.is_set(), time.time())


async def show_once(config: Config, *, as_json: bool, out: TextIO = sys.stdout) -> None:
    """Print the status and end. Raises DeviceError, with the reason, when there is none."""
    follower = Follower(config)
    async with follower.bus:
        await follower.start()
        view = await follower.settled()
    if view.away is not None or view.status is None:
        raise DeviceError(away_text(view))
    if as_json:
        out.write(msgspec.json.encode(view.status).decode() + "\n")
    else:
        out.writelines(f"{text}\n" for text, _ in lines(view))


async def show_live(config: Config) -> None:
    """Redraw until cancelled."""
    follower = Follower(config)
    async with follower.bus:
        await follower.start()
        await follower.settled()
        with Live(
            _text(follower.view()), console=Console(), auto_refresh=False, screen=True
        ) as live:
            while True:
                live.update(_text(follower.view()), refresh=True)
                await asyncio.sleep(REDRAW_S)


def _text(view: View) -> Text:
    return Text("\n").join(Text(text, style=style) for text, style in lines(view))
