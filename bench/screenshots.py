"""Pictures of the remote page in docs/screenshots, taken from the running demo.

    python -m bench.screenshots [DIRECTORY]

The panel's come from tests/integration/test_panel_screens.py.
"""

import asyncio
import sys
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, ViewportSize

from tests.demo import WATCH_FRAMES, RunningDemo, chromium, demo, until_frames, until_true, utc
from tests.integration.test_main_job import JOIN, LAPTOP, START

PHONE: ViewportSize = {"width": 390, "height": 844}
SETTLE_MS = 6000
Scheme = Literal["light", "dark"]
FORMS: tuple[tuple[str, ViewportSize, Scheme, str], ...] = (
    ("1280x800-day-en", LAPTOP, "light", "en-GB"),
    ("1280x800-night-nb", LAPTOP, "dark", "nb-NO"),
    ("390x844-day-nb", PHONE, "light", "nb-NO"),
    ("390x844-night-en", PHONE, "dark", "en-GB"),
)


async def take(
    running: RunningDemo, browser: Browser, link: str, form: int, directory: Path
) -> None:
    """One doctor with one kind of screen: at the door, waiting, live."""
    name, viewport, scheme, locale = FORMS[form]
    context = await browser.new_context(viewport=viewport, color_scheme=scheme, locale=locale)
    page = await context.new_page()
    await page.add_init_script(WATCH_FRAMES)
    await page.goto(link)
    await page.fill("#name", "Kari Berg")
    await page.screenshot(path=directory / f"remote-join-{name}.png")
    await page.click(JOIN)
    await until_true(page, "window.edgebox?.situation === 'waiting'")
    await page.screenshot(path=directory / f"remote-waiting-{name}.png")
    panel = await browser.new_page(viewport={"width": 800, "height": 480})
    await panel.goto(running.panel)
    started_utc = utc()
    await panel.click(START)
    await until_frames(page, since_utc=started_utc, count=20)
    await page.wait_for_timeout(SETTLE_MS)
    await page.screenshot(path=directory / f"remote-live-{name}.png")
    await context.close()
    await panel.close()


async def main(directory: Path) -> None:
    """A new demo for each form: an invitation is for one person and one session."""
    for form in range(len(FORMS)):
        async with demo() as running, chromium() as browser:
            await take(running, browser, running.room, form, directory)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots")))
