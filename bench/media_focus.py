"""How long a change of the main picture takes, from either end.

    python -m bench.media_focus

The whole demo with a doctor in Chromium, three links of 2.5 Mbit/s and 30 ms each way. From the tap
(the doctor's on the small picture, or the crew's request) to the first large picture of the other
camera on the doctor's screen. Browser, hub and box share this machine's cores.
"""

import asyncio
import statistics

from playwright.async_api import Error as PlaywrightError
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
GIVE_UP_S = 10.0
THUMBNAIL = 320
"""Wider pictures are the main one's, at whatever size the links allow just then."""

FOLLOW = """
(() => {
  // Which video showed the last large picture, and who waits for another one's.
  let large = null, waiting = null;
  document.querySelectorAll('video').forEach((video, which) => {
    const step = (now, data) => {
      if (data.width > THUMBNAIL) {
        if (waiting && which !== waiting.before) {
          waiting.done(performance.timeOrigin + now);
          waiting = null;
        }
        large = which;
      }
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  });
  // Wall ms of the first large picture of another video than now.
  window.__switched = (act) => new Promise((done, fail) => {
    waiting = {before: large, done};
    setTimeout(() => fail(new Error("no switch")), GIVE_UP_MS);
    if (act) act();
  });
})();
""".replace("THUMBNAIL", str(THUMBNAIL)).replace("GIVE_UP_MS", f"{GIVE_UP_S * 1000:.0f}")

TAP = """
[...document.querySelectorAll('[data-camera]')]
  .find((tile) => tile.dataset.camera !== window.edgebox.main).querySelector('button').click()
"""


async def by_doctor(page: Page) -> float:
    """A tap on the small picture; milliseconds until it is the large one."""
    took_ms: float = await page.evaluate(
        f"(async () => {{ const at = performance.timeOrigin + performance.now();"
        f" return (await window.__switched(() => {{ {TAP} }})) - at; }})()"
    )
    return took_ms


async def by_crew(page: Page, bus: Bus, box: Box) -> float:
    """As the panel asks; milliseconds until the doctor has the other large picture."""
    assert box.session is not None
    switched = asyncio.ensure_future(page.evaluate("window.__switched()"))
    await asyncio.sleep(0.2)  # the page waits by now
    since_utc = utc()
    answer = await bus.request(SELECT_CAMERAS, SelectCameras(cameras=box.session.sent[::-1]))
    assert answer == Done(), answer
    shown_ms: float = await switched
    return shown_ms - since_utc * 1000


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
                took_ms, never = [], 0
                for _ in range(SWITCHES):
                    try:
                        taken = by_doctor(doctor) if who == "doctor" else by_crew(doctor, bus, box)
                        took_ms.append(await taken)
                    except PlaywrightError:
                        never += 1
                    await asyncio.sleep(PAUSE_S)
                rows.append([who, *figures(took_ms), str(never)])
                print(rows[-1], flush=True)
    print(f"\nChange of the main picture, RTT 60 ms, {SWITCHES} times each\n")
    print(table(["by", "p50", "p95", "worst", f"not within {GIVE_UP_S:g} s"], rows))


def figures(took_ms: list[float]) -> list[str]:
    """Median, 95th percentile, worst."""
    if not took_ms:
        return ["-"] * 3
    found = (statistics.median(took_ms), percentile(took_ms, 0.95), max(took_ms))
    return [f"{ms:.0f} ms" for ms in found]


if __name__ == "__main__":
    asyncio.run(main())
