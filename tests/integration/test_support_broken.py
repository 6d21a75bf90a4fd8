"""Technical help with one link left, without media and panel, and without the broker's bridge."""

import asyncio
import contextlib
import tarfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.demo import RunningDemo, chromium, demo, until_true
from tests.integration.test_support_desk import (
    LOOK,
    allow_one_still,
    desk_page,
    get_help,
    set_bridge,
)

pytestmark = [
    pytest.mark.alone,
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.timeout(240),
]
IN = "document.querySelector('#situation').innerText.startsWith('Du er')"
MISSING = "document.querySelector('#missing').innerText"
WAY = "document.querySelector('#way').innerText"


async def bundle(desk: Page) -> list[str]:
    """Names of what is in it."""
    async with desk.expect_download(timeout=60_000) as download:
        await desk.click("#bundle")
    content = Path(await (await download.value).path()).read_bytes()
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        return archive.getnames()


@contextlib.asynccontextmanager
async def held_down(running: RunningDemo, *parts: str) -> AsyncIterator[None]:
    """They are started again all the time, and end as often."""

    async def kill() -> None:
        while True:
            for part in parts:
                with contextlib.suppress(KeyError, ProcessLookupError):
                    running.kill(part)
            await asyncio.sleep(0.3)

    killing = asyncio.create_task(kill())
    try:
        yield
    finally:
        killing.cancel()
        await asyncio.wait([killing])


async def test_a_session_through_everything_that_breaks() -> None:
    async with demo() as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        desk = await desk_page(browser, running)
        await get_help(panel, desk, running.panel)
        order = f"/desk/box/{desk.url.rsplit('/', 1)[1]}"

        # One link is left.
        for name in ("lte-2", "nr-1"):
            running.set_link(name, cut=True)
        links = "document.querySelector('#links').innerText"
        await until_true(desk, f"/Telia\\s+(down|suspect)/.test({links})", timeout_s=30)
        await desk.click("#history")
        await until_true(desk, "document.querySelector('#plots').childElementCount > 0")
        assert "edgebox/selftest.json" in " ".join(await bundle(desk))

        await allow_one_still(panel, desk)

        # Media and panel are down: said, and the rest goes on.
        async with held_down(running, "media", "panel"):
            for part in ("media", "panel", "crew"):
                await until_true(desk, f"{MISSING}.includes('{part}: ')", timeout_s=30)
            assert await desk.evaluate(LOOK, order) == "effective"
            assert await bundle(desk)
        await until_true(desk, f"!{MISSING}.includes('panel: ')", timeout_s=30)

        # The bridge is down: another way, the same session, and back.
        set_bridge(running, works=False)
        await until_true(desk, f"{WAY}.includes('rett over Telenor')", timeout_s=40)
        await until_true(desk, IN)
        await until_true(desk, f"{MISSING}.includes('bridge: ')", timeout_s=20)
        assert await bundle(desk)
        await until_true(panel, "document.body.dataset.support === 'active'", timeout_s=30)
        await desk.fill("#line", "Broen er nede")
        await desk.press("#line", "Enter")
        await until_true(
            panel, "document.querySelector('#support-chat').innerText.includes('nede')"
        )
        set_bridge(running, works=True)
        await until_true(desk, f"{WAY} === ''", timeout_s=60)
        await until_true(desk, IN)
        chat = "document.querySelector('#chat').innerText.split('nede').length"
        await until_true(desk, f"{chat} === 2")

        # Down again: the crew ends it, and it is ended there at once.
        set_bridge(running, works=False)
        await until_true(desk, f"{WAY}.includes('rett over')", timeout_s=40)
        await until_true(panel, "document.body.dataset.support === 'active'", timeout_s=30)
        await panel.click("#support-stop")
        ended = "document.querySelector('#situation').innerText"
        await until_true(desk, f"{ended}.startsWith('Mannskapet har avsluttet')")
        assert await desk.evaluate(LOOK, order) == "Fault"
