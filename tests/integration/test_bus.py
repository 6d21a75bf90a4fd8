"""The bus against a real mosquitto."""

import asyncio
import sys
import time

import aiomqtt
import pytest

from edgebox.bus import Bus
from edgebox.bus_client import obey_cancellation
from edgebox.messages.base import Done, Fault
from edgebox.messages.room import ROOM, Room
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import START_VIDEO, StartVideo
from tests.conftest import Broker


async def test_request_gets_the_answer_of_its_service(broker: Broker) -> None:
    async with (
        Bus(broker.address, "media", box="b1") as media,
        Bus(broker.address, "panel", box="b1") as panel,
    ):
        asked: list[StartVideo] = []

        async def start(question: StartVideo, keys: dict[str, str]) -> Done | Fault:
            asked.append(question)
            return Done() if question.cameras else Fault(reason="refused")

        await media.serve(START_VIDEO, start)
        await media.connected.wait()
        await panel.connected.wait()
        assert await panel.request(START_VIDEO, StartVideo(cameras=("front",))) == Done()
        assert await panel.request(START_VIDEO, StartVideo()) == Fault(reason="refused")
        assert [question.cameras for question in asked] == [("front",), ()]


async def test_request_nobody_answers_is_a_fault(broker: Broker) -> None:
    async with Bus(broker.address, "panel", box="b1") as panel:
        answer = await panel.request(START_VIDEO, StartVideo(), timeout_s=0.3)
        assert isinstance(answer, Fault)
        assert answer.reason == "timeout"


async def test_retained_state_survives_a_killed_broker(broker: Broker) -> None:
    seen: asyncio.Queue[Room] = asyncio.Queue()

    async def keep(room: Room, keys: dict[str, str]) -> None:
        assert keys == {"box": "b1"}
        await seen.put(room)

    async with Bus(broker.address, "hub") as hub:
        await hub.connected.wait()
        await hub.publish(ROOM, Room(session="s1", participants=()), box="b1")
        broker.kill()
        broker.start()
        async with Bus(broker.address, "other") as other:
            await other.subscribe(ROOM, keep)
            assert (await asyncio.wait_for(seen.get(), 10)).session == "s1"


NESTED = b'{"type":"Room","x":' + b"[" * 5000
JUNK = (
    b"",
    b"\xff",
    b"{}",
    b'{"type":"Room","session":1}',
    b'{"type":"Room","session":"s\\n","participants":[]}',
    b'{"type":"Room","session":"\xff","participants":[]}',
    b'{"type":"Room","\xff":1}',
    b'{"type":"\xff"}',
    NESTED,
)

CRASHER = """
import asyncio, os, signal, sys
from edgebox.bus import Bus, Will
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus

async def main():
    status = ServiceStatus(service="media", instance="i", state="stopped", since_utc=0)
    will = Will(SERVICE_STATUS, status, {"service": "media"})
    async with Bus(sys.argv[1], "media", box="b1", will=will) as bus:
        await bus.connected.wait()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_comes_while_the_bus_connects_is_not_forgotten(broker: Broker) -> None:
    """States of a service that starts, at each turn of its connection being made."""
    said: dict[str, str] = {}
    heard: dict[str, str] = {}

    async def note(room: Room, keys: dict[str, str]) -> None:
        heard[keys["box"]] = room.session

    async with Bus(broker.address, "hub") as hub:
        turn = 0
        while not hub.connected.is_set():
            # As many states as a broker keeps ready for a listener, again and again.
            box, session = f"b{turn % 100}", f"s{turn}"
            said[box] = session
            await hub.publish(ROOM, Room(session=session, participants=()), box=box)
            await asyncio.sleep(0)
            turn += 1
        async with Bus(broker.address, "other") as other:
            await other.subscribe(ROOM, note)
            async with asyncio.timeout(5):
                while heard != said:
                    await asyncio.sleep(0.01)


async def test_broker_says_stopped_for_a_killed_service(broker: Broker) -> None:
    seen: asyncio.Queue[ServiceStatus] = asyncio.Queue()

    async def keep(message: ServiceStatus, keys: dict[str, str]) -> None:
        await seen.put(message)

    async with Bus(broker.address, "panel", box="b1") as panel:
        await panel.subscribe(SERVICE_STATUS, keep)
        await panel.connected.wait()
        crasher = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CRASHER, broker.address
        )
        assert (await asyncio.wait_for(seen.get(), 20)).state == "stopped"
        await crasher.wait()


async def test_undecodable_payload_is_dropped_and_counted(broker: Broker) -> None:
    seen: asyncio.Queue[Room] = asyncio.Queue()

    async def keep(room: Room, keys: dict[str, str]) -> None:
        await seen.put(room)

    async with Bus(broker.address, "panel", box="b1") as panel:
        await panel.subscribe(ROOM, keep)
        await panel.connected.wait()
        assert panel._client is not None
        for junk in JUNK:
            await panel._client.publish("box/b1/down/room", junk)
        await panel.publish(ROOM, Room(session="s2", participants=()))
        assert (await asyncio.wait_for(seen.get(), 5)).session == "s2"
        assert panel.undecodable == len(JUNK)


async def test_answer_that_is_not_utf8_is_a_fault(broker: Broker) -> None:
    async with Bus(broker.address, "panel", box="b1") as panel:
        answering = panel.request(START_VIDEO, StartVideo())
        asking = asyncio.create_task(answering)
        async with asyncio.timeout(5):
            while not panel._waiting:
                await asyncio.sleep(0.01)
        (waiting,) = panel._waiting.values()
        waiting.set_result(b'{"type":"\xff"}')
        answer = await asking
        assert isinstance(answer, Fault)
        assert answer.reason == "invalid"


async def test_bus_can_be_left_while_it_connects(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = aiomqtt.Client._client_connect

    def connect_slowly(client: aiomqtt.Client) -> None:
        time.sleep(0.05)
        connect(client)

    monkeypatch.setattr(aiomqtt.Client, "_client_connect", connect_slowly)
    for after_s in (0.0, 0.02, 0.05, 0.06):
        async with asyncio.timeout(5), Bus(broker.address, "panel", box="b1"):
            await asyncio.sleep(after_s)
        await asyncio.sleep(0.1)  # the thread has ended by now, whatever it did
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_bus_can_be_left_at_the_moment_a_handler_gets_its_result(broker: Broker) -> None:
    handling = asyncio.Event()
    result: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle(room: Room, keys: dict[str, str]) -> None:
        handling.set()
        await asyncio.wait_for(result, 5)

    async with asyncio.timeout(5), Bus(broker.address, "panel", box="b1") as bus:
        await bus.subscribe(ROOM, handle)
        await bus.connected.wait()
        await bus.publish(ROOM, Room(session="s", participants=()))
        await handling.wait()
        result.set_result(None)
        left_at = time.monotonic()
    assert time.monotonic() - left_at < 2


async def test_bug_in_a_handler_comes_out_of_the_bus(broker: Broker) -> None:
    async def broken(room: Room, keys: dict[str, str]) -> None:
        raise ZeroDivisionError

    async def use() -> None:
        async with Bus(broker.address, "panel", box="b1") as bus:
            await bus.subscribe(ROOM, broken)
            await bus.connected.wait()
            await bus.publish(ROOM, Room(session="s", participants=()))
            await asyncio.wait([bus.failed])

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(use(), 5)


async def test_cancellation_at_the_moment_of_the_result_is_obeyed() -> None:
    result: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(obey_cancellation(asyncio.wait_for(result, 5)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    result.set_result(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
