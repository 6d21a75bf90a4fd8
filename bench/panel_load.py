"""How fast the panel is on a small board: page load, and the delay from the bus to the glass.

    python -m bench.panel_load [FACTOR]

Real brokers, panel service and Chromium; media, bond and hub are stood in for. The browser's CPU is
slowed down FACTOR times (Chromium, CDP Emulation.setCPUThrottlingRate). 6 stands for a Raspberry
Pi 4: its Cortex-A72 reaches about a sixth of a present server core in single-threaded scripts, and
Chromium's own tools call 6x a slow device. Only the page is slowed down, not the panel's server,
the broker or the browser's network process; their share is in the row without slow-down.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from msgspec.structs import replace
from playwright.async_api import Browser, Page

from bench.report import machine, percentile, table
from tests.integration.panel_box import (
    StandIn,
    brokers,
    chromium,
    config_for,
    open_panel,
    participant,
    running_panel,
    stand_in,
    watcher,
)

PI_4 = 6.0
LOADS = 10
CHANGES = 40
BETWEEN_S = 0.12
"""Longer than status.GAP_S: what is measured is a change after silence."""

NEXT = "() => new Promise((resolve) => { window.__seen = resolve; })"
LOADED = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [paint?.startTime ?? NaN, page.domContentLoadedEventEnd];
}"""
WATCH = """() => {
  const note = () => window.__seen?.((performance.timeOrigin + performance.now()) / 1000);
  const mute = document.getElementById("mute");
  new MutationObserver(note).observe(mute, { attributes: true, attributeFilter: ["aria-pressed"] });
  new MutationObserver(note).observe(document.getElementById("marks"), { childList: true });
}"""


async def slow_down(page: Page, factor: float) -> None:
    """From now on."""
    session = await page.context.new_cdp_session(page)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": factor})


async def loads(browser: Browser, url: str, factor: float) -> list[tuple[float, float]]:
    """First paint and the page's script done, in ms. A new context each time: nothing is kept."""
    found = []
    for _ in range(LOADS):
        page = await open_panel(browser, "about:blank")
        await slow_down(page, factor)
        await page.goto(url)
        await page.wait_for_selector("#title:not(:empty)")
        await page.wait_for_timeout(200)
        paint, done = await page.evaluate(LOADED)
        found.append((float(paint), float(done)))
        await page.context.close()
    return found


async def delays(page: Page, change: Callable[[int], Awaitable[None]]) -> list[float]:
    """From the publishing of each change to the page's own element, in ms."""
    found = []
    for number in range(CHANGES):
        seen = asyncio.ensure_future(page.evaluate(NEXT))
        await asyncio.sleep(BETWEEN_S)
        started_utc = time.time()
        await change(number)
        async with asyncio.timeout(5):
            found.append(1000 * (await seen - started_utc))
    return found


async def measure(box: StandIn, browser: Browser, url: str, factor: float) -> list[list[str]]:
    """One group of rows."""

    async def mute(number: int) -> None:
        await box.say_session(sound=replace(box.session.sound, muted=number % 2 == 0))

    async def point(number: int) -> None:
        await box.point(number / CHANGES, 0.5)

    loaded = await loads(browser, url, factor)
    page = await open_panel(browser, url)
    await slow_down(page, factor)
    await page.evaluate(WATCH)
    rows = {
        "first paint": [paint for paint, _ in loaded],
        "page and script done": [done for _, done in loaded],
        "change of state on the bus to page": await delays(page, mute),
        "pointer on the bus to page": await delays(page, point),
    }
    await page.context.close()
    return [
        [f"{name}, CPU / {factor:g}", *(f"{one:.0f} ms" for one in worst_last(values))]
        for name, values in rows.items()
    ]


def worst_last(values: list[float]) -> tuple[float, float, float]:
    """p50, p95, worst."""
    return percentile(values, 0.5), percentile(values, 0.95), max(values)


async def main(factor: float) -> None:
    """Without slow-down, then with it."""
    rows = []
    with brokers() as both:
        config = config_for(both)
        async with (
            stand_in(config, both) as box,
            running_panel(config) as url,
            chromium() as browser,
        ):
            await box.say_modems()
            await box.say_room(participant("Kari Nordmann"))
            await box.go_live("stretcher", "cabin")
            await box.say_session(watchers=(watcher("Kari Nordmann"),))
            for one in (1.0, factor):
                rows += await measure(box, browser, url, one)
    print(machine())
    print(table(["", "p50", "p95", "worst"], rows))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else PI_4))
