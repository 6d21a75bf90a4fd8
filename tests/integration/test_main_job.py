"""The main job, whole: one tap in the cabin, a doctor's browser, three links that fail.

Real mosquitto, coturn, Chromium; the simulated links are the demo's own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import pytest
from playwright.async_api import Browser, Page, ViewportSize

from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.services import ASK_HUB, AskHub, HubStatus
from tests.demo import WATCH_FRAMES, RunningDemo, chromium, demo, until_frames, until_true, utc
from tests.rtsp import H264, NetworkCamera

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.timeout(240)]

START = "#start"
JOIN = "form button[type=submit]"
BACK_WITHIN_S = 5.0
LAPTOP: ViewportSize = {"width": 1280, "height": 800}


@contextlib.asynccontextmanager
async def mission(
    *args: str, viewport: ViewportSize = LAPTOP
) -> AsyncIterator[tuple[RunningDemo, Page, Page]]:
    """A demo after the crew's tap, with a doctor who sees pictures: demo, panel, her page."""
    async with demo(*args) as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        tapped_utc = utc()
        await panel.click(START)
        doctor = await join(browser, running.room, viewport)
        await until_frames(doctor, since_utc=tapped_utc, count=20)
        yield running, panel, doctor


async def join(browser: Browser, link: str, viewport: ViewportSize = LAPTOP) -> Page:
    """Open an invitation in a browser of its own and press the button."""
    context = await browser.new_context(viewport=viewport)
    page = await context.new_page()
    await page.add_init_script(WATCH_FRAMES)
    await page.goto(link)
    await page.fill("#name", "Kari Berg")
    await page.click(JOIN)
    return page


@contextlib.asynccontextmanager
async def bridge_states(running: RunningDemo) -> AsyncIterator[list[bool]]:
    """What the box's broker says of its bridge to the hub, from now on."""
    config = load(running.configuration())
    seen: list[bool] = []

    async def take(up: bool) -> None:
        seen.append(up)

    async with Bus(config.bus.address, "test", box=config.box.id) as bus:
        await bus.watch_bridge(take)
        yield seen


async def until_hub_answers(running: RunningDemo) -> None:
    """Over the bridge and back."""
    config = load(running.configuration())
    async with Bus(config.bus.address, "test-ask", box=config.box.id) as bus:
        while not isinstance(await bus.request(ASK_HUB, AskHub(), timeout_s=1), HubStatus):
            pass


async def test_pictures_survive_cut_links_and_killed_processes() -> None:
    async with mission() as (running, _panel, doctor):
        busiest = max(running.links(), key=lambda link: link["up"]["counters"]["passed_bytes"])[
            "name"
        ]
        async with bridge_states(running) as seen:
            running.set_link(busiest, cut=True)
            cut_utc = utc()
            await until_frames(doctor, since_utc=cut_utc, count=30)
            await until_hub_answers(running)
            assert seen == [True], "the broker's bridge went with the link"
        running.set_link(busiest, cut=False)
        for part in ("bond", "media", "panel", "conduit", "mosquitto"):
            before = running.pid(part)
            running.kill(part)
            killed_utc = utc()
            # The frames in flight when it died do not count as being back.
            first = await until_frames(doctor, since_utc=killed_utc + 0.5, count=10)
            assert first - killed_utc <= BACK_WITHIN_S, f"{part} killed: picture back too late"
            async with asyncio.timeout(15):
                while running.pids().get(part, before) == before:
                    await asyncio.sleep(0.05)
                await until_hub_answers(running)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten seconds of an H.264 film, as a camera or phone records it."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 960, 540, "yuv420p"
        for number in range(250):
            frame = av.VideoFrame(960, 540, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(((number * 3) % 200 + 20,)) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def rtsp_url() -> Iterator[str]:
    """A network camera that sends H.264."""
    camera = NetworkCamera()
    camera.plug(H264)
    yield camera.camera.source
    camera.unplug()


async def test_rtsp_camera_and_film_are_shown_live(film: Path, rtsp_url: str) -> None:
    async with mission("--camera", rtsp_url, "--camera", str(film)) as (_running, panel, doctor):
        await until_true(
            doctor,
            "Object.values(window.edgebox.framesDecoded).filter(n => n > 50).length === 2",
        )
        assert await panel.locator("#video").evaluate("v => v.videoWidth") > 0
