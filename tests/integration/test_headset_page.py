"""The headset's page in a real Chromium, through the listener and the bus to media."""

from pathlib import Path

import pytest
from playwright.async_api import Page

from edgebox.messages.base import Done
from edgebox.messages.session import START_VIDEO, MediaSession, StartVideo, WatchAnswer
from tests.conftest import Broker, TurnServer
from tests.integration.headset_rig import (
    headset_box,
    headset_configuration,
    headset_page,
)
from tests.integration.media_rig import channel_open, chromium_page, frames_seen, say, until, watch

MARKED = """() => {
  const video = document.getElementById("picture"), at = video.getBoundingClientRect();
  const marks = document.getElementById("marks").getBoundingClientRect();
  const scale = Math.min(at.width / video.videoWidth, at.height / video.videoHeight);
  const height = video.videoHeight * scale;
  const top = at.top + (at.height - height) / 2;
  return Math.abs(marks.top - top) < 2 && Math.abs(marks.height - height) < 2;
}"""
SHOW_JS = """async ([name, camera, what]) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [854, 480];
  const draw = canvas.getContext("2d");
  for (let i = 0; i < 4000; i++) {
    draw.fillStyle = `hsl(${i * 37 % 360} 80% 50%)`;
    draw.fillRect(i * 131 % 854, i * 71 % 480, 16, 16);
  }
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.6));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  if (what === "junk") bytes.fill(60, 4);
  const {wire} = peers[name];
  wire.send(JSON.stringify({type: "Show", camera, bytes: bytes.length}));
  for (let at = 0; at < bytes.length; at += 16384) wire.send(bytes.subarray(at, at + 16384));
  return bytes.length;
}"""
pytestmark = [pytest.mark.alone, pytest.mark.browser]


def headset_of(session: MediaSession) -> str:
    """State of the headset's camera, empty if there is none."""
    return next((one.state for one in session.cameras if one.kind == "headset"), "")


async def test_headset_is_a_camera_at_the_remote_page_without_a_tap(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = headset_configuration(broker, tmp_path, turn_server.address)
    async with headset_box(config) as box, headset_page(box) as page:
        await box.observer.until(lambda s: headset_of(s) == "ready")
        assert await box.observer.bus.request(START_VIDEO, StartVideo()) == Done()
        session = await box.observer.until(lambda s: headset_of(s) == "live")
        headset = next(one for one in session.cameras if one.kind == "headset")
        assert headset.name == "Hodekamera 1"
        assert session.sent[-1] == headset.id
        async with chromium_page() as doctor:
            answer = await watch(box.observer, doctor, turn_server, data=True)
            assert isinstance(answer, WatchAnswer)
            mids = {stream.mid for stream in answer.streams if stream.camera == headset.id}
            assert len(mids) == 1
            await frames_seen(doctor, "p1", mids)
            await until(
                page, "document.getElementById('audience').textContent.includes('Dr. Test')"
            )
            await channel_open(doctor, "p1")
            await say(doctor, "p1", "Write", camera=headset.id, text="Litt til venstre")
            await until(
                page, "document.getElementById('said').innerText === 'Dr. Test: Litt til venstre'"
            )
            # Upright, the line makes the picture smaller; what is drawn stays on it.
            await page.set_viewport_size({"width": 390, "height": 844})
            await until(page, f"({MARKED})()")
            await page.click("#said")
            await until(page, f"({MARKED})()")
            await until(page, "document.getElementById('said').hidden")
            await page.set_viewport_size({"width": 854, "height": 480})
            await shows_a_picture(page, doctor, headset.id)


async def shows_a_picture(page: Page, doctor: Page, headset: str) -> None:
    """What the doctor sends is seen, all of it, until it is closed; junk is not."""
    visible = "!document.getElementById('shown').hidden"
    assert await doctor.evaluate(SHOW_JS, ["p1", headset, "junk"]) > 0
    await until(doctor, "peers.p1.wire.bufferedAmount === 0")
    size = await doctor.evaluate(SHOW_JS, ["p1", headset, "picture"])
    assert 20_000 < size < 300_000
    await until(page, visible)
    await until(page, "document.getElementById('shown-picture').naturalWidth === 854")
    assert await page.inner_text("#shown-by") == "Bilde fra Dr. Test"
    above = "document.getElementById('shown').getBoundingClientRect().bottom"
    assert await page.evaluate(
        f"{above} <= document.getElementById('commands').getBoundingClientRect().top"
    )
    await page.click('[data-command="close"]')
    await until(page, f"!({visible})")
    assert not await page.evaluate("document.getElementById('shown-picture').hasAttribute('src')")
