"""How long a change of the main picture takes, from either end.

    python -m bench.media_focus

The whole demo with a doctor in Chromium, three links of 2.5 Mbit/s and 30 ms each way. From the tap
(the doctor's on the small picture, or the crew's request) to the first large picture of the other
camera on the doctor's screen. Browser, hub and box share this machine's cores.
"""

import asyncio
import statistics

from playwright.async_api import Page

from bench.media_ladder import SETTLE_S, Box, listening, set_links
from bench.report import machine, percentile, table
from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.base import Done
from edgebox.messages.session import SELECT_CAMERAS, SelectCameras
from tests.demo import until_true, utc
from tests.integration.test_main_job import mission

SWITCHES = 10
PAUSE_S = 1.5
LARGE = 1280

FOLLOW = """
(() => {
  // [wall ms, which video, width] of each picture shown: both cameras are equally large.
  window.__switches = [];
  document.querySelectorAll('video').forEach((video, which) => {
    const step = (now, data) => {
      window.__switches.push([performance.timeOrigin + now, which, data.width]);
      if (window.__switches.length > 4000) window.__switches.splice(0, 2000);
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  });
})();
"""


async def large_video(page: Page) -> int:
    """Which video shows the large picture now."""
    async with asyncio.timeout(20):
        while True:
            found: list[list[float]] = await page.evaluate("window.__switches.slice(-40)")
            for _, which, width in reversed(found):
                if width >= LARGE:
                    return int(which)
            await asyncio.sleep(0.1)


async def switched_ms(page: Page, before: int, since_utc: float) -> float:
    """From `since_utc` to the first large picture of another video."""
    async with asyncio.timeout(10):
        while True:
            found: list[list[float]] = await page.evaluate("window.__switches")
            for at_ms, which, width in found:
                if at_ms >= since_utc * 1000 and int(which) != before and width >= LARGE:
                    return at_ms - since_utc * 1000
            await asyncio.sleep(0.02)


async def by_doctor(page: Page) -> None:
    """A tap on the small picture."""
    await page.evaluate(
        "[...document.querySelectorAll('[data-camera]')]"
        ".find((tile) => tile.dataset.camera !== window.edgebox.main)"
        ".querySelector('button').click()"
    )


async def by_crew(bus: Bus, box: Box) -> None:
    """As the panel asks."""
    assert box.session is not None
    answer = await bus.request(SELECT_CAMERAS, SelectCameras(cameras=box.session.sent[::-1]))
    assert answer == Done(), answer


async def main() -> None:
    print(machine())
    rows = []
    async with (
        mission(viewport={"width": 480, "height": 360}) as (running, _panel, doctor),
        listening(running) as box,
    ):
        config = load(running.configuration())
        async with Bus(config.bus.address, "crew", box=config.box.id) as bus:
            await bus.connected.wait()
            set_links(running, 0)
            await asyncio.sleep(SETTLE_S)
            await until_true(doctor, "window.edgebox.canGuide")
            await doctor.evaluate(FOLLOW)
            await asyncio.sleep(PAUSE_S)
            for who in ("doctor", "crew"):
                took_ms = []
                for _ in range(SWITCHES):
                    before, since_utc = await large_video(doctor), utc()
                    await (by_doctor(doctor) if who == "doctor" else by_crew(bus, box))
                    took_ms.append(await switched_ms(doctor, before, since_utc))
                    await asyncio.sleep(PAUSE_S)
                figures = (statistics.median(took_ms), percentile(took_ms, 0.95), max(took_ms))
                rows.append([who, *(f"{ms:.0f} ms" for ms in figures)])
                print(rows[-1], flush=True)
    print(f"\nChange of the main picture, RTT 60 ms, {SWITCHES} times each\n")
    print(table(["by", "p50", "p95", "worst"], rows))


if __name__ == "__main__":
    asyncio.run(main())
