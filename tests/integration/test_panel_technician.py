"""The call with the technician on the panel, in a real Chromium: each look of it in every form, and
the button that is held to talk, down to what goes over the bus.

`PANEL_SCREENSHOTS=docs/screenshots pytest tests/integration/test_panel_technician.py` keeps
pictures.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from edgebox.bus import Bus
from edgebox.messages.base import Done
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.support import SUPPORT_CHAT, SUPPORT_SESSION, ChatLine, SupportSession
from edgebox.messages.support_call import (
    CALL_STATUS,
    HANG_UP,
    TAKE_CALL,
    TALK,
    CallStatus,
    HangUp,
    TakeCall,
    Talk,
)
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

ACTIVE = SupportSession(
    state="active",
    id="s1",
    asked_by="crew",
    technician="Ingebjørg Wilhelmsen",
    serial="AA",
    left_s=1700.0,
    doing="look",
)
SHUT = CallStatus(session="s1", state="connected", can_hear=True, can_speak=True)
OPEN = replace(SHUT, microphone=True)
LONG_LINE = "Kan dere ta ut og inn SIM-kortet i ruteren til Telenor, og si fra når det er gjort?"


class Support:
    """Support and media, as far as a call needs them."""

    def __init__(self, bus: Bus):
        self.bus = bus
        self.asked: list[TakeCall | HangUp] = []
        self.said: list[tuple[float, Talk]] = []

    async def listen(self) -> None:
        await self.bus.serve(TAKE_CALL, self._take)
        await self.bus.serve(HANG_UP, self._take)
        await self.bus.subscribe(TALK, self._talk)
        status = ServiceStatus(
            service="support", instance="s", state="running", since_utc=time.time()
        )
        await self.bus.publish(SERVICE_STATUS, status, service="support")

    async def say(self, status: CallStatus = SHUT, **change: Any) -> None:
        await self.bus.publish(SUPPORT_SESSION, replace(ACTIVE, **change))
        await self.bus.publish(CALL_STATUS, status)

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0.01)

    async def _take(self, wish: TakeCall | HangUp, keys: dict[str, str]) -> Done:
        self.asked.append(wish)
        return Done()

    async def _talk(self, said: Talk, keys: dict[str, str]) -> None:
        self.said.append((time.monotonic(), said))


async def shown(pages: list[Page], text: str) -> None:
    for page in pages:
        await expect(page.locator("#support-what")).to_contain_text(text)


@pytest.mark.long
async def test_every_look_of_a_call_fits_every_form() -> None:
    found: dict[str, Any] = {}
    with brokers() as both:
        config = config_for(both)
        async with (
            stand_in(config, both) as box,
            Bus(config.bus.address, "support", box=BOX) as bus,
            running_panel(config) as url,
            chromium() as browser,
        ):
            support = Support(bus)
            await support.listen()
            await box.say_modems()
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            await support.say()
            for page in pages:
                await page.tap("#support-show")
            await see("call-none", pages, found)
            for page in pages:
                await page.tap("#support-pane .close")
            await support.say(call="asked")
            for page in pages:
                await expect(page.locator("#call-answer")).to_be_visible()
            await see("call-asked", pages, found)
            await support.say(call="calling")
            for page in pages:
                await expect(page.locator("#call-end")).to_be_visible()
            await see("call-calling", pages, found)
            for at in range(3):
                line = ChatLine(session="s1", by="technician", text=LONG_LINE, at_utc=float(at))
                await bus.publish(SUPPORT_CHAT, line)
            await support.say(call="open")
            for page in pages:
                await expect(page.locator("#call-hold")).to_have_attribute("aria-disabled", "false")
            await see("call-open", pages, found)
            await support.say(OPEN, call="open", call_microphone=True)
            for page in pages:
                await expect(page.locator("body")).to_have_attribute("data-mic", "open")
            await see("call-heard", pages, found)
            for page in pages:
                await page.tap("#support-pane .close")
            await see("call-heard-idle", pages, found)
            for page in pages:
                await page.tap("#support-show")
            await support.say(replace(SHUT, can_hear=False), call="open")
            for page in pages:
                await expect(page.locator("body")).to_have_attribute("data-mic", "shut")
            await see("call-no-loudspeaker", pages, found)
            await support.say(call_ended="video")
            await box.go_live("stretcher")
            for page in pages:
                await expect(page.locator("#call-take")).to_be_hidden()
            await see("call-ended-live", pages, found)
    assert not found, "\n".join(f"{where}: {faults}" for where, faults in found.items())


async def test_the_button_says_that_it_is_held_until_whatever_lets_go_of_it() -> None:
    with brokers() as both:
        config = config_for(both)
        async with (
            stand_in(config, both),
            Bus(config.bus.address, "support", box=BOX) as bus,
            running_panel(config) as url,
            chromium() as browser,
        ):
            support = Support(bus)
            await support.listen()
            page = await open_panel(browser, url)
            await support.say(call="asked")
            await expect(page.locator("#call-answer")).to_be_visible()
            await page.wait_for_timeout(800)
            await page.tap("#call-answer")
            await support.until(lambda: support.asked == [TakeCall(id="s1")])

            hold = page.locator("#call-hold")
            await support.say(replace(SHUT, state="connecting"), call="open")
            await expect(hold).to_be_visible()
            await hold.hover()
            await page.mouse.down()
            await page.wait_for_timeout(400)
            assert support.said == [], "there is no connection yet"
            await support.say(call="open")
            await support.until(lambda: support.said)
            await page.mouse.up()
            await support.until(lambda: not support.said[-1][1].held)
            for let_go in (
                page.mouse.up(),
                page.evaluate("window.dispatchEvent(new Event('blur'))"),
                support.say(replace(SHUT, state="lost"), call="open"),
            ):
                support.said.clear()
                await support.say(call="open")
                await expect(hold).to_have_attribute("aria-disabled", "false")
                await hold.hover()
                await page.mouse.down()
                await support.until(lambda: len(support.said) > 2)
                times = [at for at, _ in support.said]
                assert max(b - a for a, b in itertools.pairwise(times)) < 0.9
                await let_go
                await support.until(lambda: not support.said[-1][1].held)
                await page.wait_for_timeout(400)
                words = [one for _, one in support.said]
                assert {(one.session, one.press) for one in words} == {("s1", words[0].press)}
                assert [one.held for one in words[-2:]] == [True, False], "nothing after it"
                await page.mouse.up()

            await support.say(call="open")
            await page.tap("#call-end")
            await support.until(lambda: support.asked[1:] == [HangUp()])
