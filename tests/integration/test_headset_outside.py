"""A headset leaves the vehicle with its wearer, and comes back: the same camera, nobody touches it.

Real interfaces, a real TURN server, the services as their units start them, real Chromiums.
"""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from edgebox.bus import Bus
from edgebox.messages.base import Done
from edgebox.messages.headset import HEADSET_STATUS, HeadsetStatus
from edgebox.messages.services import BOX_INFO, BoxInfo
from edgebox.messages.session import (
    MEDIA_SESSION,
    START_VIDEO,
    MediaSession,
    StartVideo,
    WatchAnswer,
)
from tests.conftest import Broker
from tests.integration.headset_road import (
    BOX,
    NAME,
    ORIGIN,
    PORT,
    PREVIEW,
    STAFF,
    VEHICLE,
    Road,
    road,
)
from tests.integration.media_rig import PAGE_JS, Observer, frames_seen, until, watch
from tests.integration.tones import (
    ATTACH_JS,
    DOCTOR_HZ,
    TONES_JS,
    WEARER_JS,
    until_heard,
)
from tests.namespaces.world import why_not

CODE = re.compile(r"EDGE1:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}")
PREVIEWED = """async ([url, name]) => {
    const offer = await makeOffer(name, 1, null);
    const answer = await fetch(url, {method: "POST", body: offer,
                                     headers: {"Content-Type": "application/sdp"}});
    if (answer.status !== 201) throw new Error(`${answer.status}`);
    await takeAnswer(name, await answer.text());
}"""
SPEAKS_JS = """(hz) => {
    window.openChannels = ({pc}) => pc.addTransceiver(spoken(hz), {direction: "sendonly"});
}"""
"""The doctor's page speaks, in the place of its data channels."""

pytestmark = [
    pytest.mark.alone,
    pytest.mark.browser,
    pytest.mark.privileged,
    pytest.mark.timeout(180),
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]


def state_of(session: MediaSession) -> str:
    return next((one.state for one in session.cameras if one.kind == "headset"), "")


class Statuses:
    """What the panel is told of headsets."""

    def __init__(self) -> None:
        self.newest = HeadsetStatus()

    async def keep(self, status: HeadsetStatus, keys: dict[str, str]) -> None:
        self.newest = status

    @property
    def outside(self) -> bool | None:
        """Of the one headset; None: there is none."""
        return self.newest.headsets[0].outside if self.newest.headsets else None


async def shown(page: Page, peer: str, mid: str) -> int:
    """How many pictures so far."""
    found: dict[str, int] = await page.evaluate("(name) => frames(name)", peer)
    return found.get(mid, 0)


async def test_out_of_the_vehicle_and_back_without_a_touch(broker: Broker, tmp_path: Path) -> None:
    async with (
        road(tmp_path, broker) as here,
        Bus(broker.address, "test", box=BOX) as bus,
        async_playwright() as play,
    ):
        box, statuses = Observer(bus), Statuses()
        await bus.subscribe(MEDIA_SESSION, box.keep)
        await bus.subscribe(HEADSET_STATUS, statuses.keep)
        await bus.publish(BOX_INFO, BoxInfo(vehicle=VEHICLE))
        await here.until_answers("net", f"https://127.0.0.1:{STAFF}/")
        await here.until_answers("device", f"https://{NAME}:{PORT}/where")
        device = await enrolled(here, await here.chromium(play, "device"))
        session = await box.until(lambda s: state_of(s) == "ready", 40)
        headset = next(one.id for one in session.cameras if one.kind == "headset")
        assert await bus.request(START_VIDEO, StartVideo(cameras=(headset,))) == Done()
        await box.until(lambda s: state_of(s) == "live", 20)
        assert statuses.outside is False
        page, mid = await looking(here, box, await here.chromium(play, "car"), headset)

        for leave, outside in ((here.leave, True), (here.come_back, False)):
            leave()
            deadline = 25
            await until_status(statuses, outside, deadline)
            await box.until(lambda s: state_of(s) == "live", deadline)
            for peer, section in (("doctor", mid), ("panel", "0")):
                before = await shown(page, peer, section)
                await frames_seen(page, peer, {section}, more_than=before + 20, timeout_s=20)
            # The same camera in the same room, paired all along, and the wearer is told who looks.
            cameras = box.sessions[-1].cameras
            assert [one.id for one in cameras if one.kind == "headset"] == [headset]
            await until(
                device, "document.getElementById('audience').textContent.includes('Dr. Test')", 15
            )
            assert await device.evaluate("document.body.dataset.state") == "live"
            await hears(device)
        leases = (tmp_path / "headset.log").read_text().count(": lease ")
        assert leases == 1, "paired anew on the way"


async def hears(device: Page) -> None:
    """The doctor's tone comes out of the device, by the way that it is reached on now."""
    await until(device, "headset.listener.audible", 15)
    await until(device, f"({ATTACH_JS})()")
    await until_heard(device, {DOCTOR_HZ}, 15)


async def enrolled(here: Road, browser: Browser) -> Page:
    """The headset's page, opened by the link that fleet staff gave; the last touch there is."""
    context = await browser.new_context(
        ignore_https_errors=True, viewport={"width": 854, "height": 480}
    )
    found = CODE.search(await here.ticket())
    assert found
    page: Page = await context.new_page()
    await page.add_init_script(WEARER_JS)
    await page.goto(f"{here.url}#{found[0]}")
    return page


async def looking(here: Road, box: Observer, browser: Browser, headset: str) -> tuple[Page, str]:
    """A doctor's page and the panel's preview in one browser; the section of the headset."""
    page: Page = await browser.new_page()
    await page.route(f"{ORIGIN}/**", lambda route: route.fulfill(body="", content_type="text/html"))
    await page.goto(f"{ORIGIN}/")
    await page.evaluate("() => {" + PAGE_JS + TONES_JS + "}")
    await page.evaluate(SPEAKS_JS, DOCTOR_HZ)
    answer = await watch(box, page, here.turn, peer="doctor", sections=1, data=True)
    assert isinstance(answer, WatchAnswer), answer
    mid = next(one.mid for one in answer.streams if one.camera == headset)
    await frames_seen(page, "doctor", {mid})
    await page.evaluate(PREVIEWED, [f"http://127.0.0.1:{PREVIEW}/whep/{headset}", "panel"])
    await frames_seen(page, "panel", {"0"})
    return page, mid


async def until_status(statuses: Statuses, outside: bool, limit_s: float) -> None:
    """The panel has been told."""
    async with asyncio.timeout(limit_s):
        while statuses.outside is not outside:
            await asyncio.sleep(0.05)
