"""What taps ask of the box, against a real mosquitto: nothing may stand in the way of a stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.panel import Panel
from edgebox.errors import ConfigError
from edgebox.messages.base import Done, Fault, Message
from edgebox.messages.session import (
    HIDE_WISH,
    MUTE_WISH,
    REFUSE_WISH,
    START_VIDEO,
    STOP_VIDEO,
    HideWish,
    MuteWish,
    RefuseWish,
    StartVideo,
    StopVideo,
)
from edgebox.panel import actions as module
from edgebox.panel import service
from edgebox.panel.actions import QUESTIONS_MAX, BusActions
from edgebox.panel.state import PanelState
from edgebox.panel.turned_away import TURNED_AWAY_MAX, TurnedAway
from tests.conftest import Broker
from tests.integration.media_rig import configuration, media_running
from tests.unit.media.test_offer import CHROMIUM


@asynccontextmanager
async def tapping(
    broker: Broker, listener: str = "127.0.0.1:9"
) -> AsyncIterator[tuple[BusActions, Bus]]:
    """What pages use, and the bus media would be on."""
    async with (
        Bus(broker.address, "panel", box="b1") as bus,
        Bus(broker.address, "media", box="b1") as media,
    ):
        await media.connected.wait()
        yield BusActions(PanelState(Config(), 0.0), bus, listener, lambda: None), media


def in_thread(ask: Callable[[], Done | Fault]) -> asyncio.Future[Done | Fault]:
    """As a page does it."""
    return asyncio.ensure_future(asyncio.to_thread(ask))


async def test_stop_reaches_a_media_that_is_just_restarting(broker: Broker) -> None:
    async with tapping(broker) as (actions, media):
        stopping = in_thread(actions.stop)
        await asyncio.sleep(0.2)  # the first question has gone to nobody

        async def stop(question: StopVideo, keys: dict[str, str]) -> Done:
            return Done()

        await media.serve(STOP_VIDEO, stop)
        assert await stopping == Done()


@pytest.mark.parametrize("broken", ["killed", "deaf"])
async def test_stop_needs_no_broker(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.2)
    config = configuration(broker, "127.0.0.1:9")
    async with media_running(config) as box:
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
        listener = config.media.preview_listen
        async with tapping(broker, listener) as (actions, _):
            if broken == "killed":
                broker.kill()
                async with asyncio.timeout(5):
                    while actions._bus.connected.is_set():
                        await asyncio.sleep(0.01)
            # "deaf": it is connected, but questions reach nobody (the box of that name is another).
            monkeypatch.setattr(actions._bus, "_box", "b2")
            assert await in_thread(actions.stop) == Done()
        url = f"http://{listener}/whep/front"
        headers = {"Content-Type": "application/sdp"}
        async with (
            aiohttp.ClientSession() as web,
            web.post(url, data=CHROMIUM, headers=headers) as answer,
        ):
            assert answer.status == 409, "nothing is sent any more"
        if broken == "killed":
            broker.start()
        await box.until(lambda session: session.state == "idle")


async def test_stop_and_watchdog_pass_questions_that_wait(broker: Broker) -> None:
    async with tapping(broker) as (actions, media):
        held = asyncio.Event()

        async def start(question: StartVideo, keys: dict[str, str]) -> Done:
            await held.wait()
            return Done()

        async def stop(question: StopVideo, keys: dict[str, str]) -> Done:
            return Done()

        await media.serve(START_VIDEO, start)
        await media.serve(STOP_VIDEO, stop)
        waiting = [in_thread(actions.start) for _ in range(QUESTIONS_MAX)]
        async with asyncio.timeout(5):
            while len(actions._tasks) < QUESTIONS_MAX:
                await asyncio.sleep(0.01)
        refused = await in_thread(actions.start)
        assert isinstance(refused, Fault)
        assert refused.reason == "busy"
        assert await in_thread(actions.stop) == Done()
        assert await asyncio.to_thread(actions.alive)
        held.set()
        assert await asyncio.gather(*waiting) == [Done()] * QUESTIONS_MAX


async def test_ending_panel_leaves_nobody_waiting(broker: Broker) -> None:
    async with tapping(broker) as (actions, _):
        waiting = in_thread(actions.start)
        async with asyncio.timeout(5):
            while not actions._tasks:
                await asyncio.sleep(0.01)
        actions.cancel()
        late = in_thread(actions.stop)
        for answer in await asyncio.gather(waiting, late):
            assert isinstance(answer, Fault)
            assert answer.reason == "unreachable"


async def test_nobody_there_is_a_fault_in_time(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.2)
    async with tapping(broker) as (actions, _):
        answer = await in_thread(actions.start)
        assert isinstance(answer, Fault)
        assert answer.reason == "timeout"
        unnamed = await asyncio.to_thread(actions.invite, "doctor")
        assert isinstance(unnamed, Fault)
        assert unnamed.reason == "unreachable"


async def test_panel_refuses_to_be_reachable_from_outside() -> None:
    with pytest.raises(ConfigError, match="loopback"):
        await service.run(Config(panel=Panel(listen="0.0.0.0:8080")))


async def test_what_is_tapped_while_media_is_dead_waits_for_it_in_the_broker(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.3)
    async with tapping(broker) as (actions, _):
        monkeypatch.setattr(PanelState, "session_id", "s1")
        for tap in (
            lambda: actions.hide(True),
            lambda: actions.mute(True),
            lambda: actions.refuse("kari"),
            lambda: actions.refuse("ola"),
        ):
            assert isinstance(await in_thread(tap), Fault), "nobody confirms it"
        found: dict[str, Message] = {}
        async with Bus(broker.address, "media2", box="b1") as media:

            async def take(wish: Message, keys: dict[str, str]) -> None:
                found[type(wish).__name__] = wish

            await media.subscribe(HIDE_WISH, take)
            await media.subscribe(MUTE_WISH, take)
            await media.subscribe(REFUSE_WISH, take)
            async with asyncio.timeout(5):
                while len(found) < 3:
                    await asyncio.sleep(0.01)
        assert found == {
            "HideWish": HideWish(session="s1", hidden=True),
            "MuteWish": MuteWish(session="s1", muted=True),
            "RefuseWish": RefuseWish(session="s1", participants=("kari", "ola")),
        }


def test_who_is_let_in_again_is_not_turned_away_and_a_new_session_begins_empty() -> None:
    away = TurnedAway()
    away.refuse("s1", "kari")
    away.refuse("s1", "ola")
    away.let_in("s1", "kari")
    assert away.wish("s1").participants == ("ola",)
    for number in range(100):
        away.refuse("s1", str(number))
    assert away.wish("s1").participants[-1] == "99"
    assert len(away.wish("s1").participants) == TURNED_AWAY_MAX
    assert away.wish("s2").participants == ()
