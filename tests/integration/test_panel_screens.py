"""Each screen of the panel in a real Chromium, in both sizes, themes and languages: nothing
scrolls, overlaps, is cut off or is too small for a gloved finger.

`PANEL_SCREENSHOTS=docs/screenshots pytest tests/integration/test_panel_screens.py` keeps pictures.
"""

import math
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from edgebox.config.media import Camera
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import Sending, SoundStatus
from edgebox.messages.update import UPDATE_STATUS, UpdateStatus
from tests.integration.panel_box import (
    Brokers,
    StandIn,
    admitted,
    bond,
    brokers,
    chromium,
    config_for,
    link,
    open_panel,
    participant,
    running_panel,
    stand_in,
    watcher,
)
from tests.integration.panel_preview import Preview
from tests.small_png import make_small

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TARGET_PX = 76
FORMS: tuple[tuple[str, tuple[int, int], dict[str, str]], ...] = (
    ("800x480-day-nb", (800, 480), {"theme": "day", "language": "nb"}),
    ("800x480-night-en", (800, 480), {"theme": "night", "language": "en"}),
    ("1280x800-day-en", (1280, 800), {"theme": "day", "language": "en"}),
    ("1280x800-night-nb", (1280, 800), {"theme": "night", "language": "nb"}),
)

FAULTS_OF_LAYOUT = (Path(__file__).parent / "panel_layout.js").read_text()

LONG_NAME = "Ole-Kristian Bjørnebekk-Wilhelms"
CIRCLE = tuple(
    (0.36 + 0.1 * math.cos(step * math.pi / 16), 0.58 + 0.16 * math.sin(step * math.pi / 16))
    for step in range(33)
)

Scene = Callable[["Stage", list[Page]], Awaitable[None]]


@dataclass(frozen=True)
class Stage:
    """What a scene arranges."""

    box: StandIn
    both: Brokers
    preview: Preview


async def idle(stage: Stage, pages: list[Page]) -> None:
    """Nothing is sent; one doctor was let in already."""
    await stage.box.say_modems()
    await stage.box.say_session(admitted=(admitted("Kari Nordmann"),))
    await stage.box.say_room(participant("Kari Nordmann"))
    await until(pages, "#start-text", "Kari Nordmann")


async def idle_guest(stage: Stage, pages: list[Page]) -> None:
    """Two more wait."""
    await stage.box.say_room(
        participant("Kari Nordmann"),
        participant(LONG_NAME, "bystander"),
        participant("Ola Dahl", "interpreter"),
    )
    await until(pages, "#guests", LONG_NAME[:20])


async def live(stage: Stage, pages: list[Page]) -> None:
    """One sees and hears, one hears; the doctor shows her picture, has drawn and points."""
    await stage.box.go_live("stretcher", "cabin")
    people = (watcher("Kari Nordmann", shows=True), watcher("Ola Dahl", "interpreter"))
    await stage.box.say_room(participant("Kari Nordmann"), participant("Ola Dahl", "interpreter"))
    await stage.box.say_session(
        since_utc=stage.box.session.since_utc - 192,
        admitted=(admitted("Kari Nordmann"), admitted("Ola Dahl", "interpreter")),
        watchers=people,
        focus_by="Kari Nordmann",
    )
    await stage.box.draw(*CIRCLE)
    for page in pages:
        await expect(page.locator("#video")).to_have_class("moving", timeout=15_000)
        await expect(page.locator("#guest-video")).to_have_class("moving", timeout=15_000)
        await expect(page.locator("#marks .line")).to_have_count(1)
    await stage.box.point(0.36, 0.52)


async def guest_large(stage: Stage, pages: list[Page]) -> None:
    """One tap on the doctor's picture."""
    for page in pages:
        await page.tap("#guest")


async def live_guest(stage: Stage, pages: list[Page]) -> None:
    """The helicopter's pilot waits."""
    for page in pages:
        await page.tap("#guest")
    await stage.box.say_room(
        participant("Kari Nordmann"),
        participant("Ola Dahl", "interpreter"),
        participant("Helikopter Bergen", "pilot"),
    )
    await until(pages, "#guests", "Helikopter Bergen")


async def hidden(stage: Stage, pages: list[Page]) -> None:
    """Pictures and microphone are off."""
    await pages[0].tap("#hide")
    await pages[0].tap("#mute")
    await stage.box.say_room(participant("Kari Nordmann"), participant("Ola Dahl", "interpreter"))
    for page in pages:
        await expect(page.locator("body")).to_have_attribute("data-tone", "hidden")
        await expect(page.locator("#muted-note")).not_to_be_empty()


async def weak(stage: Stage, pages: list[Page]) -> None:
    """Both are on again; the links carry little, and the loudspeaker is unplugged."""
    await pages[0].tap("#hide")
    await pages[0].tap("#mute")
    await stage.box.say_session(
        watchers=(watcher("Kari Nordmann"), watcher("Ola Dahl", "interpreter")),
        sending=Sending(level="few-frames", reason="capacity", total_bps=260_000),
        sound=SoundStatus(microphone="live", loudspeaker="absent"),
    )
    for page in pages:
        await expect(page.locator("#level")).not_to_be_empty()
        await expect(page.locator(".notice")).to_be_visible()


async def people(stage: Stage, pages: list[Page]) -> None:
    """Who is there; one is muted, and one nearly put out."""
    await stage.box.say_session(
        sound=SoundStatus(microphone="live", loudspeaker="live"),
        sending=Sending(level="full"),
        watchers=(
            watcher("Kari Nordmann"),
            watcher("Ola Dahl", "interpreter", silenced=True, speaks=False),
            watcher(LONG_NAME, "observer"),
        ),
    )
    for page in pages:
        await page.tap("#people")
        await expect(page.locator(".member")).to_have_count(3)
        await page.locator(".put-out").first.tap()


async def settings(stage: Stage, pages: list[Page]) -> None:
    """Theme, sounds and language; a new version waits."""
    running = ServiceStatus(service="update", instance="u", state="running", since_utc=0.0)
    await stage.box.media.publish(SERVICE_STATUS, running, service="update")
    pending = UpdateStatus(
        version="1.4.0-112-gabcdef0123",
        next_version="1.5.0-1-gabcdef0123",
        state="installed",
        since_utc=0.0,
    )
    await stage.box.media.publish(UPDATE_STATUS, pending)
    await until(pages, "#software", "1.5.0-1")
    for page in pages:
        await page.tap("#settings")


async def roles(stage: Stage, pages: list[Page]) -> None:
    """What each role gets."""
    for page in pages:
        await page.tap("#invite")
        await expect(page.locator("[data-role=doctor]")).to_be_visible()


async def invite(stage: Stage, pages: list[Page]) -> None:
    """A link for somebody at the scene: their role has the longest name."""
    for page in pages:
        await page.tap("[data-role=bystander]")
        await expect(page.locator("#qr")).to_be_visible()


async def sms(stage: Stage, pages: list[Page]) -> None:
    """A number is typed."""
    for page in pages:
        await page.tap("#invite-sms")
        for key in "+4791234567":
            await page.tap(f"[data-key='{key}']")


async def close_invite(stage: Stage, pages: list[Page]) -> None:
    """Back to where it was."""
    for page in pages:
        if await page.locator("#sms-back").is_visible():
            await page.tap("#sms-back")
        await page.tap(".link-step .close")
        await expect(page.locator("#invitation")).to_be_hidden()


async def camera_missing(stage: Stage, pages: list[Page]) -> None:
    """The stretcher's camera is gone, the other goes on."""
    await stage.box.say_camera("stretcher", state="absent", bitrate_bps=0)
    await until(pages, "#notices", "Båre")


async def links_down(stage: Stage, pages: list[Page]) -> None:
    """A tunnel."""
    await stage.box.say_camera("stretcher", state="live", bitrate_bps=900_000)
    down = [link(index, state="down", capacity_bps=0, sent_bps=0) for index in range(3)]
    stage.box.bond_status = bond(*down, state="down", target_bps=0, rtt_ms=None)
    for page in pages:
        await expect(page.locator("body")).to_have_attribute("data-tone", "cut")


async def restarting(stage: Stage, pages: list[Page]) -> None:
    """Media has died, and its preview with it."""
    stage.box.bond_status = bond(link(0), link(1, state="suspect"), link(2, state="absent"))
    await stage.box.say_media("stopped")
    await stage.preview.cut()
    for page in pages:
        await expect(page.locator(".notice.warn")).to_be_visible()


async def hub_unreachable(stage: Stage, pages: list[Page]) -> None:
    """Idle, and the hub's broker has gone."""
    await stage.box.say_media("running")
    await stage.box.say_session(state="idle", watchers=(), id="session-3")
    stage.both.hub.kill()
    for page in pages:
        await expect(page.locator(".notice.fault")).to_be_visible(timeout=10_000)


async def broker_away(stage: Stage, pages: list[Page]) -> None:
    """The box's own broker has gone."""
    stage.both.box.kill()
    for page in pages:
        await expect(page.locator("body")).to_have_attribute("data-tone", "unknown")


SCENES: tuple[tuple[str, Scene], ...] = (
    ("idle", idle),
    ("idle-guest", idle_guest),
    ("idle-roles", roles),
    ("idle-invite", invite),
    ("", close_invite),
    ("live", live),
    ("guest-large", guest_large),
    ("live-guest", live_guest),
    ("hidden", hidden),
    ("weak", weak),
    ("people", people),
    ("settings", settings),
    ("roles", roles),
    ("invite", invite),
    ("sms", sms),
    ("", close_invite),
    ("camera-missing", camera_missing),
    ("links-down", links_down),
    ("restarting", restarting),
    ("hub-unreachable", hub_unreachable),
    ("broker-away", broker_away),
)


async def until(pages: list[Page], place: str, text: str) -> None:
    for page in pages:
        await expect(page.locator(place)).to_contain_text(text)


async def see(scene: str, pages: list[Page], found: dict[str, Any]) -> None:
    """Note what is wrong with each page's layout."""
    keep = os.environ.get("PANEL_SCREENSHOTS")
    for page, (form, _, _) in zip(pages, FORMS, strict=True):
        faults = await page.evaluate(FAULTS_OF_LAYOUT, TARGET_PX)
        if faults:
            found[f"{scene} {form}"] = faults
        if keep:
            await page.wait_for_timeout(500)
            path = Path(keep) / f"panel-{scene}-{form}.png"
            await page.screenshot(path=path)
            make_small(path)


async def test_every_screen_fits_every_form() -> None:
    found: dict[str, Any] = {}
    with brokers() as both:
        config = config_for(both)
        origin = f"http://{config.panel.listen}"
        async with (
            stand_in(config, both) as box,
            Preview(config.media.preview_listen, origin) as preview,
            running_panel(config) as url,
            chromium() as browser,
        ):
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            stage = Stage(box, both, preview)
            for scene, arrange in SCENES:
                await arrange(stage, pages)
                if scene:
                    await see(scene, pages, found)
    assert not found, "\n".join(f"{where}: {faults}" for where, faults in found.items())


MANY = tuple(
    Camera(id=f"camera-{index}", name=name, kind="v4l2", source="/dev/null")
    for index, name in enumerate(
        ("Båre hovedende", "Kupé bak", "Ultralyd", "Hodekamera 1", "Utvendig foran", "Bakdør")
    )
)
CROWD = (
    "Kari Nordmann",
    LONG_NAME,
    "Slagvakt Haukeland",
    "AMK Bergen",
    "Anestesilege",
    "Nevrolog",
    "Barnelege",
    "Ole-Kristian Bjørnebekk-Wilhelmsen den yngre av Bergen og omegn",
)


@pytest.mark.parametrize("count", [3, 6])
async def test_many_cameras_links_and_people_fit(count: int) -> None:
    found: dict[str, Any] = {}
    cameras = MANY[:count]
    with brokers() as both:
        config = config_for(both, cameras)
        async with (
            stand_in(config, both, cameras) as box,
            running_panel(config) as url,
            chromium() as browser,
        ):
            box.bond_status = bond(*(link(i) for i in range(3)), link(0, name="w", label="Wi-Fi"))
            await box.say_modems()
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            await until(pages, "#links", "Wi-Fi")
            await see(f"crowd-idle-{count}", pages, found)
            await box.go_live(*(camera.id for camera in cameras[:4]))
            for camera, state in zip(cameras[1:], ("absent", "failed", "absent"), strict=False):
                await box.say_camera(camera.id, state=state)
            roles = ("doctor", "observer", "interpreter", "pilot")
            await box.say_session(
                watchers=tuple(watcher(name, roles[i % 4]) for i, name in enumerate(CROWD))
            )
            await until(pages, "#groups", CROWD[0])
            await see(f"crowd-live-{count}", pages, found)
            await box.say_room(participant(CROWD[-1], "bystander"), participant("Ola Dahl"))
            await until(pages, "#guests", "Ole-Kristian")
            await see(f"crowd-guest-{count}", pages, found)
            for page in pages:
                await page.tap("#people")
            await see(f"crowd-people-{count}", pages, found)
    assert not found, "\n".join(f"{where}: {faults}" for where, faults in found.items())
