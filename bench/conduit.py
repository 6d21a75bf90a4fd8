"""The broker's bridge over the bond, on the demo: how long the hub does not answer.

    python -m bench.conduit [--runs 5]

A question to the hub (the panel's own, ASK_HUB) is asked every 50 ms for as long as this takes.
Printed is the longest time without an answer, first while nothing happens, then when the link that
carries most is cut, and after a tunnel of 10 s of all links the time from its end to the first
answer. Box, hub and links share this machine's cores.
"""

import argparse
import asyncio
import contextlib
import itertools
import time

from bench.call import CUT_S, SETTLE_S, cut_busiest, spread
from bench.report import machine, table
from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.services import ASK_HUB, AskHub, HubStatus
from tests.demo import RunningDemo, demo

ASK_S = 0.05
TUNNEL_S = 10.0


class Asker:
    """Asks without pause; `answers` are when they came, by time.monotonic."""

    def __init__(self, bus: Bus):
        self.answers: list[float] = []
        self._bus = bus
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._ask())
                await asyncio.sleep(ASK_S)

    def longest_gap_s(self, since: float) -> float:
        """Without an answer, up to now."""
        times = [since, *(at for at in self.answers if at > since), time.monotonic()]
        return max(later - before for before, later in itertools.pairwise(times))

    async def until_answered(self, since: float) -> float:
        """When the first answer after `since` came."""
        while not (later := [at for at in self.answers if at > since]):
            self._answered.clear()
            await self._answered.wait()
        return later[0]

    async def _ask(self) -> None:
        answer = await self._bus.request(ASK_HUB, AskHub(), timeout_s=1)
        if isinstance(answer, HubStatus):
            self.answers.append(time.monotonic())
            self._answered.set()


async def measure(running: RunningDemo, runs: int) -> None:
    """Print the table."""
    config = load(running.configuration())
    async with Bus(config.bus.address, "bench", box=config.box.id) as bus:
        asker = Asker(bus)
        task = asyncio.create_task(asker.run())
        quiet, cut, tunnel = [], [], []
        async for name in cut_busiest(running, runs):
            since = time.monotonic()
            await asyncio.sleep(CUT_S)
            quiet.append(asker.longest_gap_s(since))
            since = time.monotonic()
            running.set_link(name, cut=True)
            await asyncio.sleep(CUT_S)
            cut.append(asker.longest_gap_s(since))
        names = [link["name"] for link in running.links()]
        for _ in range(runs):
            for name in names:
                running.set_link(name, cut=True)
            await asyncio.sleep(TUNNEL_S)
            for name in names:
                running.set_link(name, cut=False)
            out = time.monotonic()
            tunnel.append(await asker.until_answered(out) - out)
            await asyncio.sleep(SETTLE_S)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    rows = [
        (f"nothing happens, {CUT_S:.0f} s", quiet),
        (f"the link that carries most is cut, {CUT_S:.0f} s", cut),
        (f"after {TUNNEL_S:.0f} s without any link", tunnel),
    ]
    shown = [[name, *(f"{value * 1000:.0f} ms" for value in spread(row))] for name, row in rows]
    print(f"\nThe hub does not answer, {runs} times\n")
    print(table(["", "p50", "p95", "worst"], shown))


async def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(machine())
    async with demo() as running:
        await measure(running, runs)


if __name__ == "__main__":
    asyncio.run(main())
