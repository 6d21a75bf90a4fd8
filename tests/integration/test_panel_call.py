"""Admission, privacy, pointing and sounds on the panel, in a real Chromium."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Locator, Page, expect

from edgebox.messages.base import Fault
from edgebox.messages.session import (
    Admit,
    GuestMuted,
    HidePictures,
    MuteCabin,
    Refuse,
    Sending,
    SoundStatus,
    StartVideo,
)
from tests.integration.panel_box import (
    admitted,
    bond,
    id_of,
    link,
    participant,
    watcher,
)
from tests.integration.panel_preview import Preview
from tests.integration.test_panel_mission import Cabin, cabin

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]

FRESH_S = 0.8
"""people.js: a card that has just come takes no tap."""
KARI, OLA = id_of("Kari Nordmann"), id_of("Ola Dahl")

LISTEN = """
window.__tones = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) {
  window.__tones.push(this.frequency.value);
  return start.call(this, at);
};
const ramp = AudioParam.prototype.linearRampToValueAtTime;
AudioParam.prototype.linearRampToValueAtTime = function (value, at) {
  window.__loudest = Math.max(window.__loudest ?? 0, value);
  return ramp.call(this, value, at);
};
"""


@contextlib.asynccontextmanager
async def live_cabin(**cookies: str) -> AsyncIterator[tuple[Cabin, Page]]:
    """A doctor who sees and hears, an interpreter who hears."""
    async with cabin() as here:
        page = await here.open(**cookies)
        await here.box.go_live("stretcher", "cabin")
        await here.box.say_room(
            participant("Kari Nordmann"), participant("Ola Dahl", "interpreter")
        )
        await here.box.say_session(
            admitted=(admitted("Kari Nordmann"), admitted("Ola Dahl", "interpreter")),
            watchers=(watcher("Kari Nordmann"), watcher("Ola Dahl", "interpreter")),
        )
        await expect(page.locator("#groups")).to_contain_text("Ola Dahl")
        yield here, page


# Admission


async def test_two_taps_from_a_waiting_doctor_to_a_live_call() -> None:
    async with cabin() as here:
        page = await here.open()
        await here.box.say_room(participant("Kari Nordmann"))
        guest = page.locator(".guest")
        await expect(guest).to_contain_text("Kari Nordmann")
        await expect(guest).to_contain_text("lyden fra bilen")
        start = page.locator("#start-text")
        await expect(start).to_have_text("Venter på å slippes inn: Kari Nordmann (lege)")
        await asyncio.sleep(FRESH_S)
        await guest.locator(".admit").tap()
        await expect(start).to_have_text("Får se eller høre: Kari Nordmann (lege)")
        await expect(guest).to_have_count(0)
        await page.tap("#start")
        await expect(page.locator("body")).to_have_attribute("data-screen", "live")
        assert here.box.asked == [
            Admit(
                session="session-1", participant=KARI, role="doctor", name="Kari Nordmann"
            ),
            StartVideo(cameras=("stretcher", "cabin")),
        ]  # fmt: skip


async def test_card_that_has_just_come_takes_no_tap() -> None:
    async with cabin() as here:
        page = await here.open()
        await page.evaluate(
            """() => new MutationObserver(() => {
                 const button = document.querySelector(".guest .admit");
                 const at = { bubbles: true, pointerId: 3, clientX: 0, clientY: 0 };
                 if (!button) return;
                 const box = button.getBoundingClientRect();
                 Object.assign(at, { clientX: box.x + 5, clientY: box.y + 5 });
                 button.setPointerCapture = () => {};
                 button.dispatchEvent(new PointerEvent("pointerdown", at));
                 button.dispatchEvent(new PointerEvent("pointerup", at));
               }).observe(document.getElementById("guests"), { childList: true })"""
        )
        await here.box.say_room(participant("Kari Nordmann"))
        await expect(page.locator(".guest")).to_be_visible()
        await asyncio.sleep(0.3)
        assert here.box.asked == []


async def test_guests_are_answered_one_after_the_other() -> None:
    async with live_cabin() as (here, page):
        people = [participant("Kari Nordmann"), participant("Ola Dahl", "interpreter")]
        pilot, helper = participant("Helikopter", "pilot"), participant("Nabo", "bystander")
        await here.box.say_room(*people, pilot, helper)
        await expect(page.locator(".guest")).to_contain_text("Helikopter")
        await expect(page.locator(".guest .more")).to_have_text("+1")
        await expect(page.locator("#waiting-title")).to_contain_text("Nabo (hjelper på stedet)")
        await asyncio.sleep(FRESH_S)
        await page.tap(".guest .refuse")
        await expect(page.locator(".guest")).to_contain_text("Nabo")
        assert here.box.asked[-1] == Refuse(session="session-1", participant=pilot.id)
        await asyncio.sleep(FRESH_S)
        here.box.fault = Fault(reason="busy")
        await page.tap(".guest .admit")
        await expect(page.locator("#toast")).to_contain_text("Ingen ble sluppet inn.")
        here.box.fault = None
        await page.tap(".guest .admit")
        await expect(page.locator(".guest")).to_have_count(0)
        assert here.box.asked[-1].participant == helper.id


async def test_role_that_changed_under_the_tap_is_not_let_in() -> None:
    async with live_cabin() as (here, page):
        await here.box.say_room(participant("Nabo", "bystander"))
        await expect(page.locator(".guest")).to_be_visible()
        answer = await page.evaluate(
            """async (participant) => (await fetch("/admit", {
                 method: "POST", headers: { "Content-Type": "application/json" },
                 body: JSON.stringify({ participant, role: "doctor" }),
               })).json()""",
            id_of("Nabo"),
        )
        assert answer["text"] == "Ingen ble sluppet inn. Personen venter ikke lenger."
        assert not any(isinstance(one, Admit) for one in here.box.asked)


async def test_technician_can_only_be_turned_away() -> None:
    async with live_cabin() as (here, page):
        await here.box.say_room(participant("Verksted", "technician"))
        await expect(page.locator(".guest")).to_contain_text("Får verken bilde eller lyd.")
        await expect(page.locator(".guest .admit")).to_be_hidden()
        await expect(page.locator(".guest .refuse")).to_be_visible()


async def touch(page: Page, target: Locator, at_utc: float) -> None:
    """A finger on and off the glass at that time, of which the page may hear later."""
    place = await target.bounding_box()
    assert place
    point = {"x": place["x"] + place["width"] / 2, "y": place["y"] + place["height"] / 2}
    glass = await page.context.new_cdp_session(page)
    for kind, points in (("touchStart", [point]), ("touchEnd", [])):
        await glass.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": points, "timestamp": at_utc},
        )
    await glass.detach()


async def test_second_tap_puts_somebody_out_and_one_does_not() -> None:
    async with live_cabin() as (here, page):
        await page.tap("#people")
        out = page.locator(f".member[data-participant={KARI}] .put-out")
        touched_utc = time.time()
        await touch(page, out, touched_utc)
        await expect(out).to_have_text("SIKKER?")
        await asyncio.sleep(0.4)
        # The same finger, bouncing: what a busy page hears late.
        await touch(page, out, touched_utc + 0.2)
        await touch(page, out, touched_utc + 0.3)
        assert here.box.asked == []
        await out.tap()
        await expect(page.locator(".member")).to_have_count(1)
        assert here.box.asked == [Refuse(session="session-1", participant=KARI)]
        await expect(page.locator("#groups")).to_have_text("Hører:Ola Dahltolk")
        await expect(page.locator("#title")).to_have_text("LYD SENDES")


async def test_guest_is_silenced_and_heard_again() -> None:
    async with live_cabin() as (here, page):
        await page.tap("#people")
        row = page.locator(f".member[data-participant={OLA}]")
        await row.locator(".silence").tap()
        await expect(row.locator(".silence")).to_have_attribute("aria-pressed", "true")
        await expect(row).to_contain_text("dempet")
        await row.locator(".silence").tap()
        await expect(row.locator(".silence")).to_have_attribute("aria-pressed", "false")
        assert here.box.asked == [
            GuestMuted(participant=OLA, muted=True),
            GuestMuted(participant=OLA, muted=False),
        ]


# Privacy


async def test_pictures_are_hidden_by_one_tap_and_back_by_one() -> None:
    async with live_cabin() as (here, page):
        hide = page.locator("#hide")
        await hide.tap()
        await expect(page.locator("#title")).to_have_text("BILDET ER SKJULT")
        await expect(page.locator("#hidden-words")).to_be_visible()
        await expect(page.locator("#groups")).to_have_text("Hører:Kari NordmannlegeOla Dahltolk")
        await expect(page.locator("#sending")).to_contain_text("Du har skjult dem")
        await expect(hide).to_have_text("VIS BILDET")
        await hide.tap()
        await expect(hide).to_have_text("SKJUL BILDET")
        assert here.box.asked == [HidePictures(hidden=True), HidePictures(hidden=False)]
        here.box.fault = Fault(reason="timeout")
        await hide.tap()
        await expect(page.locator("#toast")).to_contain_text("Bildet ble ikke endret.")
        await expect(hide).to_have_attribute("aria-pressed", "false")


async def test_muted_microphone_cannot_be_overlooked() -> None:
    async with live_cabin() as (here, page):
        mute = page.locator("#mute")
        await mute.tap()
        await expect(mute).to_have_text("MIKROFON AV")
        await expect(page.locator("#muted-note")).to_contain_text("ingen hører bilen")
        await expect(page.locator("#groups")).to_contain_text("Ser:Kari Nordmann")
        await expect(page.locator("#groups")).not_to_contain_text("Ser og hører")
        await mute.tap()
        await expect(mute).to_have_text("MIKROFON PÅ")
        await expect(page.locator("#muted-note")).to_be_empty()
        assert here.box.asked == [MuteCabin(muted=True), MuteCabin(muted=False)]


async def test_missing_sound_is_said_in_words() -> None:
    async with live_cabin() as (here, page):
        await here.box.say_session(sound=SoundStatus(microphone="absent", loudspeaker="failed"))
        notices = page.locator("#notices")
        await expect(notices).to_contain_text("Mikrofonen mangler")
        await expect(notices).to_contain_text("Høyttaleren virker ikke")
        await expect(page.locator("#mute")).to_have_text("MIKROFON VIRKER IKKE")
        await here.box.say_session(sound=SoundStatus())
        await expect(page.locator("#mute")).to_be_hidden()
        await expect(notices).to_be_empty()


async def test_what_is_sent_and_why_in_words() -> None:
    async with live_cabin() as (here, page):
        low = Sending(level="main-only", reason="capacity", total_bps=400_000)
        await here.box.say_session(sending=low, focus_by="Kari Nordmann")
        await expect(page.locator("#level")).to_have_text("Bare hovedbildet")
        await expect(page.locator("#why")).to_have_text("fordi dekningen er svak")
        await here.box.say_session(sending=Sending(level="full"))
        await expect(page.locator("#why")).to_have_text("Hovedbilde valgt av Kari Nordmann")


# Pictures


async def test_pictures_of_guests_come_in_and_swap_by_taps() -> None:
    async with (
        live_cabin() as (here, page),
        Preview(here.config.media.preview_listen, here.url) as preview,
    ):
        await expect(page.locator("#guest")).to_be_hidden()
        kari = watcher("Kari Nordmann", shows=True)
        nabo = watcher("Nabo", "bystander", shows=True)
        await here.box.say_session(watchers=(kari, nabo))
        video = page.locator("#guest-video")
        await expect(video).to_have_class("moving", timeout=15_000)
        await expect(page.locator("#guest-name")).to_have_text("Kari Nordmann · lege")
        picture = page.locator(".picture")
        await page.tap("#guest")
        await expect(picture).to_have_attribute("data-large", "guest")
        await page.tap("#guest")
        await expect(page.locator("#guest-name")).to_have_text("Nabo · hjelper på stedet")
        await expect(video).to_have_class("moving", timeout=15_000)
        assert preview.asked[-1] == nabo.peer
        await page.tap("#guest")
        await expect(picture).to_have_attribute("data-large", "own")
        await here.box.say_session(watchers=(replace(kari, shows=False),))
        await expect(page.locator("#guest")).to_be_hidden()


async def test_pointer_and_lines_are_where_they_were_meant() -> None:
    async with live_cabin() as (here, page):
        await here.box.draw((0.25, 0.5), (0.5, 0.75))
        line = page.locator("#marks .line")
        await expect(line).to_have_attribute("points", "250,500 500,750")
        await here.box.draw((0.6, 0.8))
        await expect(line).to_have_attribute("points", "250,500 500,750 600,800")
        await here.box.point(0.5, 0.25)
        await expect(page.locator("#marks .pointer")).to_have_attribute("d", "M500 250h0")
        await expect(page.locator("#pointing")).to_have_text("Kari Nordmann peker.")
        late = await here.open()
        await expect(late.locator("#marks .line")).to_have_attribute(
            "points", "250,500 500,750 600,800"
        )
        await expect(page.locator("#marks .pointer")).to_have_count(0, timeout=4_000)
        await expect(page.locator("#pointing")).to_be_empty()

        zoomed = tuple(
            replace(one, part=(0.25, 0.5, 0.5)) if one.id == "stretcher" else one
            for one in here.box.session.cameras
        )
        await here.box.say_session(cameras=zoomed)
        await expect(line).to_have_attribute("points", "0,0 500,500 700,600")
        await here.box.point(0.5, 0.5, camera="cabin")
        await expect(page.locator("#pointing")).to_have_text("Kari Nordmann peker i «Kupé».")
        await expect(page.locator("#marks .pointer")).to_have_count(0)
        await here.box.wipe()
        await expect(line).to_have_count(0)
        await here.box.draw((0.5, 0.5), (0.6, 0.6))
        await expect(line).to_have_count(1)
        await here.box.say_session(id="session-9")
        await expect(line).to_have_count(0)


async def test_picture_that_only_comes_now_and_then_is_not_called_still() -> None:
    async with (
        live_cabin() as (here, page),
        Preview(here.config.media.preview_listen, here.url) as preview,
    ):
        await expect(page.locator("#video")).to_have_class("moving", timeout=15_000)
        await here.box.say_session(sending=Sending(level="stills", reason="capacity"))
        await expect(page.locator("#level")).to_have_text("Stillbilder og lyd")
        preview.freeze()
        await asyncio.sleep(2.5)
        await expect(page.locator("#preview-words")).to_have_text("")
        await here.box.say_session(sending=Sending(level="full"))
        await expect(page.locator("#preview-words")).not_to_have_text("", timeout=5_000)


# Sounds


async def tones(page: Page) -> Any:
    """Frequencies played since the last question."""
    return await page.evaluate("window.__tones.splice(0)")


async def test_sounds_tell_what_happens_and_can_be_switched_off() -> None:
    async with live_cabin(theme="day") as (here, page):
        await page.context.add_init_script(LISTEN)
        await page.reload()
        await expect(page.locator("#groups")).to_contain_text("Ola Dahl")
        assert await tones(page) == [], "what is there already is no news"
        await here.box.say_room(participant("Nabo", "bystander"))
        await expect(page.locator(".guest")).to_be_visible()
        assert await tones(page) == [660, 880, 660, 880]
        people = here.box.session.watchers
        await here.box.say_session(watchers=(*people, watcher("Nabo", "bystander")))
        await expect(page.locator("#groups")).to_contain_text("Nabo")
        assert await tones(page) == [523, 784]
        down = [link(i, state="down", capacity_bps=0, sent_bps=0) for i in range(3)]
        here.box.bond_status = bond(*down, state="down", target_bps=0)
        await expect(page.locator("#title")).to_have_text("BILDET KOMMER IKKE FRAM")
        assert await tones(page) == [440, 330]
        here.box.bond_status = bond()
        await expect(page.locator("#title")).to_have_text("SENDES NÅ")
        assert await tones(page) == [330, 440, 660]
        by_day = await page.evaluate("window.__loudest")

        await page.tap("#settings")
        await page.tap("[data-theme-choice=night]")
        await page.evaluate("window.__loudest = 0")
        await here.box.say_room(participant("Pilot", "pilot"))
        await expect(page.locator(".guest .name")).to_have_text("Pilot")
        assert len(await tones(page)) == 4
        assert 0 < await page.evaluate("window.__loudest") < by_day / 3
        await page.tap("#cues")
        await tones(page)
        await here.box.say_room(participant("Enda en", "pilot"))
        await expect(page.locator(".guest .name")).to_have_text("Enda en")
        assert await tones(page) == []


# A second screen


async def test_second_window_shows_and_does_the_same() -> None:
    async with live_cabin() as (here, page):
        other = await here.open(language="en")
        await expect(other.locator("#groups")).to_contain_text("Kari Nordmann")
        await other.tap("#hide")
        for one in (page, other):
            await expect(one.locator("body")).to_have_attribute("data-tone", "hidden")
        await page.tap("#hide")
        await expect(other.locator("#hide")).to_have_text("HIDE PICTURE")


async def test_panel_cannot_be_opened_from_another_machine() -> None:
    """Its port answers on the loopback address only."""
    async with cabin() as here:
        port = int(here.url.rpartition(":")[2])
        for address in await other_addresses():
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(address, port)


async def other_addresses() -> list[str]:
    """Of this machine, as others see it."""
    process = await asyncio.create_subprocess_exec(
        "ip", "-4", "-o", "addr", stdout=asyncio.subprocess.PIPE
    )
    text, _ = await process.communicate()
    found = [line.split()[3].partition("/")[0] for line in text.decode().splitlines()]
    return [one for one in found if not one.startswith("127.")]


async def test_state_is_back_after_a_reload() -> None:
    async with live_cabin() as (here, page):
        await here.box.say_modems()
        await page.tap("#mute")
        await expect(page.locator("#mute")).to_have_text("MIKROFON AV")
        await here.box.draw((0.25, 0.5), (0.5, 0.75))
        await expect(page.locator("#marks .line")).to_have_count(1)
        await page.reload()
        await expect(page.locator("#mute")).to_have_text("MIKROFON AV")
        await expect(page.locator("#groups")).to_contain_text("Kari Nordmann")
        await expect(page.locator("#marks .line")).to_have_count(1)
        await expect(page.locator(".link").first).to_contain_text("5G")
