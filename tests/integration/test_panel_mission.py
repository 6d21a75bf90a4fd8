"""The panel in a real Chromium through a mission: taps, what it says, and every part dying."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, Route, expect

from edgebox.config import Config
from edgebox.errors import DeviceError
from edgebox.messages.base import Fault
from edgebox.messages.session import SelectCameras, StartVideo, StopVideo
from edgebox.messages.vehicle import SendInvite
from edgebox.panel import service
from edgebox.panel.feed import CLIENTS_MAX
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

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]


class Cabin:
    """Box, panel and browser of one test."""

    def __init__(self, both: Brokers, config: Config, box: StandIn, url: str, browser: Browser):
        self.both = both
        self.config = config
        self.box = box
        self.url = url
        self.browser = browser

    async def open(self, **cookies: str) -> Page:
        """One more page."""
        return await open_panel(self.browser, self.url, cookies=cookies)


@contextlib.asynccontextmanager
async def cabin() -> AsyncIterator[Cabin]:
    with brokers() as both:
        config = config_for(both)
        async with (
            stand_in(config, both) as box,
            running_panel(config) as url,
            chromium() as browser,
        ):
            yield Cabin(both, config, box, url, browser)


async def hold(page: Page, place: str, seconds: float) -> None:
    box = await page.locator(place).bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await asyncio.sleep(seconds)
    await page.mouse.up()


async def test_one_tap_is_live_and_a_held_button_ends_it() -> None:
    async with cabin() as here:
        page = await here.open()
        await page.tap("#start")
        await expect(page.locator("body")).to_have_attribute("data-screen", "live")
        assert here.box.asked == [StartVideo(cameras=("stretcher", "cabin"))]
        await expect(page.locator("#banner")).to_contain_text("Ingen ser eller hører bilen nå.")
        await here.box.say_session(watchers=(watcher("Kari Nordmann"),))
        await expect(page.locator("#title")).to_have_text("SENDES NÅ")
        await expect(page.locator("#groups")).to_have_text("Ser og hører:Kari Nordmannlege")

        await page.tap("#stop")
        await expect(page.locator("#toast")).to_have_text("Hold knappen inne for å stoppe.")
        await hold(page, "#stop", 0.4)
        assert not any(isinstance(one, StopVideo) for one in here.box.asked)
        await hold(page, "#stop", 1.2)
        await expect(page.locator("body")).to_have_attribute("data-screen", "idle")
        assert here.box.asked[-1] == StopVideo()
        await expect(page.locator("#groups")).to_be_empty()


async def test_stop_reaches_media_without_the_panels_server() -> None:
    async with cabin() as here:
        page = await here.open()
        await page.tap("#start")
        await expect(page.locator("body")).to_have_attribute("data-screen", "live")
        origins: list[str | None] = []

        async def answer(route: Route) -> None:
            assert route.request.method == "POST"
            origins.append(await route.request.header_value("origin"))
            allowed = {"Access-Control-Allow-Origin": "*"}
            await route.fulfill(status=204, headers=allowed)

        await page.route(f"http://{here.config.media.preview_listen}/stop", answer)
        await hold(page, "#stop", 1.2)
        await expect(page.locator("#stop .label")).to_have_text("STOPP")
        assert origins == [f"http://{here.config.panel.listen}"]
        assert not any(isinstance(one, StopVideo) for one in here.box.asked)
        await expect(page.locator("#toast")).to_be_hidden()


async def test_cameras_are_chosen_before_and_during() -> None:
    async with cabin() as here:
        page = await here.open()
        tile = page.locator(".camera")
        await tile.nth(0).locator(".send").tap()
        await expect(tile.nth(0)).to_contain_text("Sendes ikke")
        await tile.nth(1).locator(".send").tap()
        await expect(page.locator("#toast")).to_contain_text("Minst ett bilde må være valgt.")
        await page.tap("#start")
        await expect(page.locator("body")).to_have_attribute("data-screen", "live")
        await tile.nth(0).locator(".main").tap()
        await expect(tile.nth(0).locator(".main")).to_have_attribute("aria-pressed", "true")
        assert here.box.asked == [
            StartVideo(cameras=("cabin",)),
            SelectCameras(cameras=("stretcher", "cabin")),
        ]
        await expect(page.locator("#sending")).to_have_text("Klart, men ingen ser: Båre, Kupé")


async def test_fault_is_said_and_the_button_works_again() -> None:
    async with cabin() as here:
        here.box.fault = Fault(reason="failed", text="encoder")
        page = await here.open(language="en")
        await page.tap("#start")
        await expect(page.locator("#toast")).to_contain_text("Video did not start.")
        here.box.fault = None
        await page.tap("#start")
        await expect(page.locator("body")).to_have_attribute("data-screen", "live")


async def test_tap_is_felt_at_once_and_asked_once() -> None:
    async with cabin() as here:
        page = await here.open()
        felt = await page.evaluate(
            """() => {
              const start = document.getElementById("start");
              const box = start.getBoundingClientRect();
              const at = { clientX: box.x + 9, clientY: box.y + 9, pointerId: 7, bubbles: true };
              start.setPointerCapture = () => {};
              const felt = [];
              for (let tap = 0; tap < 3; tap += 1) {
                start.dispatchEvent(new PointerEvent("pointerdown", at));
                felt.push(start.className);
                start.dispatchEvent(new PointerEvent("pointerup", at));
                felt.push(start.className, start.querySelector(".label").textContent);
              }
              return felt;
            }"""
        )
        assert felt[:3] == ["pressed", "asked", "Starter …"]
        await expect(page.locator("body")).to_have_attribute("data-screen", "live")
        assert len(here.box.asked) == 1


async def test_preview_is_fetched_from_media_and_again_after_its_restart() -> None:
    async with cabin() as here:
        async with Preview(here.config.media.preview_listen, here.url) as preview:
            page = await here.open()
            await page.tap("#start")
            video = page.locator("#video")
            await expect(video).to_have_class("moving", timeout=15_000)
            assert preview.asked == ["stretcher"]
            await expect(page.locator("#preview-words")).to_have_text("")

            await here.box.say_media("stopped")
            await preview.cut()
            await expect(page.locator("#preview-words")).not_to_have_text("", timeout=10_000)
            await expect(video).not_to_have_class("moving")
            await expect(page.locator("#title")).to_have_text("VIDEO STARTER PÅ NYTT")
            await here.box.say_media("running", "media-2")
            await here.box.say_session(instance="media-2")
            await expect(video).to_have_class("moving", timeout=15_000)

            await page.locator(".camera").nth(1).locator(".main").tap()
            async with asyncio.timeout(10):
                while preview.asked[-1] != "cabin":
                    await asyncio.sleep(0.02)
            await expect(video).to_have_class("moving", timeout=15_000)
            assert preview.dropped > 0
        # Media's preview is gone altogether: words, no spinner, no stale picture.
        words = page.locator("#preview-words")
        await expect(words).to_have_text("Ikke noe bilde å vise. Prøver igjen.", timeout=15_000)


async def test_broker_killed_and_back() -> None:
    async with cabin() as here:
        page = await here.open()
        await page.tap("#start")
        await here.box.say_session(watchers=(watcher("Kari Nordmann"),))
        await expect(page.locator("#groups")).to_contain_text("Kari")
        here.both.box.kill()
        await expect(page.locator("#title")).to_have_text("VET IKKE", timeout=3_000)
        await expect(page.locator("#groups")).to_be_empty()
        await expect(page.locator(".link").first).to_contain_text("Ukjent")
        here.both.box.start()
        await expect(page.locator("#title")).to_have_text("SENDES NÅ", timeout=5_000)
        await expect(page.locator("#groups")).to_contain_text("Kari")
        await expect(page.locator(".link").first).to_contain_text("Mbit/s")


async def test_hub_gone_and_back() -> None:
    async with cabin() as here:
        page = await here.open()
        await here.box.say_room(participant("Kari Nordmann"))
        await expect(page.locator("#guests")).to_contain_text("Kari")
        here.both.hub.kill()
        since = time.strftime("%H:")
        notice = page.locator(".notice")
        await expect(notice).to_contain_text("Serveren nås ikke", timeout=10_000)
        await expect(notice).to_contain_text(f"siden {since}")
        await expect(page.locator("#guests")).to_be_empty()
        here.both.hub.start()
        await expect(notice).to_have_count(0, timeout=15_000)
        await expect(page.locator("#guests")).to_contain_text("Kari")


async def test_links_lost_bond_dead_and_back() -> None:
    async with cabin() as here:
        page = await here.open()
        await page.tap("#start")
        await here.box.say_session(watchers=(watcher("Kari Nordmann"),))
        title = page.locator("#title")
        down = [link(i, state="down", capacity_bps=0, sent_bps=0) for i in range(3)]
        here.box.bond_status = bond(*down, state="down", target_bps=0)
        await expect(title).to_have_text("BILDET KOMMER IKKE FRAM")
        here.box.bond_status = None
        await expect(page.locator("#detail")).to_contain_text("Vet ikke om bildet kommer fram")
        await expect(page.locator(".link").first).to_contain_text("Ukjent")
        here.box.bond_status = bond()
        await expect(title).to_have_text("SENDES NÅ")


async def test_panel_restarted_under_its_page() -> None:
    with brokers() as both:
        config = config_for(both)
        async with stand_in(config, both) as box, chromium() as browser:
            async with running_panel(config) as url:
                page = await open_panel(browser, url)
                await page.tap("#start")
                await expect(page.locator("#title")).to_have_text("VIDEO ER PÅ")
            await expect(page.locator("#title")).to_have_text("PANELET SVARER IKKE", timeout=8_000)
            await expect(page.locator("#sending")).to_be_empty()
            await box.say_session(watchers=(watcher("Kari Nordmann"),))
            async with running_panel(config):
                await expect(page.locator("#title")).to_have_text("SENDES NÅ", timeout=5_000)
                await expect(page.locator("#groups")).to_contain_text("Kari")


async def test_pages_beyond_the_cap_still_follow() -> None:
    async with cabin() as here:
        pages = [await here.open() for _ in range(CLIENTS_MAX + 1)]
        answer = await pages[-1].request.get(f"{here.url}/events")
        assert answer.status == 503
        await pages[0].tap("#start")
        for page in pages:
            await expect(page.locator("body")).to_have_attribute("data-screen", "live")
        # The page without a stream would take the place that is given back: it goes first.
        await pages[-1].close()
        await pages[0].close()
        async with asyncio.timeout(5):
            while True:
                streams = await pages[1].evaluate(
                    """async () => {
                      const abort = new AbortController();
                      const answer = await fetch("/events", { signal: abort.signal });
                      abort.abort();
                      return answer.status;
                    }"""
                )
                if streams == 200:
                    break


async def test_invitation_is_shown_used_and_renewed() -> None:
    async with cabin() as here:
        page = await here.open()
        await page.tap("#invite")
        await expect(page.locator("[data-role=pilot]")).to_contain_text("bare bilder utenfra")
        await page.tap("[data-role=doctor]")
        await expect(page.locator("#qr")).to_be_visible()
        await expect(page.locator("#invite-for")).to_have_text("Lenke til lege")
        await expect(page.locator("#invite-url")).to_contain_text("video.helse.example/j/")
        await expect(page.locator("#invite-left")).to_contain_text("Gjelder i 14:5")
        first = await page.locator("#qr-path").get_attribute("d")
        other = await here.open()
        await here.box.say_room(participant("Kari Nordmann"))
        await expect(page.locator("#invite-text")).to_have_text(
            "Kari Nordmann har kommet inn. Lenken er brukt."
        )
        await expect(page.locator("#qr")).to_be_hidden()
        await expect(page.locator("#invite-url")).to_be_empty()
        await expect(page.locator("#invite-copy")).to_be_disabled()
        assert "helse.example" not in await other.content(), "the link is in one page only"
        await page.tap("#invite-back")
        await page.tap("[data-role=observer]")
        await expect(page.locator("#invite-url")).to_contain_text("e02")
        assert await page.locator("#qr-path").get_attribute("d") != first
        assert here.box.asked[-1].role == "observer"
        await page.locator("#invitation .link-step .close").tap()
        await expect(page.locator("#invitation")).to_be_hidden()
        assert "helse.example" not in await page.content()


async def test_link_is_copied_and_sent_by_sms_and_the_number_is_kept_nowhere() -> None:
    async with cabin() as here:
        page = await here.open()
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        bodies: list[str] = []
        page.on("request", lambda request: bodies.append(request.url + (request.post_data or "")))
        await page.tap("#invite")
        await page.tap("[data-role=bystander]")
        await page.tap("#invite-copy")
        await expect(page.locator("#toast")).to_have_text("Lenken er kopiert.")
        link_ = await page.evaluate("navigator.clipboard.readText()")
        assert link_.startswith("https://video.helse.example/j/")

        await page.tap("#invite-sms")
        await page.tap("#sms-send")
        await expect(page.locator("#toast")).to_have_text("Skriv hele nummeret.")
        for key in ("+", *"479123456", "back", *"678"):
            await page.tap(f"[data-key='{key}']")
        await expect(page.locator("#sms-number")).to_have_text("+47 91 23 45 67 8")
        here.box.fault = Fault(reason="refused", text="gateway: 403")
        await page.tap("#sms-send")
        await expect(page.locator("#toast")).to_contain_text("Meldingen ble ikke sendt.")
        await expect(page.locator("#sms-number")).not_to_be_empty()
        here.box.fault = None
        await page.tap("[data-key=back]")
        await page.tap("#sms-send")
        await expect(page.locator("#toast")).to_have_text("Meldingen er sendt.")
        assert here.box.asked[-1] == SendInvite(url=link_, phone="+4791234567")
        assert "91234567" not in await page.content()
        await page.tap("#invite-sms")
        await expect(page.locator("#sms-number")).to_be_empty()
        assert sum("91234567" in body for body in bodies) == 2
        assert all("91234567" not in body or "/sms" in body for body in bodies)


async def test_language_theme_and_cues_are_chosen_and_kept() -> None:
    async with cabin() as here:
        page = await here.open(theme="day")
        root = page.locator("html")
        await page.tap("#settings")
        await page.tap("#language")
        await expect(root).to_have_attribute("lang", "en")
        await expect(page.locator("#start")).to_contain_text("until you let them in")
        await page.tap("#settings")
        await page.tap("[data-theme-choice=night]")
        await expect(root).to_have_attribute("data-theme", "night")
        await page.tap("#cues")
        await expect(root).to_have_attribute("data-cues", "off")
        await page.reload()
        await expect(root).to_have_attribute("lang", "en")
        await expect(root).to_have_attribute("data-theme", "night")


async def test_page_is_a_screen_not_a_document() -> None:
    async with cabin() as here:
        page = await here.open()
        problems: list[str] = []
        page.on("console", lambda said: problems.append(said.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.reload()
        await page.tap("#invite")
        await page.tap("[data-role=doctor]")
        await expect(page.locator("#qr")).to_be_visible()
        kept = await page.evaluate(
            """() => {
              const tried = (kind, more) => {
                const event = new Event(kind, { bubbles: true, cancelable: true });
                document.getElementById("start").dispatchEvent(Object.assign(event, more));
                return event.defaultPrevented;
              };
              return {
                menu: tried("contextmenu"), drag: tried("dragstart"),
                zoom: tried("wheel", { ctrlKey: true }),
                keys: tried("keydown", { ctrlKey: true, key: "+" }),
                links: document.links.length, forms: document.forms.length,
                select: getComputedStyle(document.body).userSelect,
                touch: getComputedStyle(document.body).touchAction,
              };
            }"""
        )
        assert kept == {
            "menu": True, "drag": True, "zoom": True, "keys": True,
            "links": 0, "forms": 0, "select": "none", "touch": "none",
        }  # fmt: skip
        assert all(url.startswith(here.url) for url in asked), asked
        assert problems == []


async def test_garbage_on_the_port_and_idle_connections_do_no_harm() -> None:
    async with cabin() as here:
        host, _, port = here.config.panel.listen.rpartition(":")
        writers = []
        for junk in (b"\x16\x03\x01" + bytes(200), b"GET " + b"/" * 20_000, b"\r\n" * 500, b""):
            for _ in range(5):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write(junk)
                writers.append(writer)
        page = await here.open()
        await page.tap("#start")
        await expect(page.locator("body")).to_have_attribute("data-screen", "live")
        for writer in writers:
            writer.close()


async def test_port_in_use_is_one_clear_error() -> None:
    with brokers() as both:
        config = config_for(both)
        async with running_panel(config):
            with pytest.raises(DeviceError, match=rf"panel\.listen: {config.panel.listen}"):
                await service.run(config)
