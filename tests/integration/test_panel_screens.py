"""Each screen of the panel in a real Chromium, in both sizes, themes and languages: nothing
scrolls, overlaps, is cut off or is too small for a gloved finger.

`PANEL_SCREENSHOTS=docs/screenshots pytest tests/integration/test_panel_screens.py` keeps pictures.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from edgebox.config import Camera
from tests.integration.panel_box import (
    Brokers,
    StandIn,
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

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TARGET_PX = 76
FORMS: tuple[tuple[str, tuple[int, int], dict[str, str]], ...] = (
    ("800x480-day-nb", (800, 480), {"theme": "day", "language": "nb"}),
    ("800x480-night-en", (800, 480), {"theme": "night", "language": "en"}),
    ("1280x800-day-en", (1280, 800), {"theme": "day", "language": "en"}),
    ("1280x800-night-nb", (1280, 800), {"theme": "night", "language": "nb"}),
)

FAULTS_OF_LAYOUT = (Path(__file__).parent / "panel_layout.js").read_text()

Scene = Callable[["Stage", list[Page]], Awaitable[None]]


@dataclass(frozen=True)
class Stage:
    """What a scene arranges."""

    box: StandIn
    both: Brokers
    preview: Preview


async def idle(stage: Stage, pages: list[Page]) -> None:
    """Nothing is sent; one doctor waits already."""
    await stage.box.say_room(participant("Kari Nordmann"))
    await until(pages, "#waiting", "Kari Nordmann")


async def live(stage: Stage, pages: list[Page]) -> None:
    """Two see, a third is in the room."""
    await stage.box.go_live("stretcher", "cabin")
    await stage.box.say_session(
        since_utc=stage.box.session.since_utc - 192,
        watchers=(watcher("Kari Nordmann"), watcher("Slagvakt Haukeland", "observer")),
    )
    await stage.box.say_room(
        participant("Kari Nordmann"),
        participant("Slagvakt Haukeland", "observer"),
        participant("Ola Dahl", "interpreter"),
    )
    await until(pages, "#waiting", "Ola Dahl")
    for page in pages:
        await expect(page.locator("#video")).to_have_class("moving", timeout=15_000)


async def invite(stage: Stage, pages: list[Page]) -> None:
    """A link for a doctor."""
    for page in pages:
        await page.tap("#invite")
        await expect(page.locator("#qr")).to_be_visible()


async def close_invite(stage: Stage, pages: list[Page]) -> None:
    """Back to where it was."""
    for page in pages:
        await page.tap("#invite-close")


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
    ("idle-invite", invite),
    ("", close_invite),
    ("live", live),
    ("invite", invite),
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
            await page.screenshot(path=Path(keep) / f"panel-{scene}-{form}.png")


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
    assert not found


MANY = tuple(
    Camera(id=f"camera-{index}", name=name, kind="v4l2", source="/dev/null")
    for index, name in enumerate(
        ("Båre hovedende", "Kupé bak", "Ultralyd", "Hodekamera 1", "Utvendig foran", "Bakdør")
    )
)
CROWD = (
    "Kari Nordmann",
    "Ole-Kristian Bjørnebekk-Wilhelmsen",
    "Slagvakt Haukeland",
    "AMK Bergen",
    "Anestesilege",
    "Nevrolog",
)


async def test_six_cameras_four_links_and_six_people_fit() -> None:
    found: dict[str, Any] = {}
    with brokers() as both:
        config = config_for(both, MANY)
        async with (
            stand_in(config, both, MANY) as box,
            running_panel(config) as url,
            chromium() as browser,
        ):
            box.bond_status = bond(*(link(i) for i in range(3)), link(0, name="w", label="Wi-Fi"))
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            await until(pages, "#links", "Wi-Fi")
            await see("crowd-idle", pages, found)
            await box.go_live(*(camera.id for camera in MANY[:4]))
            for camera, state in zip(MANY[1:], ("absent", "failed", "absent"), strict=False):
                await box.say_camera(camera.id, state=state)
            roles = ("doctor", "observer")
            await box.say_session(
                watchers=tuple(watcher(name, roles[i % 2]) for i, name in enumerate(CROWD))
            )
            await until(pages, "#watchers", CROWD[-1])
            await see("crowd-live", pages, found)
    assert not found
