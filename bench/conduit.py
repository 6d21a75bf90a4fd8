"""The broker's bridge over the bond, on the demo: how long the hub does not answer.

    python -m bench.conduit [--runs 5]

A question to the hub (the panel's own, ASK_HUB) is asked every 50 ms for as long as this takes.
Printed is the longest time without an answer, first while nothing happens, then when the link that
carries most is cut; then, after tunnels of all links, the time from their end to the first answer,
and to the first new picture of a doctor who watches; at last, how long it does not answer while
pictures fill narrow links. Box, hub, links and browser share this
machine's cores.
"""

import argparse
import asyncio
import contextlib
import itertools
import time

from playwright.async_api import Page

from bench.call import CUT_S, SETTLE_S, cut_busiest, spread
from bench.report import machine, table
from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.services import ASK_HUB, AskHub, HubStatus
from tests.demo import RunningDemo, until_frames, utc
from tests.integration.test_main_job import mission

ASK_S = 0.05
TUNNELS_S = (2.0, 3.0, 4.0, 6.0, 10.0)
"""A page offers anew 2 s after the last picture, and the bridge is given up after 7.5 s."""
PICTURES = 10
"""So many have to come; a single one is no picture."""
NARROW_BPS, NARROW_S, FULL_S = 300_000, 30.0, 30.0
STALE_S = 0.2
"""What the browser had decoded already may be shown still."""


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


async def measure(running: RunningDemo, doctor: Page, runs: int) -> None:
    """Print the tables."""
    config = load(running.configuration())
    async with Bus(config.bus.address, "bench", box=config.box.id) as bus:
        asker = Asker(bus)
        task = asyncio.create_task(asker.run())
        quiet, cut = [], []
        async for name in cut_busiest(running, runs):
            since = time.monotonic()
            await asyncio.sleep(CUT_S)
            quiet.append(asker.longest_gap_s(since))
            since = time.monotonic()
            running.set_link(name, cut=True)
            await asyncio.sleep(CUT_S)
            cut.append(asker.longest_gap_s(since))
        tunnels = {
            length: await _tunnels(running, doctor, asker, length, runs) for length in TUNNELS_S
        }
        for link in running.links():
            running.set_link(link["name"], rate_bps=NARROW_BPS, delay_ms=30, jitter_ms=5, loss=0.0)
        await asyncio.sleep(NARROW_S)
        since = time.monotonic()
        await asyncio.sleep(FULL_S)
        full = [asker.longest_gap_s(since)]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    print(f"\nThe hub does not answer, {runs} times\n")
    rows = [
        (f"nothing happens, {CUT_S:.0f} s", quiet),
        (f"the link that carries most is cut, {CUT_S:.0f} s", cut),
        *((f"after {length:.0f} s without any link", one) for length, (one, _) in tunnels.items()),
        (f"pictures fill links of {NARROW_BPS / 1e3:.0f} kbit/s, {FULL_S:.0f} s, once", full),
    ]
    _print(rows)
    print(f"\nThe doctor sees no new picture, {runs} times\n")
    _print(
        [(f"after {length:.0f} s without any link", one) for length, (_, one) in tunnels.items()]
    )


async def _tunnels(
    running: RunningDemo, doctor: Page, asker: Asker, length_s: float, runs: int
) -> tuple[list[float], list[float]]:
    """Seconds to the first answer and to the pictures."""
    answers, pictures = [], []
    names = [link["name"] for link in running.links()]
    for _ in range(runs):
        for name in names:
            running.set_link(name, cut=True)
        await asyncio.sleep(length_s)
        for name in names:
            running.set_link(name, cut=False)
        out, out_utc = time.monotonic(), utc()
        answered = asyncio.create_task(asker.until_answered(out))
        shown_utc = await until_frames(doctor, since_utc=out_utc + STALE_S, count=PICTURES)
        pictures.append(shown_utc - out_utc)
        answers.append(await answered - out)
        await asyncio.sleep(SETTLE_S)
    return answers, pictures


def _print(rows: list[tuple[str, list[float]]]) -> None:
    shown = [[name, *(f"{value * 1000:.0f} ms" for value in spread(row))] for name, row in rows]
    print(table(["", "p50", "p95", "worst"], shown))


async def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(machine())
    async with mission() as (running, _, doctor):
        await measure(running, doctor, runs)


if __name__ == "__main__":
    asyncio.run(main())
