"""The main job, whole: one tap in the cabin, a doctor's browser, three links that fail.

Real mosquitto, coturn, Chromium; the simulated links are the demo's own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from tests.demo import WATCH_FRAMES, RunningDemo, chromium, demo, until_frames, utc

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

START = "#start"
JOIN = "form button[type=submit]"
BACK_WITHIN_S = 5.0


@contextlib.asynccontextmanager
async def mission(*args: str) -> AsyncIterator[tuple[RunningDemo, Page, Page]]:
    """A demo after the crew's tap, with a doctor who sees pictures: demo, panel, her page."""
    async with demo(*args) as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        tapped_utc = utc()
        await panel.click(START)
        doctor = await join(browser, running.room)
        await until_frames(doctor, since_utc=tapped_utc, count=20)
        yield running, panel, doctor


async def join(browser: Browser, link: str) -> Page:
    """Open an invitation in a browser of its own and press the button."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.add_init_script(WATCH_FRAMES)
    await page.goto(link)
    await page.fill("#name", "Kari Berg")
    await page.click(JOIN)
    return page


async def test_pictures_survive_cut_links_and_killed_processes() -> None:
    async with mission() as (running, _panel, doctor):
        busiest = max(running.links(), key=lambda link: link["up"]["counters"]["passed_bytes"])["name"]
        running.set_link(busiest, cut=True)
        cut_utc = utc()
        await until_frames(doctor, since_utc=cut_utc, count=30)
        running.set_link(busiest, cut=False)
        for part in ("bond", "media", "panel", "mosquitto"):
            before = running.pid(part)
            running.kill(part)
            killed_utc = utc()
            # The frames in flight when it died do not count as being back.
            first = await until_frames(doctor, since_utc=killed_utc + 0.5, count=10)
            assert first - killed_utc <= BACK_WITHIN_S, f"{part} killed: picture back too late"
            async with asyncio.timeout(15):
                while running.pids().get(part, before) == before:
                    await asyncio.sleep(0.05)
