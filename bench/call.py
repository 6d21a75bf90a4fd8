"""What the benchmarks of the whole call share: links, starts, cuts, the time drawn in pictures."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable

from playwright.async_api import Browser, Page, ViewportSize

from bench.report import percentile
from edgebox.media.cameras.timestamp import READ_JS
from tests.demo import RunningDemo, chromium, demo, until_true, utc
from tests.integration.test_main_job import START

SETTLE_S = 8.0
CUT_S = 3.0
SMALL: ViewportSize = {"width": 480, "height": 360}
"""The browser draws without a graphics card: a large page would show every second picture."""
PROFILES = {
    "RTT 20 ms, clean": {"rate_bps": 5_000_000, "delay_ms": 10, "loss": 0.0},
    "RTT 60 ms, clean": {"rate_bps": 3_000_000, "delay_ms": 30, "loss": 0.0},
    "RTT 60 ms, 2 % loss": {"rate_bps": 3_000_000, "delay_ms": 30, "loss": 0.02},
}


def set_all_links(running: RunningDemo, **profile: float) -> None:
    """The same for each link."""
    for link in running.links():
        running.set_link(link["name"], **profile)


READ_LATENCY = (
    """
(() => {
  const read = """
    + READ_JS
    + """;
  const found = window.__latency = [];       // [wall ms shown, ms between exposure and shown]
  const canvas = document.createElement('canvas');
  const follow = (video) => {
    if (video.__timed) return;
    video.__timed = true;
    const step = (now, data) => {
      // The main picture alone: reading pixels of all would load the machine being measured.
      if (data.width >= 640 && found.length < 50000) {
        canvas.width = data.width;
        canvas.height = Math.ceil(data.height / 36);
        canvas.getContext('2d', {willReadFrequently: true}).drawImage(
          video, 0, 0, data.width, data.height, 0, 0, data.width, data.height);
        const taken = read({getContext: (...a) => canvas.getContext(...a), width: data.width,
                            height: data.height});
        const shown = performance.timeOrigin + data.expectedDisplayTime;
        if (taken !== null) found.push([shown, shown - taken]);
      }
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  };
  setInterval(() => document.querySelectorAll('video').forEach(follow), 100);
})();
"""
)


async def timed_starts(
    count: int,
    join: Callable[[Browser, str], Awaitable[Page]],
    first_utc: Callable[[Page, float], Awaitable[float]],
) -> list[float]:
    """Seconds from the tap on the panel to the first picture or sound of a doctor who waits.

    `join` opens an invitation; `first_utc` waits for what counts, and is told when it was tapped.
    """
    times_s = []
    async with demo() as running, chromium() as browser:
        set_all_links(running, **PROFILES["RTT 60 ms, clean"])
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        link = running.room
        for _ in range(count):
            doctor = await join(browser, link)
            await until_true(doctor, "window.edgebox?.situation === 'waiting'")
            await asyncio.sleep(1)
            tapped_utc = utc()
            await panel.click(START)
            times_s.append(await first_utc(doctor, tapped_utc) - tapped_utc)
            await doctor.context.close()
            await stop_video(panel)
            link = await invite(panel)
    return times_s


async def cut_busiest(running: RunningDemo, count: int) -> AsyncIterator[str]:
    """Before each of `count` cuts gives the link that carries most now; restores it afterwards.

    Whoever iterates cuts it, when they have measured what was before.
    """
    set_all_links(running, **PROFILES["RTT 60 ms, clean"])
    await asyncio.sleep(SETTLE_S)
    for _ in range(count):
        name = await busiest_link(running)
        yield name
        running.set_link(name, cut=False)
        await asyncio.sleep(SETTLE_S)


async def stop_video(panel: Page) -> None:
    """End the session as the crew does."""
    await panel.locator("#stop").click(delay=2000)
    await panel.wait_for_selector(START)


async def invite(panel: Page) -> str:
    """A new invitation for a doctor, as the panel shows it."""
    await panel.click("#invite")
    await panel.click("[data-role=doctor]")
    await until_true(panel, "document.querySelector('#invite-url').textContent.trim()")
    link: str | None = await panel.text_content("#invite-url")
    assert link is not None
    await panel.click("#invitation .link-step .close")
    return link.strip()


async def busiest_link(running: RunningDemo) -> str:
    """The link that carried most towards the hub in the last second."""
    before = sent_bytes(running)
    await asyncio.sleep(1)
    after = sent_bytes(running)
    return max(after, key=lambda name: after[name] - before[name])


def sent_bytes(running: RunningDemo) -> dict[str, int]:
    """What each link has carried towards the hub so far."""
    return {link["name"]: link["up"]["counters"]["passed_bytes"] for link in running.links()}


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, 95th percentile, worst."""
    return statistics.median(values), percentile(values, 0.95), max(values)
