"""Faults put into real parts, or into what the kernel and programs say, each found by its check."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from edgebox.bus import Bus
from edgebox.config.bond import Bond
from edgebox.config.media import Media
from edgebox.hub.tokens import make_turn_credentials
from edgebox.messages.base import Done, Fault
from edgebox.messages.selftest import ASK_TURN, SELF_TEST, AskTurn, RunSelfTest, SelfTest
from edgebox.messages.selftest import RUN_SELF_TEST as RUN
from edgebox.messages.services import ASK_HUB, AskHub, HubStatus
from edgebox.messages.session import MEDIA_SESSION, MediaSession, TurnCredentials
from edgebox.sim import pki
from edgebox.support import service
from edgebox.support.command import self_test
from tests.conftest import Broker, TurnServer
from tests.integration.selftest_rig import BY_NAME, codes, config_for, surroundings, until

# Broker, hub, TURN --------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
async def test_dead_broker_is_found_and_its_return_too(broker: Broker, tmp_path: Path) -> None:
    async with surroundings(config_for(broker.address, tmp_path)) as here:
        assert await codes("broker", here) == {"good": "good"}
        broker.kill()
        assert await codes("broker", here) == {"broker.away": "fault"}
        broker.start()
        assert await codes("broker", here) == {"good": "good"}


async def test_box_without_an_identity_misses_no_hub(broker: Broker, tmp_path: Path) -> None:
    async with surroundings(config_for(broker.address, tmp_path)) as here:
        assert await codes("hub", here) == {"hub.not-enrolled": "untested"}


async def test_absent_hub_and_a_wrong_clock_are_found(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.support.checks.hub.WAIT_S", 0.3)
    files = pki.box_credentials(tmp_path / "pki", "b1")
    config = config_for(broker.address, tmp_path, bond=Bond(certificate=str(files.certificate)))
    async with (
        surroundings(config) as here,
        Bus(broker.address, "hub", box="b1") as hub,
    ):
        assert await codes("hub", here) == {"hub.away": "fault"}
        ahead_s = 0.0

        async def answer(question: AskHub, keys: dict[str, str]) -> HubStatus:
            return HubStatus(instance="h", since_utc=0, at_utc=time.time() + ahead_s)

        await hub.serve(ASK_HUB, answer)
        assert await codes("hub", here) == {"good": "good"}
        assert await codes("clock", here) == {"good": "good"}
        ahead_s = -20.0
        assert await codes("clock", here) == {"clock.off": "attention"}
        ahead_s = 7200.0
        assert await codes("clock", here) == {"clock.wrong": "fault"}


async def test_turn_is_tried_by_an_allocation(
    broker: Broker, turn_server: TurnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.support.checks.turn.GIVE_UP_S", 0.6)
    config = config_for(broker.address, tmp_path, media=Media(turn=turn_server.address))
    secret: bytes | None = turn_server.secret.encode()
    async with (
        surroundings(config) as here,
        Bus(broker.address, "hub", box="b1") as hub,
    ):

        async def answer(question: AskTurn, keys: dict[str, str]) -> TurnCredentials | Fault:
            if secret is None:
                return Fault(reason="refused")
            return make_turn_credentials(secret, "try-b1", time.time())

        await hub.serve(ASK_TURN, answer)
        assert await codes("turn", here) == {"sending": "untested"}, "nobody knows yet"
        await hub.publish(MEDIA_SESSION, session("idle"))
        await until(lambda: here.heard.sending == "idle")
        assert await codes("turn", here) == {"good": "good"}
        secret = b"another secret of 16"
        assert await codes("turn", here) == {"turn.refused": "fault"}
        secret = None
        assert await codes("turn", here) == {"turn.no-password": "untested"}
        turn_server.kill()
        assert await codes("turn", here) == {"turn.no-bond": "untested"}
        await hub.publish(MEDIA_SESSION, session("live"))
        await until(lambda: here.heard.sending == "live")
        assert await codes("turn", here) == {"sending": "untested"}, "never during a mission"


def session(state: Any) -> MediaSession:
    return MediaSession(
        id="s", state=state, since_utc=time.time(), instance="m", cameras=(), sent=()
    )


# The service --------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there to answer: that is known soon."""
    for name in (
        "checks.clock.HUB_S",
        "checks.hub.WAIT_S",
        "checks.broker.WAIT_S",
        "command.ASK_S",
    ):
        monkeypatch.setattr(f"edgebox.support.{name}", 0.3)


@pytest.mark.usefixtures("impatient")
async def test_service_tests_keeps_history_and_tells_the_fleet(
    broker: Broker, tmp_path: Path
) -> None:
    config = config_for(broker.address, tmp_path)
    running = asyncio.create_task(service.run(config))
    async with Bus(broker.address, "test", box="b1") as bus:
        seen: list[SelfTest] = []

        async def take(test: SelfTest, keys: dict[str, str]) -> None:
            seen.append(test)

        await bus.subscribe(SELF_TEST, take)
        answer: Any = Fault(reason="timeout")
        while isinstance(answer, Fault) and answer.reason == "timeout":
            answer = await bus.request(RUN, RunSelfTest(reason="crew"), timeout_s=0.5)
        second = await bus.request(RUN, RunSelfTest(reason="crew"), timeout_s=2)
        assert isinstance(second, Fault)
        assert second.reason == "busy"
        unknown = RunSelfTest(reason="technician", checks=("nonsense",))
        async with asyncio.timeout(30):
            while not seen or seen[-1].state != "done":
                await asyncio.sleep(0.05)
        first = seen[-1]
        assert first.id == answer.id
        assert first.grade == "fault"
        assert [one.grade for one in first.findings] == sorted(
            (one.grade for one in first.findings),
            key=["fault", "attention", "untested", "good"].index,
        )
        refused = await bus.request(RUN, unknown, timeout_s=2)
        assert isinstance(refused, Fault)
        assert refused.reason == "not-found"
        again = await bus.request(RUN, RunSelfTest(reason="technician", checks=("memory",)))
        assert not isinstance(again, Fault | Done)
        assert again.id == first.id, "a check alone mends the last result"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        seen.clear()
        running = asyncio.create_task(service.run(config))
        async with asyncio.timeout(10):
            while not seen:
                await asyncio.sleep(0.05)
        assert seen[0].id == first.id, "the last result outlives the service"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.usefixtures("impatient")
async def test_command_tests_by_itself_when_nothing_else_lives(tmp_path: Path) -> None:
    test = await self_test(config_for(str(tmp_path / "no.sock"), tmp_path))
    grades = {one.code: one.grade for one in test.findings}
    assert grades["broker.away"] == "fault"
    assert grades["bond.unheard"] == "untested"
    assert test.grade == "fault"
    assert {one.check for one in test.findings} == set(BY_NAME)
