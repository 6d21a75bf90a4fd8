"""Values and waves from a simulated monitor to panel and remote page, and to nobody else."""

import asyncio
import contextlib
import os
import signal
import statistics
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.base import Role
from edgebox.messages.room import CREATE_INVITE, CreateInvite, Invite
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from tests.demo import RunningDemo, chromium, demo, until_true
from tests.integration.test_hub_states import check
from tests.integration.test_panel_screens import FAULTS_OF_LAYOUT, TARGET_PX
from tests.integration.vitals_alignment import LOOK_JS, look

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.timeout(150)]

LOOKS = 10
WITHIN_S = 0.1
WATCH_CHANNELS = """
(() => {
  window.__vitals = [];     // label and type of each message about vitals that came in
  window.__labels = [];
  const hear = (channel) => channel.addEventListener('message', ({data}) => {
    if (typeof data !== 'string') return;
    const {type} = JSON.parse(data);
    if (['Monitors', 'Values', 'WaveBlock'].includes(type)) window.__vitals.push(type);
  });
  const make = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (label, options) {
    const channel = make.call(this, label, options);
    window.__labels.push(label);
    hear(channel);
    // A page that was tampered with asks for more than its role has.
    if (window.__greedy && label === 'edgebox') hear(make.call(this, 'vitals'));
    return channel;
  };
})();
"""
HEART_RATE = ".monitor li[data-name='MDC_ECG_HEART_RATE']"


async def invitation(running: RunningDemo, role: Role) -> str:
    config = load(running.configuration())
    async with Bus(config.bus.address, f"invites-{role}", box=config.box.id) as bus:
        session: asyncio.Future[MediaSession] = asyncio.get_running_loop().create_future()

        async def take(message: MediaSession, keys: dict[str, str]) -> None:
            if not session.done():
                session.set_result(message)

        await bus.subscribe(MEDIA_SESSION, take)
        question = CreateInvite(session=(await session).id, role=role)
        answer = await bus.request(CREATE_INVITE, question, timeout_s=5)
        assert isinstance(answer, Invite)
        return answer.url


async def join(browser: Browser, link: str, name: str, *, greedy: bool = False) -> Page:
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="nb-NO")
    page = await context.new_page()
    if greedy:
        await page.add_init_script("window.__greedy = true")
    await page.add_init_script(WATCH_CHANNELS)
    await page.goto(link)
    await page.fill("#name", name)
    await page.click("button[type=submit]")
    await page.wait_for_url("**/room/*")
    return page


@contextlib.asynccontextmanager
async def silent_monitor(running: RunningDemo) -> AsyncIterator[None]:
    """It stands still, as one whose cable was pulled or that hangs."""
    pid = running.pid("monitor")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_values_reach_those_who_may_have_them_and_go_stale() -> None:
    async with demo() as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        doctor = await join(browser, running.room, "Kari Berg")
        observer = await join(browser, await invitation(running, "observer"), "Ola Se")
        pilot = await join(browser, await invitation(running, "pilot"), "Per Flyger", greedy=True)
        interpreter = await join(browser, await invitation(running, "interpreter"), "Tove Tolk")
        await panel.click("#start")
        for page in (doctor, observer):
            await until_true(
                page, f"document.querySelector(\"{HEART_RATE} b\")?.innerText === '72'"
            )
            text = await page.inner_text(HEART_RATE)
            assert "/min" in text
            assert "gyldig" in text
            await until_true(page, "document.querySelectorAll('.wave canvas').length > 0")
            assert "Simulert monitor" in await page.inner_text("#vitals")
        await until_true(doctor, f"({INK})() > 200")
        await waves_stand_where_the_picture_is(doctor)
        tile = panel.locator("#vitals-tile")
        assert "72" in await tile.inner_text()

        await until_true(pilot, "edgebox.connected")
        await until_true(interpreter, "edgebox.connected")
        await asyncio.sleep(3)
        assert await doctor.evaluate("window.__vitals.includes('WaveBlock')")
        for page in (pilot, interpreter):
            assert await page.evaluate("window.__vitals") == []
            assert "vitals" not in await page.evaluate("window.__labels")
            assert await page.locator("#vitals").is_hidden()

        await check("doctor with vitals", doctor)
        if keep := os.environ.get("PANEL_SCREENSHOTS"):
            await doctor.screenshot(path=f"{keep}/remote-vitals.png")
        await doctor.keyboard.press("f")
        await until_true(doctor, "document.querySelector('.tile.main').clientHeight > 600")
        assert await doctor.locator(HEART_RATE).is_visible(), "values stay in sight"
        await doctor.keyboard.press("f")
        assert await panel.evaluate(f"({FAULTS_OF_LAYOUT})({TARGET_PX})") == []
        await tile.click()
        await panel.locator("#vitals-pane").wait_for()
        assert "36,8" in await panel.inner_text("#vitals-pane")
        assert await panel.evaluate(f"({FAULTS_OF_LAYOUT})({TARGET_PX})") == []
        await panel.click("#vitals-pane .close")

        async with silent_monitor(running):
            stale = f"document.querySelector(\"{HEART_RATE}\").dataset.standing === 'stale'"
            await until_true(doctor, stale, timeout_s=20)
            assert "GAMMEL" in await doctor.inner_text(HEART_RATE)
            words = "document.querySelector('.monitor .silent').innerText"
            await until_true(doctor, f"{words}.startsWith('Ingen data fra monitor siden')")
            words = "document.querySelector('#vitals-tile').innerText.includes('Ingen data fra')"
            await until_true(panel, words)
            assert "72" not in await tile.inner_text()
            await check("doctor with a silent monitor", doctor)
        await until_true(doctor, stale.replace("'stale'", "'valid'"))


async def waves_stand_where_the_picture_is(doctor: Page) -> None:
    """Within WITHIN_S in the middle; a single look is as good as the browser's spare time."""
    words = "document.querySelector('#waves-late').innerText"
    await until_true(doctor, f"/samme øyeblikk/.test({words})")
    await doctor.evaluate(LOOK_JS)
    errors_s: list[float] = []
    async with asyncio.timeout(60):
        while len(errors_s) < LOOKS:
            await asyncio.sleep(0.37)
            seen = await look(doctor)
            if seen is not None and seen.errors_s:
                errors_s.append(statistics.median(seen.errors_s))
    assert abs(statistics.median(errors_s)) < WITHIN_S, errors_s


INK = """() => {
  const canvas = document.querySelector(".wave canvas");
  if (!canvas?.width) return 0;
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let at = 0; at < data.length; at += 4) count += data[at + 1] > 200 && data[at] < 180;
  return count;
}"""
"""Pixels in the colour of the trace."""
