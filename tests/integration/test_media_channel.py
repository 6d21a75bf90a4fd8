"""A doctor's hands on the pictures: real data channels of a real browser."""

import asyncio
import time
from typing import Any

import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport
from playwright.async_api import Page

from edgebox.config.media import Camera
from edgebox.messages.base import Done, Role
from edgebox.messages.marks import POINTING, STROKE, WIPE, Pointing, Stroke, Wipe
from edgebox.messages.session import (
    HIDE_PICTURES,
    REFUSE,
    SELECT_CAMERAS,
    START_VIDEO,
    HidePictures,
    Refuse,
    SelectCameras,
    StartVideo,
    WatchAnswer,
)
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import (
    Observer,
    channel_open,
    chromium_page,
    configuration,
    frames_seen,
    media_running,
    say,
    until,
    watch,
)

pytestmark = pytest.mark.browser

PATIENT = Camera(
    id="patient", name="Pasient", kind="pattern", width=1920, height=1080, fps=15,
    send_width=640, send_height=360,
)  # fmt: skip
OUTSIDE = Camera(
    id="outside", name="Ute", kind="pattern", view="outside", width=640, height=360, fps=25
)


class Panel:
    """What the panel gets to hear."""

    def __init__(self) -> None:
        self.shown: list[Pointing | Stroke | Wipe] = []

    async def take(self, message: Pointing | Stroke | Wipe, keys: dict[str, str]) -> None:
        self.shown.append(message)

    async def listen(self, box: Observer) -> None:
        await box.bus.subscribe(POINTING, self.take)
        await box.bus.subscribe(STROKE, self.take)
        await box.bus.subscribe(WIPE, self.take)

    async def until(self, kind: type[Pointing | Stroke | Wipe]) -> Any:
        async with asyncio.timeout(5):
            while not (found := [one for one in self.shown if isinstance(one, kind)]):
                await asyncio.sleep(0.01)
            return found[-1]


async def joined(
    box: Observer, page: Page, turn: TurnServer, name: str, role: Role = "doctor"
) -> None:
    answer = await watch(
        box, page, turn, peer=name, participant=name, role=role, sections=2, data=True
    )
    assert isinstance(answer, WatchAnswer), answer
    await channel_open(page, name)


async def live(box: Observer) -> None:
    assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
    await box.until(lambda s: s.state == "live")


async def size(page: Page, peer: str, mid: str) -> list[int]:
    found: list[int] = await page.evaluate(
        f"[peers['{peer}'].videos['{mid}'].videoWidth, peers['{peer}'].videos['{mid}'].videoHeight]"
    )
    return found


async def until_size(page: Page, peer: str, mid: str, wanted: list[int]) -> float:
    """How long (s) it took."""
    started_at = time.monotonic()
    while await size(page, peer, mid) != wanted:
        assert time.monotonic() - started_at < 5, await size(page, peer, mid)
        await asyncio.sleep(0.005)
    return time.monotonic() - started_at


async def test_focus_changes_from_either_end_on_the_same_tracks(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, PATIENT, OUTSIDE)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)
        await joined(box, page, turn_server, "kari")
        await frames_seen(page, "kari", {"0", "1"})
        assert (await size(page, "kari", "0"), await size(page, "kari", "1")) == (
            [640, 360],
            [320, 180],
        )
        await say(page, "kari", "Focus", camera="outside")
        assert await until_size(page, "kari", "1", [640, 360]) < 0.6
        await until_size(page, "kari", "0", [320, 180])
        session = await box.until(lambda s: s.sent == ("outside", "patient"))
        assert session.focus_by == "Dr. Test"
        select = SelectCameras(cameras=("patient", "outside"))
        assert await box.bus.request(SELECT_CAMERAS, select) == Done()
        assert await until_size(page, "kari", "0", [640, 360]) < 0.6
        session = await box.until(lambda s: s.sent == ("patient", "outside"))
        assert session.focus_by == ""
        assert len(session.watchers) == 1
        assert [w.since_utc for w in session.watchers] == [
            w.since_utc for w in box.sessions[-1].watchers
        ], "no new connection"


async def test_pointers_lines_and_zoom_of_one_are_seen_by_all(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, PATIENT, OUTSIDE)
    panel = Panel()
    async with media_running(config) as box, chromium_page() as page:
        await panel.listen(box)
        await live(box)
        await joined(box, page, turn_server, "kari")
        await joined(box, page, turn_server, "ola", "observer")
        await joined(box, page, turn_server, "pia", "pilot")
        await say(page, "kari", "Point", fast=True, camera="patient", on=True, x=0.5, y=0.25)
        assert (await panel.until(Pointing)).x == 0.5
        await until(page, "peers.ola.said.some(m => m.type === 'Pointed' && m.y === 0.25)")
        await say(page, "kari", "Draw", camera="patient", stroke=1, points=[[0, 0], [0.5, 1]])
        assert (await panel.until(Stroke)).points == ((0.0, 0.0), (0.5, 1.0))
        await until(page, "peers.ola.said.some(m => m.type === 'Drawn')")
        await say(page, "kari", "Zoom", camera="patient", x=0.5, y=0.5, size=0.25)
        await until(page, "peers.ola.said.some(m => m.type === 'View' && m.size === 0.25)")
        await box.until(lambda s: s.cameras[0].part == (0.5, 0.5, 0.25))
        await say(page, "ola", "Zoom", camera="patient", x=0, y=0, size=1)
        await say(page, "ola", "Erase", camera="patient")
        await until(page, "peers.ola.said.filter(m => m.type === 'Denied').length === 2")
        assert box.sessions[-1].cameras[0].part == (0.5, 0.5, 0.25)
        said = await page.evaluate("peers.pia.said.map(m => [m.type, m.camera])")
        assert said == [["View", "outside"]], "nothing of a picture one may not see"
        await box.bus.request(SELECT_CAMERAS, SelectCameras(cameras=("outside", "patient")))
        await panel.until(Wipe)
        await until(page, "peers.ola.said.some(m => m.type === 'Erased')")
        wish = Refuse(session=box.sessions[-1].id, participant="kari")
        await box.bus.request(REFUSE, wish)
        async with asyncio.timeout(5):
            while (await panel.until(Pointing)).on:
                await asyncio.sleep(0.01)


async def test_a_still_in_full_resolution_while_live_pictures_go_on(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, PATIENT)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)
        await joined(box, page, turn_server, "kari")
        await frames_seen(page, "kari", {"0"})
        before = (await frames_seen(page, "kari", {"0"}))["0"]
        await say(page, "kari", "TakeStill", id=5, camera="patient")
        await until(page, "peers.kari.stills[5]?.got >= peers.kari.stills[5]?.bytes", 20)
        start, done = await page.evaluate("[peers.kari.stills[5].at, peers.kari.stills[5].done]")
        assert await page.evaluate("stillSize('kari', 5)") == [1920, 1080]
        after = (await frames_seen(page, "kari", {"0"}))["0"]
        assert after - before > 8 * (done - start) / 1000, "at least 8 of 15 pictures a second"
        assert await box.bus.request(HIDE_PICTURES, HidePictures(hidden=True)) == Done()
        await say(page, "kari", "TakeStill", id=6, camera="patient")
        await until(page, "peers.kari.said.some(m => m.type === 'Denied' && m.id === 6)")


async def test_of_a_still_nothing_leaves_after_the_crew_hid_the_pictures(
    broker: Broker, turn_server: TurnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = False
    send = RTCDtlsTransport._send_data

    async def lose(self: RTCDtlsTransport, data: bytes) -> None:
        if not away:
            await send(self, data)

    monkeypatch.setattr(RTCDtlsTransport, "_send_data", lose)
    config = configuration(broker, turn_server.address, PATIENT)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)
        await joined(box, page, turn_server, "kari")
        await say(page, "kari", "TakeStill", id=5, camera="patient")
        await until(page, "peers.kari.stills[5]?.got > 0", 20)
        away = True  # a tunnel: what is sent now is kept, to be sent again
        await asyncio.sleep(0.3)
        assert await box.bus.request(HIDE_PICTURES, HidePictures(hidden=True)) == Done()
        got = await page.evaluate("peers.kari.stills[5].got")
        away = False
        await until(page, "peers.kari.said.some(m => m.type === 'Denied' && m.id === 5)", 20)
        assert await page.evaluate("peers.kari.stills[5].got") == got
        assert await box.bus.request(HIDE_PICTURES, HidePictures(hidden=False)) == Done()
        await say(page, "kari", "TakeStill", id=6, camera="patient")
        await until(page, "peers.kari.stills[6]?.got >= peers.kari.stills[6]?.bytes", 20)
        assert await page.evaluate("stillSize('kari', 6)") == [1920, 1080]


async def test_who_floods_is_cut_off_and_the_other_sees_on(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, OUTSIDE)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)
        await joined(box, page, turn_server, "kari")
        await joined(box, page, turn_server, "mallory", "observer")
        await frames_seen(page, "kari", {"0"})
        await page.evaluate(
            "for (let i = 0; i < 3000; i++) say('mallory', {type: 'Erase', camera: 'outside'})"
        )
        await box.until(lambda s: [w.participant for w in s.watchers] == ["kari"])
        again = await watch(
            box, page, turn_server, peer="mallory", participant="mallory", role="observer"
        )
        assert not isinstance(again, WatchAnswer)
        assert again.reason == "busy"
        count = (await frames_seen(page, "kari", {"0"}))["0"]
        await frames_seen(page, "kari", {"0"}, count + 20, 3)


async def test_what_is_no_message_is_dropped_and_then_too_much(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, OUTSIDE)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)
        await joined(box, page, turn_server, "kari")
        for text in ("", "null", "[]", "{}", '{"type":"View"}', '{"type":"Focus","camera":"../x"}'):
            await page.evaluate("(text) => peers.kari.wire.send(text)", text)
        await page.evaluate("peers.kari.wire.send(new Uint8Array([0xff, 0, 0xfe]))")
        await say(page, "kari", "Zoom", camera="outside", x=0, y=0, size=0.5)
        await until(page, "peers.kari.said.some(m => m.type === 'View' && m.size === 0.5)")
        assert [w.participant for w in box.sessions[-1].watchers] == ["kari"]
        await page.evaluate("for (let i = 0; i < 20; i++) peers.kari.wire.send('x'.repeat(9000))")
        await box.until(lambda s: not s.watchers)
