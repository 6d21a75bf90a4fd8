"""Remote help watches: real broker, real TURN server, real Chromium."""

import asyncio
import time
from typing import Any

import aioice.turn
import pytest

from edgebox.media import aiortc_hooks
from edgebox.media.aiortc_hooks import turn
from edgebox.messages.base import Done
from edgebox.messages.session import START_VIDEO, STOP_VIDEO, StartVideo, StopVideo, WatchAnswer
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


@pytest.mark.browser
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
        await asyncio.sleep(0.5)  # what the browser had received is shown
        stopped_at = await frames_seen(page, "p1", {"0"}, 0)
        await asyncio.sleep(0.3)
        assert await frames_seen(page, "p1", {"0"}, 0) == stopped_at


@pytest.mark.browser
async def test_pages_that_leave_and_pages_that_vanish(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, FRONT)
    async with media_running(config) as box, chromium_page() as page:
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
        await box.until(lambda s: s.state == "live")
        for peer in ("leaves", "vanishes"):
            assert isinstance(await watch(box, page, turn_server, peer=peer), WatchAnswer)
            await frames_seen(page, peer, {"0"})
        await box.until(lambda s: [w.state for w in s.watchers] == ["connected"] * 2)
        await page.evaluate("() => peers.leaves.pc.close()")
        await box.until(lambda s: [w.peer for w in s.watchers] == ["vanishes"])
        browser = page.context.browser
        assert browser is not None
        await browser.close()
        await box.until(lambda s: [w.state for w in s.watchers] in ([], ["lost"]))


async def test_a_prepared_socket_saves_the_allocation_a_round_trip(
    turn_server: TurnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ("127.0.0.1", turn_server.port)
    username, password = turn_server.credentials()
    asked: list[str] = []
    request = aioice.turn.TurnClientUdpProtocol.request

    async def counted(self: Any, message: Any) -> Any:
        asked.append(message.message_method.name)
        return await request(self, message)

    monkeypatch.setattr(aioice.turn.TurnClientUdpProtocol, "request", counted)
    for prepared, expected in ((False, 2), (True, 1), (False, 2)):
        if prepared:
            await aiortc_hooks.prepare_turn(server)
        asked.clear()
        transport, _ = await aioice.turn.create_turn_endpoint(
            Receiver, server_addr=server, username=username, password=password
        )
        assert asked == ["ALLOCATE"] * expected
        closed = transport.get_extra_info("sockname")
        assert closed[1] >= 49152
        transport.close()
        await asyncio.sleep(0.05)


async def test_preparing_without_a_server_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "TURN_REACH_S", 0.05)
    await aiortc_hooks.prepare_turn(("127.0.0.1", 9))
    assert ("127.0.0.1", 9) not in turn._prepared


class Receiver(asyncio.DatagramProtocol):
    """Takes nothing."""
