"""The patient monitors' tile and pane in a real Chromium, in both sizes, themes and languages.

`PANEL_SCREENSHOTS=docs/screenshots pytest tests/integration/test_panel_vitals.py` keeps pictures.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from edgebox.config.vitals import Monitor, Vitals
from edgebox.messages.vitals import (
    VITALS_NOW,
    VITALS_STATUS,
    MonitorStatus,
    VitalsNow,
    VitalsStatus,
    VitalsStoreStatus,
)
from edgebox.observation import Alarm, Numeric
from tests.integration.panel_box import (
    StandIn,
    admitted,
    brokers,
    chromium,
    config_for,
    open_panel,
    participant,
    running_panel,
    stand_in,
    watcher,
)
from tests.integration.panel_preview import Preview
from tests.integration.test_panel_screens import FORMS, see

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

STALE_S = 10.0
MONITORS = (
    Monitor(id="monitor", name="Monitor", kind="hl7", listen="127.0.0.1:2575"),
    Monitor(id="oximeter", name="Oksymeter", kind="nonin", port="/dev/null"),
)
VALUES = (
    (147842, "MDC_ECG_HEART_RATE", "/min", 72.0),
    (150456, "MDC_PULS_OXIM_SAT_O2", "%", 97.0),
    (150021, "MDC_PRESS_BLD_NONINV_SYS", "mm[Hg]", 128.0),
    (150022, "MDC_PRESS_BLD_NONINV_DIA", "mm[Hg]", 76.0),
    (150023, "MDC_PRESS_BLD_NONINV_MEAN", "mm[Hg]", 93.0),
    (151562, "MDC_RESP_RATE", "/min", 14.0),
    (151728, "MDC_AWAY_CO2_ET", "mm[Hg]", 38.0),
    (150344, "MDC_TEMP", "Cel", 36.8),
)


def numerics(device: str = "monitor", age_s: float = 0.0, **more: Any) -> list[Numeric]:
    """All of VALUES."""
    at_utc = time.time() - age_s
    found = []
    for code, name, unit, value in VALUES:
        fields: dict[str, Any] = {
            "device": device, "received_utc": at_utc, "source_utc": at_utc, "code": code,
            "name": name, "unit": unit, "value": value, "validity": "valid",
            "episodic": "NONINV" in name,
        } | more  # fmt: skip
        found.append(Numeric(**fields))
    return found


def status(name: str = "monitor", **more: Any) -> MonitorStatus:
    """One monitor, connected unless told otherwise."""
    found = next(one for one in MONITORS if one.id == name)
    fields: dict[str, Any] = {
        "id": name, "name": found.name, "kind": found.kind, "state": "connected",
        "since_utc": time.time(), "stale_after_s": STALE_S, "received_utc": time.time(),
    } | more  # fmt: skip
    return MonitorStatus(**fields)


class Ward:
    """What the vitals service says."""

    def __init__(self, box: StandIn):
        self._bus = box.media

    async def say(
        self,
        values: list[Numeric],
        *monitors: MonitorStatus,
        alarms: tuple[Alarm, ...] = (),
        store: VitalsStoreStatus | None = None,
    ) -> None:
        """All of it."""
        now_utc = time.time()
        told = VitalsStatus(at_utc=now_utc, monitors=monitors, store=store or VitalsStoreStatus())
        await self._bus.publish(VITALS_STATUS, told)
        board = VitalsNow(at_utc=now_utc, numerics=tuple(values), alarms=alarms)
        await self._bus.publish(VITALS_NOW, board)


Scene = Callable[[Ward], Awaitable[tuple[str, str]]]
"""Says something; gives the standing of the first value and a word that must be in sight."""


async def valid(ward: Ward) -> tuple[str, str]:
    """All is well, and the monitor has something to say."""
    now_utc = time.time()
    text = "** SpO2 LAV < 90"
    alarm = Alarm(device="monitor", received_utc=now_utc, source_utc=now_utc, text=text)
    await ward.say(numerics(), status(), alarms=(alarm,))
    return "valid", "72"


async def doubtful(ward: Ward) -> tuple[str, str]:
    """Nothing of it can be relied on, one way or another."""
    values = numerics()
    words: tuple[Any, ...] = ("questionable", "invalid", "calibrating", "unavailable")
    for n, validity in enumerate(words):
        none = validity in {"invalid", "unavailable"}
        values[n] = replace(values[n], validity=validity, value=None if none else values[n].value)
    await ward.say(values, status(clock_ahead_s=86_400.0))
    return "questionable", "- -"


async def stale(ward: Ward) -> tuple[str, str]:
    """The heart rate is not repeated, the others are; twenty minutes."""
    old, rest = numerics(age_s=1200.0)[:2], numerics()[2:]
    await ward.say([*old, *rest], status())
    return "stale", "20 min"


async def demonstration(ward: Ward) -> tuple[str, str]:
    """The monitor shows a made-up patient, and the box is nearly full."""
    store = VitalsStoreStatus(used_bytes=95, limit_bytes=100)
    await ward.say(numerics(validity="demo"), status(demo=True), store=store)
    return "demo", "DEMO"


async def two(ward: Ward) -> tuple[str, str]:
    """Two monitors, one of which has fallen silent; the box is full."""
    pulse = numerics("oximeter", age_s=30.0)[:2]
    store = VitalsStoreStatus(used_bytes=100, limit_bytes=100, dropped_waves=12)
    silent = status("oximeter", state="gone", received_utc=time.time() - 30)
    await ward.say([*numerics(), *pulse], status(), silent, store=store)
    return "valid", "Oksymeter"


async def silent(ward: Ward) -> tuple[str, str]:
    """Nothing comes any more: no value is on the tile."""
    received_utc = time.time() - 60
    await ward.say(numerics(age_s=60.0), status(state="two-on-one-line", received_utc=received_utc))
    return "", "Monitor"


SCENES: tuple[tuple[str, Scene], ...] = (
    ("valid", valid),
    ("doubtful", doubtful),
    ("stale", stale),
    ("demo", demonstration),
    ("two", two),
    ("silent", silent),
)


async def shown(page: Page, standing: str, word: str) -> None:
    """The tile shows it: with its age or its validity in words, always."""
    tile = page.locator("#vitals-tile")
    if standing:
        first = tile.locator(".vital").first
        await expect(first).to_have_attribute("data-standing", standing)
    else:
        await expect(tile.locator(".vital")).to_have_count(0)
        await expect(tile.locator(".words")).not_to_be_empty()
    await expect(tile.or_(page.locator("#vitals-pane")).filter(has_text=word).first).to_have_count(
        1
    )
    for text in await tile.locator(".vital .now").all_inner_texts():
        assert text.strip(), "a value without validity and age"


async def test_every_state_of_the_monitors_fits_every_form() -> None:
    found: dict[str, Any] = {}
    with brokers() as both:
        config = replace(config_for(both), vitals=Vitals(monitor=MONITORS))
        origin = f"http://{config.panel.listen}"
        async with (
            stand_in(config, both) as box,
            Preview(config.media.preview_listen, origin),
            running_panel(config) as url,
            chromium() as browser,
        ):
            ward = Ward(box)
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            await box.go_live("stretcher", "cabin")
            await box.say_room(participant("Kari Nordmann"))
            await box.say_session(
                admitted=(admitted("Kari Nordmann"),), watchers=(watcher("Kari Nordmann"),)
            )
            for name, arrange in SCENES:
                told = await arrange(ward)
                for page in pages:
                    await shown(page, *told)
                await see(f"vitals-{name}", pages, found)
                for page in pages:
                    await page.tap("#vitals-tile")
                    await expect(page.locator("#vitals-pane")).to_be_visible()
                await see(f"vitals-{name}-pane", pages, found)
                for page in pages:
                    await page.tap("#vitals-pane .close")
                    await expect(page.locator("#vitals-pane")).to_be_hidden()
            await box.say_session(state="idle", watchers=(), id="session-2")
            await valid(ward)
            for page in pages:
                await shown(page, "valid", "72")
            await see("vitals-idle", pages, found)
    assert not found, "\n".join(f"{where}: {faults}" for where, faults in found.items())
