"""A headset's wearer hears the doctor and not themselves: real Chromiums, on the access point."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Page

from edgebox.config import Config
from edgebox.config.media import Loudspeaker, Microphone
from edgebox.messages.base import Done
from edgebox.messages.session import (
    MUTE_CABIN,
    START_VIDEO,
    MuteCabin,
    StartVideo,
    WatchAnswer,
)
from tests.conftest import Broker, TurnServer
from tests.integration.headset_rig import (
    BEARER,
    HeadsetBox,
    headset_box,
    headset_configuration,
    headset_page,
)
from tests.integration.media_rig import chromium_page, until
from tests.integration.sound_page import CALL_JS, call
from tests.integration.tones import (
    ATTACH_JS,
    AUDIBLE_FLAGS,
    CABIN_HZ,
    DOCTOR_HZ,
    DOCTOR_JS,
    WEARER_HZ,
    WEARER_JS,
    heard_within,
    until_heard,
)

pytestmark = [pytest.mark.alone, pytest.mark.browser]

UNTOUCHED_JS = """
let touched = false;
addEventListener("click", () => { touched = true; }, true);
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (this.id !== "voices" || touched) return play.call(this);
  return Promise.reject(new DOMException("touch it first", "NotAllowedError"));
};
"""
"""A browser that lets nothing be heard before a touch: to Chromium a test's question is one."""


def with_sound(broker: Broker, directory: Path, turn: str) -> Config:
    """A cabin whose microphone beeps."""
    config = headset_configuration(broker, directory, turn)
    media = msgspec.structs.replace(
        config.media, microphone=Microphone(kind="tone"), loudspeaker=Loudspeaker(kind="meter")
    )
    return msgspec.structs.replace(config, media=media)


async def silent(page: Page, kind: str, there: bool = True) -> None:
    """Wait until the page says that somebody is not heard, or no more."""
    count = f"document.querySelectorAll('[data-silent=\"{kind}\"]').length"
    await until(page, f"{count} === {int(there)}")


async def command(page: Page, name: str) -> None:
    """As said or tapped."""
    await until(page, f"document.querySelector('[data-command=\"{name}\"]') !== null")
    await page.click(f'[data-command="{name}"]')


async def doctor_calls(box: HeadsetBox, page: Page, turn: TurnServer) -> None:
    """In a room that is live."""
    await page.evaluate("() => {" + CALL_JS + DOCTOR_JS + "}")
    assert await box.observer.bus.request(START_VIDEO, StartVideo()) == Done()
    await box.observer.until(lambda s: s.state == "live")
    answer = await call(box.observer, page, turn, sections=1)
    assert isinstance(answer, WatchAnswer), answer


async def test_wearer_hears_the_doctor_and_not_themselves_until_the_lease_ends(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = with_sound(broker, tmp_path, turn_server.address)
    preview = f"http://{config.media.preview_listen}/"
    async with (
        headset_box(config) as box,
        headset_page(box, script=WEARER_JS + UNTOUCHED_JS, more_flags=AUDIBLE_FLAGS) as page,
        chromium_page(*AUDIBLE_FLAGS, url=preview) as doctor,
    ):
        await silent(page, "blocked")
        assert not await page.evaluate("headset.listener.audible")
        await page.click("#view")
        await silent(page, "blocked", there=False)
        await doctor_calls(box, doctor, turn_server)
        await until(page, "headset.listener.audible")
        await until(page, f"({ATTACH_JS})()")
        await asyncio.gather(
            until_heard(page, {DOCTOR_HZ}), until_heard(doctor, {CABIN_HZ, WEARER_HZ})
        )

        await command(page, "quiet")
        await silent(page, "quiet")
        assert not await page.evaluate("headset.listener.audible")
        await command(page, "mute")
        await silent(page, "own")
        await until_heard(doctor, {CABIN_HZ})
        await command(page, "unmute")
        await silent(page, "own", there=False)

        assert await box.observer.bus.request(MUTE_CABIN, MuteCabin(muted=True)) == Done()
        await silent(page, "vehicle")
        await asyncio.gather(until_heard(page, {DOCTOR_HZ}), until_heard(doctor, set()))

        box.door.end(BEARER)
        await asyncio.sleep(0.5)
        assert await heard_within(page, 0.5) == set()
        await until(page, "headset.listener.state !== 'live' && headset.listener.refused === 401")
        await box.observer.until(
            lambda s: [one.state for one in s.cameras if one.kind == "headset"] == ["absent"]
        )
        assert box.statuses[-1].headsets == ()
