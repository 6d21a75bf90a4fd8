"""The headset's page in a real Chromium, through the listener and the bus to media."""

import asyncio
from pathlib import Path

import pytest

from edgebox.messages.base import Done
from edgebox.messages.session import START_VIDEO, MediaSession, StartVideo, WatchAnswer
from tests.conftest import Broker, TurnServer
from tests.integration.headset_rig import (
    BEARER,
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


async def test_lost_lease_cuts_the_picture(broker: Broker, tmp_path: Path) -> None:
    config = headset_configuration(broker, tmp_path)
    async with headset_box(config) as box, headset_page(box):
        await box.observer.until(lambda s: headset_of(s) == "ready")
        box.door.end(BEARER)
        await box.observer.until(lambda s: headset_of(s) == "absent")
        await asyncio.sleep(0)
        assert box.statuses[-1].headsets == ()
