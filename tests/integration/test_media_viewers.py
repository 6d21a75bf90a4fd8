"""Viewers that fall silent, are slow, or flood the box: what leaves, and what is said of it."""

import asyncio
import contextlib
import time

import pytest

from edgebox.messages.base import Done
from edgebox.messages.session import START_VIDEO, StartVideo
from tests.conftest import Broker, TurnServer
from tests.integration.media_peer import Peer, peers
from tests.integration.media_rig import FRONT, REAR, Observer, configuration, media_running


async def live(box: Observer) -> None:
    assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
    await box.until(lambda s: s.state == "live")


async def rate_hz(peer: Peer, mid: str = "0", over_s: float = 1.0) -> float:
    """Packets of pictures that come now."""
    before, started_at = peer.packets.get(mid, 0), time.monotonic()
    await asyncio.sleep(over_s)
    return (peer.packets.get(mid, 0) - before) / (time.monotonic() - started_at)


async def test_who_falls_silent_is_sent_nothing_until_they_answer(
    broker: Broker, turn_server: TurnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.media.publisher.SILENT_S", 1.5)
    monkeypatch.setattr("edgebox.media.aiortc_hooks.receiving.CONSENT_EVERY_S", 0.5)
    config = configuration(broker, turn_server.address, FRONT)
    async with media_running(config) as box, peers(turn_server, "p") as [peer]:
        await live(box)
        await peer.watch(box)
        await box.until(lambda s: s.watchers and s.watchers[0].sees)
        assert await rate_hz(peer) > 5
        peer.fall_silent()
        await box.until(lambda s: [(w.state, w.sees) for w in s.watchers] == [("lost", ())])
        assert await rate_hz(peer) == 0
        peer.speak_again()
        await box.until(lambda s: s.watchers[0].state == "connected" and s.watchers[0].sees)
        assert await rate_hz(peer) > 5


async def test_who_only_answers_checks_is_not_lost(
    broker: Broker, turn_server: TurnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.media.publisher.SILENT_S", 1.5)
    monkeypatch.setattr("edgebox.media.aiortc_hooks.receiving.CONSENT_EVERY_S", 0.5)
    config = configuration(broker, turn_server.address, FRONT)
    async with media_running(config) as box, peers(turn_server, "p") as [peer]:
        await live(box)
        await peer.watch(box)
        await box.until(lambda s: s.watchers and s.watchers[0].sees)
        peer.answer_checks_only()
        await asyncio.sleep(3)
        assert await rate_hz(peer) > 5
        assert [(w.state, w.sees) for w in box.sessions[-1].watchers] == [("connected", ("front",))]


async def test_an_offer_that_came_too_late_takes_nothing_away(
    broker: Broker, turn_server: TurnServer
) -> None:
    """After a tunnel the old connection works again, and the page has given its new one up."""
    config = configuration(broker, turn_server.address, FRONT)
    async with media_running(config) as box, peers(turn_server, "p", "p", "p") as [old, late, new]:
        await live(box)
        await old.watch(box)
        await box.until(lambda s: s.watchers and s.watchers[0].sees)
        await late.watch(box, accepts=False)
        assert await rate_hz(old) > 5
        assert [one.state for one in box.sessions[-1].watchers] == ["connected"]
        await new.watch(box)
        async with asyncio.timeout(10):
            while not new.packets:
                await asyncio.sleep(0.05)
        assert await rate_hz(new) > 5
        assert await rate_hz(old) == 0, "the new one has taken its place"
        assert [(w.peer, w.state) for w in box.sessions[-1].watchers] == [("p", "connected")]


async def test_a_slow_viewer_gets_single_pictures_and_drags_nobody_down(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, FRONT, REAR)
    async with media_running(config) as box, peers(turn_server, "good", "slow") as [good, slow]:
        await live(box)
        for peer in (good, slow):
            await peer.watch(box, sections=2)
            peer.claim_rate(20_000_000)  # what a busy machine makes of its own estimates is noise
        await box.until(lambda s: sum(len(w.sees) for w in s.watchers) == 4)
        unlimited = await box.until(lambda s: s.sending.reason != "viewer", timeout_s=20)
        before_bps = unlimited.sending.total_bps
        slow.claim_rate(60_000)
        session = await box.until(lambda s: any(w.slow for w in s.watchers), timeout_s=20)
        seen = {w.peer: (w.slow, w.sees) for w in session.watchers}
        assert seen == {"good": (False, ("front", "rear")), "slow": (True, ("front",))}
        await asyncio.sleep(1)
        assert await rate_hz(slow, "1") == 0
        usual_hz, single_hz = await asyncio.gather(rate_hz(good, over_s=2), rate_hz(slow, over_s=2))
        assert usual_hz > 10
        assert single_hz < usual_hz / 3
        assert box.sessions[-1].sending.total_bps >= before_bps, "nobody else has less"


async def test_alone_a_slow_viewer_sets_the_rate(broker: Broker, turn_server: TurnServer) -> None:
    config = configuration(broker, turn_server.address, FRONT)
    async with media_running(config) as box, peers(turn_server, "slow") as [slow]:
        await live(box)
        await slow.watch(box)
        await box.until(lambda s: s.watchers and s.watchers[0].sees)
        slow.claim_rate(60_000)
        session = await box.until(lambda s: s.sending.reason == "viewer", timeout_s=20)
        assert session.sending.total_bps < 200_000
        assert not session.watchers[0].slow


async def test_who_floods_the_box_with_packets_is_cut_off(
    broker: Broker, turn_server: TurnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.media.flood.LASTING_S", 1.5)
    config = configuration(broker, turn_server.address, FRONT)
    async with media_running(config) as box, peers(turn_server, "bad", "good") as [bad, good]:
        await live(box)
        for peer in (bad, good):
            await peer.watch(box)
        await box.until(lambda s: sum(len(w.sees) for w in s.watchers) == 2)

        async def attack() -> None:
            while True:
                await bad.flood(30)
                await asyncio.sleep(0.05)

        attacking = asyncio.create_task(attack())
        try:
            await box.until(lambda s: [w.peer for w in s.watchers] == ["good"], timeout_s=15)
        finally:
            attacking.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await attacking
        assert await rate_hz(good) > 5
