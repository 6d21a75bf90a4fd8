"""The crew's preview: WHEP over HTTP, with a real Chromium as the panel's browser."""

import asyncio
import time

import aiohttp
import pytest

from edgebox.config import Config, parse_address
from edgebox.media.preview import PREVIEWS_MAX
from edgebox.messages.base import Done
from edgebox.messages.session import START_VIDEO, STOP_VIDEO, StartVideo, StopVideo
from tests.conftest import Broker
from tests.integration.media_rig import (
    FRONT,
    REAR,
    chromium_page,
    configuration,
    frames_seen,
    media_running,
)
from tests.unit.media.test_offer import CHROMIUM

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


async def test_preview_lets_in_nobody_it_should_not(broker: Broker) -> None:
    config = configuration(broker, NOWHERE, FRONT)
    url, sdp = endpoint(config), {"Content-Type": "application/sdp"}
    async with media_running(config) as box, aiohttp.ClientSession() as web:
        await box.bus.request(START_VIDEO, StartVideo())

        async def status(
            method: str = "POST", url: str = url, data: str = CHROMIUM, **headers: str
        ) -> int:
            async with web.request(method, url, data=data, headers=sdp | headers) as response:
                return response.status

        assert await status(Origin="http://evil.example") == 403
        assert await status(Origin="http://127.0.0.1:1") == 403
        assert await status(Host="evil.example") == 403, "DNS rebinding"
        assert await status(**{"Content-Type": "text/plain"}) == 415
        assert await status(url=endpoint(config, "nope")) == 404
        assert await status(data="nonsense") == 400
        assert await status(data="x" * 70_000) == 413
        assert await status(data=CHROMIUM.replace("H264", "H265")) == 422
        assert await status("GET") == 405
        assert await status("PATCH") == 405
        assert await status("OPTIONS", Origin=ORIGIN) == 200
        stop = f"http://{config.media.preview_listen}/stop"
        assert await status(url=stop, Origin="http://evil.example") == 403
        assert await status(url=stop, Host="evil.example") == 403
        assert await status("GET", url=stop) == 405
        for _ in range(PREVIEWS_MAX):
            assert await status() == 201
        assert await status() == 503
        async with web.post(stop, headers={"Origin": ORIGIN}) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        await box.until(lambda session: session.state == "idle")
        assert await status() == 409


async def test_garbage_on_the_port_changes_nothing(broker: Broker) -> None:
    config = configuration(broker, NOWHERE, FRONT)
    host, port = parse_address(config.media.preview_listen)
    async with media_running(config) as box:
        for junk in (b"\x00" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"POST " + b"/a" * 9000):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(junk)
            await writer.drain()
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 5)
            writer.close()
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
