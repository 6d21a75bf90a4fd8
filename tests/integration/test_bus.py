"""The bus against a real mosquitto."""

import asyncio
import sys

from edgebox.bus import Bus
from edgebox.messages import (
    ROOM,
    SERVICE_STATUS,
    START_VIDEO,
    Done,
    Fault,
    Room,
    ServiceStatus,
    StartVideo,
)
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

CRASHER = """
import asyncio, os, signal, sys
from edgebox.bus import Bus, Will
from edgebox.messages import SERVICE_STATUS, ServiceStatus

async def main():
    status = ServiceStatus(service="media", instance="i", state="stopped", since_utc=0)
    will = Will(SERVICE_STATUS, status, {"service": "media"})
    async with Bus(sys.argv[1], "media", box="b1", will=will) as bus:
        await bus.connected.wait()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


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
        for junk in (b"", b"\xff", b"{}", b'{"type":"Room","session":1}', NESTED):
            await panel._client.publish("box/b1/down/room", junk)
        await panel.publish(ROOM, Room(session="s2", participants=()))
        assert (await asyncio.wait_for(seen.get(), 5)).session == "s2"
        assert panel.undecodable == 5
