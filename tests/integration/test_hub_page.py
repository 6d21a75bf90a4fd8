"""The remote page in a real Chromium, over a real TURN server, with real H.264."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import av
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, WebSocketRoute

from edgebox.media.data_messages import (
    Draw,
    Erase,
    Focus,
    Move,
    Point,
    Show,
    TakeStill,
    Write,
    Zoom,
)
from edgebox.media.jpeg import cleaned
from edgebox.messages.session import Sending
from tests.conftest import Broker, TurnServer
from tests.integration import hub_box
from tests.integration.hub_box import (
    RunningHub,
    StandInBox,
    chromium,
    running_hub,
    stand_in_box,
    until,
)
from tests.integration.hub_states import MICROPHONE_REFUSED

T = TypeVar("T")

# One browser for all: starting one takes longer than most of these tests.
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def hub(broker: Broker, turn_server: TurnServer, tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(broker, tmp_path, turn_server) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def box(
    broker: Broker, turn_server: TurnServer, hub: RunningHub
) -> AsyncIterator[StandInBox]:
    async with stand_in_box(broker, turn_server) as one:
        await until(lambda: one.room is not None)
        yield one


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared_browser() -> AsyncIterator[Browser]:
    async with chromium() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def browser(shared_browser: Browser) -> AsyncIterator[Browser]:
    """The browser, without pages of earlier tests."""
    yield shared_browser
    for context in shared_browser.contexts:
        await context.close()


async def open_link(browser: Browser, url: str, locale: str = "nb-NO") -> Page:
    """A person's browser with the link open; a fault of the page's scripts fails the test."""
    context = await browser.new_context(locale=locale, viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    page.on("pageerror", _fail)
    await page.goto(url)
    return page


def _fail(error: object) -> None:
    raise AssertionError(f"the page's scripts failed: {error}")


async def enter(browser: Browser, url: str, name: str = "Dr. Kari Nordmann") -> Page:
    page = await open_link(browser, url)
    await page.fill("#name", name)
    await page.click("button[type=submit]")
    await page.wait_for_url("**/room/*")
    return page


async def seen(page: Page, name: str) -> Any:
    return await page.evaluate(f"edgebox.{name}")


async def until_seen(page: Page, expression: str, timeout_s: float = 10) -> None:
    """Wait for a JavaScript expression; the page's policy forbids Playwright's own way."""
    async with asyncio.timeout(timeout_s):
        while not await page.evaluate(f"Boolean({expression})"):
            await asyncio.sleep(0.02)


async def until_flowing(page: Page, timeout_s: float = 10) -> None:
    """Both cameras decode frames from now on."""
    now = await page.evaluate("performance.now()")
    newer = f"(camera) => edgebox.lastFrameAt[camera] > {now + 300}"
    await until_seen(page, f"['front', 'rear'].every({newer})", timeout_s)


async def words(page: Page) -> str:
    return await page.inner_text("#title")


async def test_doctor_joins_waits_sees_and_is_thrown_out(box: StandInBox, browser: Browser) -> None:
    page = await enter(browser, await box.invite("doctor"))
    await until_seen(page, "edgebox.situation === 'waiting'")
    assert await words(page) == "Venter på at ambulansen starter video"
    assert await page.inner_text("#vehicle") == "Ambulanse 1-7"
    await box.go("live")
    await until_flowing(page)
    await until_seen(page, "edgebox.situation === 'live'")
    assert await words(page) == "Direkte"
    assert await page.inner_text("#detail") == "Dette sendes nå: Båre og Bakrom."
    assert "lege: ser og hører" in await page.inner_text("#list")
    assert len(box.offers) == 1
    attempt = (await seen(page, "attempts"))[0]
    assert set(attempt) == {"gather", "candidate", "start", "offer", "answer", "ice", "frame"}
    await box.go("idle")
    await until_seen(page, "edgebox.situation === 'ended'")
    assert await words(page) == "Videoen er avsluttet"
    assert await page.locator("#stage video").count() == 0


async def test_link_preview_and_second_browser_get_nothing(
    box: StandInBox, browser: Browser
) -> None:
    url = await box.invite("doctor")
    preview = await open_link(browser, url)
    assert await preview.locator("button[type=submit]").inner_text() == "Bli med"
    doctor = await enter(browser, url)
    await until_seen(doctor, "edgebox.situation === 'waiting'")
    other = await open_link(browser, url, locale="en-GB")
    assert await other.inner_text("h1") == "This link cannot be used"
    wrong = await open_link(browser, url[:-4] + "AAAA", locale="en-GB")
    assert await wrong.content() == await other.content()
    again = await doctor.context.new_page()
    await again.goto(url)
    await again.wait_for_url("**/room/*")


async def test_interpreter_hears_and_speaks_without_pictures(
    box: StandInBox, browser: Browser
) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("interpreter"), "Tove Tolk")
    await until_seen(page, "edgebox.situation === 'talking'")
    assert await words(page) == "Du er med på lyd"
    await until_seen(page, "edgebox.soundPackets > 20")
    assert await page.locator("#stage video").count() == 0
    [offer] = box.offers
    assert "m=video" not in offer.sdp
    assert "m=application" not in offer.sdp
    await page.click("#microphone")
    await until_seen(page, "!edgebox.muted")
    await until(lambda: box.room is not None and not box.room.participants[0].muted)


async def test_everybody_sees_who_is_there(box: StandInBox, browser: Browser) -> None:
    doctor = await enter(browser, await box.invite("doctor"))
    assert "Ingen andre" in await doctor.inner_text("#list")
    observer = await enter(browser, await box.invite("observer"), "Ola Nordmann")
    await until_seen(doctor, "document.querySelectorAll('#list li.present').length === 2")
    await observer.close()
    await until_seen(doctor, "document.querySelectorAll('#list li.away').length === 1")
    assert "ikke her nå" in await doctor.inner_text("#list")


async def test_camera_is_made_large_by_key_and_click(box: StandInBox, browser: Browser) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    main = "document.querySelector('.tile.main').dataset.camera"
    assert await page.evaluate(main) == "front"
    await page.keyboard.press("2")
    assert await page.evaluate(main) == "rear"
    await page.get_by_role("button", name="Vis Båre stort").click()
    assert await page.evaluate(main) == "front"
    await until_flowing(page)
    assert len(box.offers) == 1


async def test_restarted_media_is_connected_to_anew_and_the_old_picture_stays(
    box: StandInBox, browser: Browser
) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    await box.restart()
    await until(lambda: len(box.offers) == 2)
    assert box.offers[0].peer == box.offers[1].peer
    assert await page.locator(".tile.main video").count() >= 1
    await until_flowing(page)


async def test_frozen_picture_is_dimmed_said_and_mended(box: StandInBox, browser: Browser) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    box.still.set()
    await until_seen(page, "document.querySelector('.tile.main.frozen')")
    assert "stått stille i" in await page.inner_text(".tile.main .note")
    assert await page.locator(".tile.main video").count() == 1
    await until(lambda: len(box.offers) == 2)
    assert (await words(page)).startswith("Bildet er borte siden")
    box.still.clear()
    await until_flowing(page)
    await until_seen(page, "!document.querySelector('.tile.frozen')")


async def test_lost_box_is_said_and_nothing_is_offered_until_it_is_back(
    box: StandInBox, browser: Browser
) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    await box.say_bridge(False)
    await until_flowing(page)
    assert await words(page) == "Direkte"  # what is seen is what counts
    box.still.set()
    await until_seen(page, "edgebox.situation === 'away'")
    assert "Forbindelsen til ambulansen er brutt siden" in await words(page)
    await until_seen(page, "document.querySelector('#quality').innerText.includes('ingenting')")
    await asyncio.sleep(2)
    assert len(box.offers) == 1
    await box.say_bridge(True)
    await until(lambda: len(box.offers) == 2)
    box.still.clear()
    await until_flowing(page)


async def test_restarted_hub_interrupts_no_picture(
    hub: RunningHub, box: StandInBox, browser: Browser
) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    await hub.stop()
    await asyncio.sleep(1)
    await until_flowing(page)
    await hub.start()
    assert box.room is not None
    await until(lambda: box.room and [p.state for p in box.room.participants] == ["present"])
    await until_flowing(page)
    assert await words(page) == "Direkte"
    assert len(box.offers) == 1


async def test_unplugged_camera_leaves_the_others(box: StandInBox, browser: Browser) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    box.dead_cameras = frozenset({"rear"})
    await box.say()
    await until_seen(page, "!document.querySelector('[data-camera=rear] .note').hidden")
    assert await page.inner_text("[data-camera=rear] .note") == "Kameraet er ikke tilkoblet"
    assert await page.inner_text("#detail") == "Dette sendes nå: Båre."
    box.dead_cameras = frozenset({"front", "rear"})
    await box.say()
    box.still.set()
    await until_seen(page, "edgebox.situation === 'nocamera'")


async def test_what_is_sent_and_why_is_said(box: StandInBox, browser: Browser) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    box.sending = Sending(level="few-frames", reason="capacity")
    await box.say()
    await until_seen(page, "edgebox.situation === 'weak'")
    assert await words(page) == "Svak forbindelse"
    detail = await page.inner_text("#detail")
    assert "med færre bilder i sekundet. Mobildekningen er svak." in detail
    box.sending = Sending(level="full")
    await box.say()
    await until_seen(page, "edgebox.situation === 'live'")


async def test_person_leaves_by_pressing_twice(box: StandInBox, browser: Browser) -> None:
    page = await enter(browser, await box.invite("doctor"))
    await page.click("#leave")
    assert await page.inner_text("#leave") == "Trykk en gang til for å forlate"
    await page.click("#leave")
    await until_seen(page, "edgebox.situation === 'left'")
    await until(lambda: box.room is not None and box.room.participants == ())
    await page.reload()
    assert await page.inner_text("h1") == "Denne lenken kan ikke brukes"


async def test_person_who_leaves_while_the_hub_is_away_is_out_once_it_is_back(
    hub: RunningHub, box: StandInBox, browser: Browser
) -> None:
    page = await enter(browser, await box.invite("doctor"))
    await box.go("live")
    await until_flowing(page)
    await hub.stop()
    await page.click("#leave")
    await page.click("#leave")
    await until_seen(page, "edgebox.situation === 'leaving'")
    assert await page.locator("#stage video").count() == 0
    await hub.start()
    await until_seen(page, "edgebox.situation === 'left'")
    await until(lambda: box.room is not None and box.room.participants == ())
    assert len(box.offers) == 1


async def test_newer_window_takes_over_and_the_older_says_so(
    box: StandInBox, browser: Browser
) -> None:
    page = await enter(browser, await box.invite("doctor"))
    await until_seen(page, "globalThis.edgebox?.situation === 'waiting'")
    newer = await page.context.new_page()
    await newer.goto(page.url)
    await until_seen(page, "globalThis.edgebox?.situation === 'elsewhere'")
    assert await words(page) == "Du bruker rommet i et annet vindu"
    await until_seen(newer, "globalThis.edgebox?.situation === 'waiting'")
    await page.get_by_role("button", name="Bruk dette vinduet").click()
    await until_seen(page, "globalThis.edgebox?.situation === 'waiting'")
    await until_seen(newer, "globalThis.edgebox?.situation === 'elsewhere'")


async def test_hub_that_ends_each_connection_is_not_hammered(
    box: StandInBox, browser: Browser
) -> None:
    page = await enter(browser, await box.invite("doctor"))
    connections = 0

    tasks = set()

    async def end(socket: WebSocketRoute) -> None:
        nonlocal connections
        connections += 1
        tasks.add(asyncio.create_task(close(socket)))

    async def close(socket: WebSocketRoute) -> None:
        await asyncio.sleep(0.02)  # it is open by then
        await socket.close(code=1013)

    await page.route_web_socket("**/ws?*", end)
    await page.reload()
    await until(lambda: connections >= 3)
    await asyncio.sleep(1.5)
    assert connections <= 6
    await asyncio.gather(*tasks)


async def test_browser_without_h264_is_told(box: StandInBox, browser: Browser) -> None:
    url = await box.invite("doctor")
    page = await open_link(browser, url, locale="en-GB")
    await page.add_init_script("RTCRtpReceiver.getCapabilities = () => ({codecs: []})")
    await page.fill("#name", "Kari")
    await page.click("button[type=submit]")
    await page.wait_for_url("**/room/*")
    await until_seen(page, "edgebox.situation === 'unsupported'")
    assert await words(page) == "This browser cannot show video"
    assert "H.264" in await page.inner_text("#notice-detail")


async def live_doctor(box: StandInBox, browser: Browser) -> Page:
    """Sees pictures, and the box listens to what she does on them."""
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_flowing(page)
    await until_seen(page, "edgebox.canGuide")
    box.said.clear()
    return page


def said(box: StandInBox, kind: type[T]) -> list[T]:
    return [one for one in box.said if isinstance(one, kind)]


async def centre(page: Page) -> tuple[float, float]:
    at = await page.locator(".tile.main").bounding_box()
    assert at is not None
    return at["x"] + at["width"] / 2, at["y"] + at["height"] / 2


@pytest.fixture
def worn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first camera is a headset's."""
    monkeypatch.setattr(hub_box, "CAMERAS", (("headset-1", "Hodekamera"), ("rear", "Bakrom")))


async def shows_the_frozen_picture(page: Page, box: StandInBox) -> None:
    """It goes as it stands, with what is drawn on it, small enough for the device."""
    await until_seen(page, "!document.getElementById('freeze').disabled", 20)
    await page.click("#freeze")
    await page.click("#draw")
    x, y = await centre(page)
    await page.mouse.move(x - 40, y)
    await page.mouse.down()
    await page.mouse.move(x + 40, y, steps=5)
    await page.mouse.up()
    await page.click("#draw")
    box.pieces.clear()
    await page.click("#show")
    await until(lambda: said(box, Show))
    (show,) = said(box, Show)
    assert show.camera == "headset-1"
    await until(lambda: sum(map(len, box.pieces)) == show.bytes)
    frame = decoded(cleaned(b"".join(box.pieces)))
    assert frame.width <= 854
    assert frame.height <= 480
    line = frame.to_ndarray(format="rgb24")[frame.height // 2, frame.width // 2].astype(int)
    assert line[0] > 200, f"the line is not yellow: {line}"
    assert line[2] < 150
    assert await page.inner_text("#told") == "Bildet er sendt til den som har kameraet på."
    await page.click("#freeze")


def decoded(jpeg: bytes) -> av.VideoFrame:
    (frame,) = av.VideoCodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    return frame


async def test_who_wears_the_camera_is_written_to(
    worn: None, box: StandInBox, browser: Browser
) -> None:
    await box.go("live")
    page = await enter(browser, await box.invite("doctor"))
    await until_seen(page, "edgebox.canGuide && !document.getElementById('write').hidden", 20)
    box.said.clear()
    await page.fill("#write-text", "  Litt til venstre ")
    await page.keyboard.press("Enter")
    await until(lambda: said(box, Write))
    assert said(box, Write) == [Write(camera="headset-1", text="Litt til venstre")]
    assert await page.input_value("#write-text") == ""
    assert await page.inner_text("#told") == "Sendt til den som har kameraet på."
    await shows_the_frozen_picture(page, box)
    # Keys that are tools elsewhere are letters here.
    await page.focus("#write-text")
    await page.keyboard.press("p")
    assert await page.get_attribute("#point", "aria-pressed") == "false"
    box.order = ["rear", "headset-1"]
    await box.say()
    await until_seen(page, "document.getElementById('write').hidden")


async def test_pointing_and_drawing_are_told_in_fractions_of_the_sensor(
    box: StandInBox, browser: Browser
) -> None:
    page = await live_doctor(box, browser)
    # The middle of the lower right quarter is three quarters from the left and from the top.
    box.tell(type="View", camera="front", x=0.5, y=0.5, size=0.5, movable=False)
    await until_seen(page, "edgebox.parts.front.size === 0.5")
    x, y = await centre(page)
    await page.keyboard.press("p")
    await page.mouse.move(x, y)
    await until(lambda: any(one.on for one in said(box, Point)))
    pointed = next(one for one in said(box, Point) if one.on)
    assert pointed.camera == "front"
    assert (pointed.x, pointed.y) == pytest.approx((0.75, 0.75), abs=0.01)
    await page.keyboard.press("Escape")
    await until(lambda: not said(box, Point)[-1].on)
    await page.keyboard.press("d")
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 40, y + 20, steps=5)
    await page.mouse.up()
    await until(lambda: sum(len(one.points) for one in said(box, Draw)) >= 6)
    assert len({one.stroke for one in said(box, Draw)}) == 1
    assert await page.locator(".ink polyline.own").count() == 1
    first = said(box, Draw)[0]
    echo = {"stroke": first.stroke, "points": first.points}
    me = await page.evaluate(
        "JSON.parse(document.getElementById('start').textContent).state.you.id"
    )
    box.tell(type="Drawn", participant=me, camera="front", **echo)
    box.tell(type="Drawn", participant="other", camera="front", **echo)
    await until_seen(page, "document.querySelectorAll('.ink polyline').length === 2")
    await page.keyboard.press("e")
    await until(lambda: said(box, Erase))
    box.tell(type="Erased", camera="front")
    await until_seen(page, "document.querySelectorAll('.ink polyline').length === 0")


async def test_keyboard_alone_points_zooms_and_pans(box: StandInBox, browser: Browser) -> None:
    page = await live_doctor(box, browser)
    await page.keyboard.press("p")
    await page.keyboard.press("ArrowLeft")
    await until(lambda: said(box, Point))
    assert said(box, Point)[0].x == pytest.approx(0.48)
    await page.keyboard.press("p")
    await page.keyboard.press("+")
    await until(lambda: said(box, Zoom))
    zoom = said(box, Zoom)[-1]
    assert (zoom.x, zoom.y, zoom.size) == pytest.approx((0.1, 0.1, 0.8))
    await page.keyboard.press("ArrowRight")
    await until(lambda: said(box, Zoom)[-1].x > 0.15)
    await page.keyboard.press("0")
    await until(lambda: said(box, Zoom)[-1].size == 1)


async def test_wheel_zooms_around_the_cursor_and_never_out_of_the_picture(
    box: StandInBox, browser: Browser
) -> None:
    page = await live_doctor(box, browser)
    x, y = await centre(page)
    await page.mouse.move(x - 200, y - 100)
    for _ in range(30):
        await page.mouse.wheel(0, -400)
    await until(lambda: said(box, Zoom) and said(box, Zoom)[-1].size == pytest.approx(0.1))
    for zoom in said(box, Zoom):
        assert zoom.x + zoom.size <= 1.000001
        assert zoom.y + zoom.size <= 1.000001
    assert len(said(box, Zoom)) < 30


async def test_frozen_picture_stays_and_can_be_pointed_at(
    box: StandInBox, browser: Browser
) -> None:
    page = await live_doctor(box, browser)
    await page.keyboard.press("z")
    assert await page.locator(".tile.main canvas").count() == 1
    assert "fryst kl." in await page.inner_text(".tile.main .label")
    box.tell(type="View", camera="front", x=0.5, y=0.5, size=0.5, movable=False)
    await until_seen(page, "edgebox.parts.front.size === 0.5")
    await page.keyboard.press("p")
    await page.mouse.move(*await centre(page))
    await until(lambda: any(one.on for one in said(box, Point)))
    # On the picture as it was frozen, the whole of it.
    assert said(box, Point)[0].x == pytest.approx(0.5, abs=0.02)
    await page.keyboard.press("z")
    assert await page.locator(".tile.main canvas").count() == 0


async def test_camera_is_turned_while_a_button_is_held(box: StandInBox, browser: Browser) -> None:
    page = await live_doctor(box, browser)
    assert await page.locator("#moves").is_hidden()
    box.tell(type="View", camera="front", x=0, y=0, size=1, movable=True)
    await until_seen(page, "!document.querySelector('#moves').hidden")
    await page.get_by_role("button", name="Kameraet mot venstre").hover()
    await page.mouse.down()
    await until(lambda: len(said(box, Move)) >= 3)
    await page.mouse.up()
    await until(lambda: said(box, Move)[-1].pan == 0)
    assert said(box, Move)[0].pan < 0


async def test_hidden_picture_is_gone_from_the_screen(box: StandInBox, browser: Browser) -> None:
    page = await live_doctor(box, browser)
    await page.keyboard.press("z")
    box.hidden = True
    await box.say()
    await until_seen(page, "edgebox.situation === 'hidden'")
    await until_seen(page, "!document.querySelector('.tile canvas')")
    visible = "getComputedStyle(document.querySelector('.tile.main video')).visibility"
    assert await page.evaluate(visible) == "hidden"
    assert await page.locator("#point").is_disabled()
    box.hidden = False
    await box.say()
    await until_seen(page, f"{visible} === 'visible' && edgebox.situation === 'live'")
    assert len(box.offers) == 1


async def test_focus_of_another_is_followed_and_said(box: StandInBox, browser: Browser) -> None:
    page = await live_doctor(box, browser)
    await page.keyboard.press("2")
    await until(lambda: [one.camera for one in said(box, Focus)] == ["rear"])
    assert await seen(page, "main") == "rear"
    box.order, box.focus_by = ["rear", "front"], "Kari"
    await box.say()
    await until_seen(page, "!document.querySelector('#focus-by').hidden")
    box.order, box.focus_by = ["front", "rear"], "Ola"
    await box.say()
    await until_seen(page, "edgebox.main === 'front'")
    assert await page.inner_text("#focus-by") == "Ola valgte hovedbildet: Båre."
    assert len(box.offers) == 1


async def test_nothing_is_sent_of_a_muted_microphone(box: StandInBox, browser: Browser) -> None:
    page = await live_doctor(box, browser)

    async def sent() -> int:
        return int(await page.evaluate("edgebox.sentSoundPackets"))

    assert await sent() == 0
    await page.keyboard.down("Space")
    await until_seen(page, "edgebox.sentSoundPackets > 0")
    assert await page.inner_text("#microphone .big") == "Du snakker"
    await page.keyboard.up("Space")
    await page.wait_for_timeout(1200)
    before = await sent()
    await page.wait_for_timeout(1200)
    assert await sent() == before
    assert await page.inner_text("#microphone .big") == "Mikrofonen er av"


async def test_refused_camera_and_microphone_are_said_and_the_picture_goes_on(
    box: StandInBox, browser: Browser
) -> None:
    page = await live_doctor(box, browser)
    await page.evaluate("void (window.allowed = navigator.mediaDevices.getUserMedia)")
    await page.evaluate(f"() => {{ {MICROPHONE_REFUSED} }}")
    for button, device in (("#camera", "kameraet"), ("#microphone", "mikrofonen")):
        await page.click(button)
        await until_seen(page, f"document.querySelector('#problem').innerText.includes('{device}')")
    said_now = await page.inner_text("#problem")
    assert said_now.count("Nettleseren slipper oss ikke til") == 2
    assert said_now.count("Resten virker.") == 2
    await until_flowing(page)
    # Allowed meanwhile, the same button works.
    await page.evaluate("void (navigator.mediaDevices.getUserMedia = window.allowed)")
    await page.click("#microphone")
    await until_seen(page, "edgebox.sentSoundPackets > 0")
    assert "mikrofonen" not in await page.inner_text("#problem")


async def test_what_the_box_denies_is_said(box: StandInBox, browser: Browser) -> None:
    page = await live_doctor(box, browser)
    box.tell(type="Denied", what="Zoom", reason="busy")
    await until_seen(page, "!document.querySelector('#told').hidden")
    assert await page.inner_text("#told") == "Zoom: opptatt akkurat nå. Prøv igjen."
    await page.click("#take-still")
    await until(lambda: said(box, TakeStill))
    box.tell(type="Denied", what="TakeStill", reason="not-found", id=1)
    await until_seen(page, "!document.querySelector('#still-problem').hidden")
    assert await page.inner_text("#still-problem") == "Kameraet er ikke tilgjengelig."


async def test_a_still_on_its_way_is_asked_for_again_over_the_next_connection(
    box: StandInBox, browser: Browser
) -> None:
    page = await live_doctor(box, browser)
    await page.click("#take-still")
    await until(lambda: said(box, TakeStill))
    box.instance = "instance-2"  # media was restarted
    await box.say()
    await until(lambda: len(box.offers) == 2)
    first_ids = {one.id for one in said(box, TakeStill)}

    async def greeted() -> None:
        async with asyncio.timeout(15):
            while {one.id for one in said(box, TakeStill)} == first_ids:
                box.tell(type="View", camera="front", x=0, y=0, size=1, movable=False)
                await asyncio.sleep(0.2)

    await greeted()
    assert await page.locator("#still-problem").is_hidden()


@pytest.mark.parametrize(
    ("form", "value", "width", "letters", "text"),
    [
        ("degreesMinutes", 63.430_567, 2, "NS", "63°25.834m N"),
        ("degreesMinutes", -0.999_999_9, 3, "EW", "001°00.000m W"),
        ("degreesMinutes", 10.387_912, 3, "EW", "010°23.275m E"),
        ("degreesMinutesSeconds", 63.430_567, 2, "NS", "63°25m 50.0s N"),
        ("degreesMinutesSeconds", 59.999_999_9, 2, "NS", "60°00m 00.0s N"),
        ("degreesMinutesSeconds", -10.5, 3, "EW", "010°30m 00.0s W"),
    ],
)
async def test_position_is_written_as_pilots_read_it(
    hub: RunningHub,
    box: StandInBox,
    browser: Browser,
    form: str,
    value: float,
    width: int,
    letters: str,
    text: str,
) -> None:
    page = await open_link(browser, await box.invite("pilot"))
    script = "document.querySelector('link[href$=\"position.js\"]').href"
    call = f"import({script}).then(one => one.{form}({value}, {width}, '{letters}'))"
    signs = {"\u2032": "m ", "\u2033": "s "}
    found = str(await page.evaluate(call))
    assert "".join(signs.get(one, one) for one in found) == text
