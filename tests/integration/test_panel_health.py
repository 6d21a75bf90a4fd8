"""The self-test on the panel: one tap, in a real Chromium, against the real support service; and
each look of it in both sizes and themes.

`PANEL_SCREENSHOTS=docs/screenshots pytest tests/integration/test_panel_health.py` keeps pictures.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.support import Support
from edgebox.config.vehicle import Gpsd
from edgebox.messages.selftest import RUN_SELF_TEST, SELF_TEST, Finding, RunSelfTest, SelfTest
from edgebox.messages.selftest import SelfTestBegun as Begun
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.support import service
from tests.integration.panel_box import (
    BOX,
    brokers,
    chromium,
    config_for,
    open_panel,
    running_panel,
    stand_in,
)
from tests.integration.test_panel_screens import FORMS, see

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def finding(grade: Any, code: str, subject: str = "") -> Finding:
    check = code.partition(".")[0] if "." in code else "clock"
    return Finding(check=check, grade=grade, code=code, at_utc=time.time(), subject=subject)


GOOD = tuple(
    replace(finding("good", "good", f"{index}"), check=check)
    for index, check in enumerate(("power", "disk-space", "memory", "clock", "link", "bond") * 4)
)
UNTRIED = tuple(
    replace(finding("untested", "absent"), check=check)
    for check in ("headset", "update", "unit", "temperature", "gnss", "turn")
)
FAULTS = (
    finding("fault", "disk-health.read-only", "/var/lib/edgebox"),
    finding("fault", "camera.failed-network", "Båre, hodeenden av pasienten"),
    finding("fault", "hub.away"),
    finding("attention", "modem.no-network", "Telenor"),
    finding("attention", "gnss.silent"),
)
SEEN = SelfTest(
    id="t1",
    state="done",
    reason="crew",
    started_utc=time.time() - 4,
    finished_utc=time.time(),
    grade="good",
    checks_done=21,
    checks_total=21,
    findings=(*UNTRIED, *GOOD),
)
LOOKS: tuple[tuple[str, SelfTest], ...] = (
    ("good", SEEN),
    ("attention", replace(SEEN, grade="attention", findings=(FAULTS[3], *UNTRIED, *GOOD))),
    ("fault", replace(SEEN, grade="fault", live=True, findings=(*FAULTS, *UNTRIED, *GOOD))),
    ("running", replace(SEEN, state="running", checks_done=13, findings=GOOD)),
)


async def show(bus: Bus, pages: list[Page], test: SelfTest, look: str) -> None:
    await bus.publish(SELF_TEST, test)
    for page in pages:
        await expect(page.locator("#health")).to_have_attribute("data-look", look)


async def say_support(bus: Bus, state: Any) -> None:
    status = ServiceStatus(service="support", instance="s", state=state, since_utc=time.time())
    await bus.publish(SERVICE_STATUS, status, service="support")


async def test_every_look_fits_every_form() -> None:
    found: dict[str, Any] = {}
    with brokers() as both:
        config = config_for(both)
        async with (
            stand_in(config, both) as box,
            Bus(config.bus.address, "support", box=BOX) as support,
            running_panel(config) as url,
            chromium() as browser,
        ):

            async def begin(question: RunSelfTest, keys: dict[str, str]) -> Begun:
                return Begun(id="t1")

            await support.serve(RUN_SELF_TEST, begin)
            await box.say_modems()
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            for page in pages:
                await expect(page.locator("#health")).to_have_attribute("data-look", "untested")
            await see("health-never-idle", pages, found)
            await say_support(support, "running")
            for page in pages:
                await page.tap("#health")
            for look, test in LOOKS:
                await show(support, pages, test, look)
                await see(f"health-{look}", pages, found)
            for page in pages:
                await page.tap("#health-pane .close")
            for look, test in LOOKS[:3]:
                await show(support, pages, test, look)
                await see(f"health-{look}-idle", pages, found)
            await say_support(support, "stopped")
            for page in pages:
                await expect(page.locator("#health")).to_have_attribute("data-look", "untested")
            await box.go_live("stretcher")
            for page in pages:
                await expect(page.locator("#health")).to_be_hidden()
    assert not found, "\n".join(f"{where}: {faults}" for where, faults in found.items())


def with_support(config: Config, directory: Path) -> Config:
    return replace(
        config,
        support=Support(store=str(directory / "support.db")),
        gpsd=Gpsd(address=""),
        directory=str(directory),
    )


async def test_one_tap_tests_and_says_what_is_wrong(tmp_path: Path) -> None:
    with brokers() as both:
        config = with_support(config_for(both), tmp_path)
        async with (
            stand_in(config, both) as box,
            running_panel(config) as url,
            chromium() as browser,
        ):
            running = asyncio.create_task(service.run(config))
            page = await open_panel(browser, url)
            await box.say_camera("stretcher", state="absent")
            await page.tap("#health")
            fault = page.locator(".finding.fault", has_text="Båre")
            await expect(fault).to_contain_text("kameraet svarer ikke", timeout=20_000)
            await expect(page.locator("#health")).to_have_attribute(
                "data-look", "fault", timeout=20_000
            )
            await box.say_camera("stretcher", state="ready")
            await expect(page.locator("#health-run")).not_to_have_class("asked", timeout=20_000)
            await page.tap("#health-run")
            await expect(fault).to_have_count(0, timeout=20_000)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await expect(page.locator("#health")).to_have_attribute("data-look", "untested")
