"""Remote help watches: real broker, real TURN server, real Chromium."""

import asyncio
import time

import pytest

from edgebox.messages import START_VIDEO, STOP_VIDEO, Done, StartVideo, StopVideo, WatchAnswer
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import (
    FRONT,
    REAR,
    chromium_page,
    configuration,
    frames_seen,
    media_running,
    watch,
)

pytestmark = pytest.mark.browser


async def test_two_cameras_reach_a_browser_through_the_turn_server_only(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, FRONT, REAR)
    async with media_running(config) as box, chromium_page() as page:
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
        await box.until(lambda s: s.state == "live")
        answer = await watch(box, page, turn_server, sections=3)
        assert isinstance(answer, WatchAnswer), answer
        assert [(stream.mid, stream.camera) for stream in answer.streams] == [
            ("0", "front"),
            ("1", "rear"),
        ]
        candidates = [line for line in answer.sdp.splitlines() if "candidate:" in line]
        assert len(set(candidates)) == 1
        assert "typ relay raddr 0.0.0.0" in candidates[0], candidates
        await frames_seen(page, "p1", {"0", "1"})
        stamp = await page.evaluate("() => stamp('p1', '0')")
        assert 0 < time.time() * 1000 - stamp < 1000
        await box.until(lambda s: [w.state for w in s.watchers] == ["connected"])
        old = box.sessions[-1].id
        assert await box.bus.request(STOP_VIDEO, StopVideo()) == Done()
        after = await box.until(lambda s: s.state == "idle")
        assert after.watchers == ()
        assert after.id != old
        stopped_at = await frames_seen(page, "p1", {"0"}, 0)
        await asyncio.sleep(0.3)
        assert await frames_seen(page, "p1", {"0"}, 0) == stopped_at
