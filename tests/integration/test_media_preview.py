"""The crew's preview: WHEP over HTTP, with a real Chromium as the panel's browser."""

import time

import aiohttp
import pytest

from edgebox.config import Config
from edgebox.messages import START_VIDEO, STOP_VIDEO, Done, StartVideo, StopVideo
from tests.conftest import Broker
from tests.integration.media_rig import (
    FRONT,
    REAR,
    chromium_page,
    configuration,
    frames_seen,
    media_running,
)

ORIGIN = "http://127.0.0.1:18080"
NOWHERE = "127.0.0.1:9"


def endpoint(config: Config, camera: str = "front") -> str:
    return f"http://{config.media.preview_listen}/whep/{camera}"


@pytest.mark.browser
async def test_preview_shows_what_is_sent_while_live(broker: Broker) -> None:
    config = configuration(broker, NOWHERE, FRONT, REAR)
    async with (
        media_running(config) as box,
        chromium_page() as page,
        aiohttp.ClientSession() as web,
    ):
        offer = await page.evaluate("() => makeOffer('a', 1, null)")
        post = {"headers": {"Content-Type": "application/sdp", "Origin": ORIGIN}, "data": offer}
        async with web.post(endpoint(config), **post) as response:
            assert response.status == 409
        assert await box.bus.request(START_VIDEO, StartVideo(cameras=("front",))) == Done()
        async with web.post(endpoint(config, "rear"), **post) as response:
            assert response.status == 409, "not selected"
        async with web.post(endpoint(config), **post) as response:
            answer = await response.text()
            assert response.status == 201
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert "Location" in response.headers["Access-Control-Expose-Headers"]
            location = response.headers["Location"]
        assert {line.split()[4] for line in answer.splitlines() if "candidate:" in line} == {
            "127.0.0.1"
        }
        await page.evaluate("(sdp) => takeAnswer('a', sdp)", answer)
        await frames_seen(page, "a", {"0"})
        stamp = await page.evaluate("() => stamp('a', '0')")
        assert 0 < time.time() * 1000 - stamp < 1000
        assert box.sessions[-1].watchers == (), "the crew itself is no watcher"
        session = f"http://{config.media.preview_listen}{location}"
        async with web.delete(session) as response:
            assert response.status == 200
        async with web.delete(session) as response:
            assert response.status == 404
        assert await box.bus.request(STOP_VIDEO, StopVideo()) == Done()
