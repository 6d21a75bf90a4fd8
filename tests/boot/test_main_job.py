"""The main job as installed: booted vehicle, booted hub, three network interfaces, two browsers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.boot.machine import Machine, booted, box_system, hub_system
from tests.boot.roads import HUB, LINKS, Roads, roads
from tests.demo import CHROMIUM, CHROMIUM_ARGS, WATCH_FRAMES, until_frames, until_true, utc

pytestmark = [pytest.mark.privileged, pytest.mark.browser, pytest.mark.timeout(300)]

NAME = "hub.example.org"
FORWARD = """
[[bond.forward]]
name = "turn"
listen = "127.0.0.1:3478"
to = "127.0.0.1:3478"
"""
LINK = """
[[bond.link]]
name = "{0}"
interface = "{0}"
"""
BACK_WITHIN_S = 8.0
"""systemd waits half a second before it starts a service again, and this machine is slow."""


@dataclass(frozen=True)
class Installed:
    """Two machines that know each other."""

    box: Machine
    hub: Machine
    roads: Roads


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    directory = tmp_path_factory.mktemp("i")
    hub_root = hub_system(directory, NAME, HUB)
    links = FORWARD + "".join(LINK.format(name) for name in LINKS)
    box_root = box_system(directory, "box-1", NAME, links=links)
    settings = hub_root / "etc/edgebox-hub/hub.toml"
    text = settings.read_text().replace(f"turn:{NAME}", f"turn:{HUB}")
    settings.write_text(text.replace(f'"https://{NAME}"', '"http://127.0.0.1:8090"'))
    for root in (hub_root, box_root):
        with (root / "etc/hosts").open("a") as file:
            file.write(f"{HUB} {NAME}\n")
    with (
        roads() as net,
        booted(hub_root, net.path(net.hub)) as hub,
        booted(box_root, net.path(net.vehicle)) as box,
    ):
        hub.until_active(*(f"edgebox-hub-{one}.service" for one in ("bus", "web", "bond", "turn")))
        box.until_active(*(f"edgebox-{one}.service" for one in ("bus", "bond", "media", "panel")))
        yield Installed(box, hub, net)


@contextlib.asynccontextmanager
async def browser_in(space: str, directory: Path) -> AsyncIterator[Browser]:
    """A Chromium that lives in a network name space."""
    program = directory / f"chromium-{space}"
    program.write_text(f'#!/bin/sh\nexec ip netns exec {space} {CHROMIUM} "$@"\n')
    program.chmod(0o755)
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=program, args=CHROMIUM_ARGS)
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def mission(installed: Installed, directory: Path) -> AsyncIterator[tuple[Page, Page]]:
    """Panel and doctor's page, with pictures."""
    async with (
        browser_in(installed.roads.vehicle, directory) as cabin,
        browser_in(installed.roads.hub, directory) as hospital,
    ):
        panel = await cabin.new_page(viewport={"width": 800, "height": 480})
        await panel.goto("http://127.0.0.1:8080/")
        await until_true(panel, "document.querySelectorAll('.link').length === 3", 60)
        await until_true(panel, "!document.querySelector('#notices').textContent.trim()", 60)
        await panel.click("#invite")
        await panel.click("[data-role=doctor]")
        await until_true(panel, "document.querySelector('#invite-url').textContent.trim()")
        link = await panel.locator("#invite-url").text_content() or ""
        doctor = await hospital.new_page()
        await doctor.add_init_script(WATCH_FRAMES)
        await doctor.goto(link.strip())
        await doctor.fill("#name", "Kari Berg")
        await doctor.click("form button[type=submit]")
        await panel.click("#invitation .link-step .close")
        await until_true(panel, "document.querySelector('.guest .admit')")
        await asyncio.sleep(1)  # a card that has just come takes no tap: a person reads it first
        await panel.click(".guest .admit")
        await panel.click("#start")
        try:
            await until_frames(doctor, since_utc=utc() - 5, count=20)
            yield panel, doctor
        finally:
            await panel.screenshot(path=directory / "panel.png")
            await doctor.screenshot(path=directory / "doctor.png")


async def test_pictures_survive_lost_links_and_killed_services(
    installed: Installed, tmp_path: Path
) -> None:
    async with mission(installed, tmp_path) as (_panel, doctor):
        for number in (0, 1):
            installed.roads.cut(number)
            await until_frames(doctor, since_utc=utc(), count=20)
        installed.roads.join(0)
        installed.roads.join(1)
        for service in ("bond", "media", "panel", "bus"):
            kill = ("systemctl", "kill", "--kill-who=main", "--signal=KILL")
            installed.box.run(*kill, f"edgebox-{service}.service")
            killed_utc = utc()
            first = await until_frames(doctor, since_utc=killed_utc + 0.5, count=10)
            assert first - killed_utc <= BACK_WITHIN_S, f"{service} killed: picture back too late"
