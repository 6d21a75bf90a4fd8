"""What gets through on poor links: pictures, sound and words, level by level; and the way back.

    python -m bench.media_ladder [kbit/s ...]

The whole demo with a doctor in Chromium. Two links are cut, the third carries the given rate, 30 ms
each way, then all three are restored. Browser, hub and box share this machine's cores.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator

from playwright.async_api import Page

from bench.report import machine, table
from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from tests.demo import RunningDemo, utc
from tests.integration.test_main_job import mission

LARGE = 1280
RATES_KBPS = (2000, 800, 300, 100, 60)
GOOD = {"rate_bps": 2_500_000, "delay_ms": 30, "loss": 0.0, "jitter_ms": 0, "cut": False}
BEGIN_S, SETTLE_S, HOLD_S, MEASURE_S = 12.0, 5.0, 8.0, 8.0
BACK_MAX_S = 20.0
FLUENT_SHARE = 0.7
"""Of the pictures a second that this machine shows when all links are good."""
WINDOW_S = 0.5


class Box:
    """What media and bond say."""

    def __init__(self) -> None:
        self.session: MediaSession | None = None
        self.bond: BondStatus | None = None

    async def take_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        self.session = session

    async def take_bond(self, status: BondStatus, keys: dict[str, str]) -> None:
        self.bond = status

    @property
    def level(self) -> str:
        """`level (reason)`."""
        sending = self.session.sending if self.session else None
        return f"{sending.level} ({sending.reason})" if sending else "?"

    @property
    def is_full(self) -> bool:
        return self.session is not None and self.session.sending.level == "full"


@contextlib.asynccontextmanager
async def listening(running: RunningDemo) -> AsyncIterator[Box]:
    """On the box's bus."""
    config = load(running.configuration())
    box = Box()
    async with Bus(config.bus.address, "bench", box=config.box.id) as bus:
        await bus.subscribe(MEDIA_SESSION, box.take_session)
        await bus.subscribe(BOND_STATUS, box.take_bond)
        yield box


def set_links(running: RunningDemo, rate_bps: int) -> None:
    """One link of that rate and no other; 0: three good ones."""
    for number, link in enumerate(running.links()):
        if rate_bps == 0:
            running.set_link(link["name"], **GOOD)
        elif number == 0:
            running.set_link(link["name"], **{**GOOD, "rate_bps": rate_bps})
        else:
            running.set_link(link["name"], cut=True)


async def frames(page: Page, since_utc: float) -> list[tuple[float, int, int]]:
    """Time, width and height of each picture shown since then."""
    # Looked through in the page: all of them, twenty times a second, would load what is measured.
    found = await page.evaluate(
        "(since) => window.__frames.slice(-1500).filter(([at]) => at >= since)", since_utc * 1000
    )
    return [(at / 1000, int(w), int(h)) for at, w, h in found]


async def large_hz(page: Page, over_s: float) -> float:
    """Large pictures a second during the last while."""
    shown = await frames(page, utc() - over_s)
    return sum(1 for _, width, _ in shown if width >= LARGE) / over_s


async def sound_packets(page: Page) -> int:
    count: int = await page.evaluate("window.edgebox.soundPackets ?? 0")
    return count


async def measure(
    running: RunningDemo, page: Page, box: Box, kbps: int, usual_hz: float
) -> list[str]:
    set_links(running, kbps * 1000)
    await asyncio.sleep(HOLD_S)
    start_utc, sound = utc(), await sound_packets(page)
    targets = []
    while utc() < start_utc + MEASURE_S:
        await asyncio.sleep(0.5)
        targets.append(box.bond.target_bps if box.bond else 0)
    seconds = utc() - start_utc
    shown = await frames(page, start_utc)
    sound = await sound_packets(page) - sound
    level = box.level
    largest = max((w for _, w, _ in shown), default=0)
    main = [(w, h) for _, w, h in shown if w == largest]
    others = len(shown) - len(main)
    set_links(running, 0)
    back_s = await back(page, box, usual_hz)
    return [
        f"{kbps}",
        f"{statistics.median(targets) / 1000:.0f}",
        level,
        f"{main[0][0]}x{main[0][1]}" if main else "none",
        f"{len(main) / seconds:.1f}",
        f"{others / seconds:.1f}",
        f"{sound / seconds:.0f}",
        back_s,
    ]


async def back(page: Page, box: Box, usual_hz: float) -> str:
    """Until the main picture is large and fluent again, and media says that all is sent."""
    started_at = time.monotonic()
    pictures_s = level_s = 0.0
    while time.monotonic() - started_at < BACK_MAX_S and not (pictures_s and level_s):
        await asyncio.sleep(0.05)
        passed_s = time.monotonic() - started_at
        fluent = await large_hz(page, WINDOW_S) >= FLUENT_SHARE * usual_hz
        if not pictures_s and passed_s > WINDOW_S and fluent:
            pictures_s = passed_s
        if not level_s and box.is_full:
            level_s = passed_s
    await asyncio.sleep(SETTLE_S)
    return " / ".join(f"{s:.1f} s" if s else "never" for s in (pictures_s, level_s))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kbps", nargs="*", type=int, default=RATES_KBPS)
    asked = parser.parse_args()
    print(machine())
    rows = []
    async with (
        mission(viewport={"width": 480, "height": 360}) as (running, _panel, doctor),
        listening(running) as box,
    ):
        set_links(running, 0)
        await asyncio.sleep(BEGIN_S)
        usual_hz = await large_hz(doctor, SETTLE_S)
        print(f"good links: {box.level}, {usual_hz:.1f} large pictures/s", flush=True)
        for kbps in asked.kbps:
            rows.append(await measure(running, doctor, box, kbps, usual_hz))
            print(rows[-1], flush=True)
    print(f"\nOne link, last {MEASURE_S:g} of {HOLD_S + MEASURE_S:g} s; then three of 2.5 Mbit/s\n")
    head = [
        *("link kbit/s", "bond's target kbit/s", "level (reason)", "main picture"),
        *("main, pictures/s", "others, pictures/s", "sound, packets/s"),
        "back: large and fluent / all sent",
    ]
    print(table(head, rows))


if __name__ == "__main__":
    asyncio.run(main())
