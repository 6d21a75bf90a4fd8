"""The frame of a service, with a real broker and a real notification socket."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusSettings
from edgebox.host import service as service_module
from edgebox.host.service import Service
from edgebox.messages.base import Done, Fault
from edgebox.messages.room import ROOM, Room
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import START_VIDEO, StartVideo
from tests.conftest import Broker
from tests.unit.host.test_notify import Listener


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        path = Path(directory) / "notify"
        listener = Listener(path)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener
        listener.socket.close()


@pytest.fixture
def config(broker: Broker) -> Config:
    return Config(box=Box(id="b1"), bus=BusSettings(address=broker.address))


@contextlib.asynccontextmanager
async def watching(config: Config) -> AsyncIterator[asyncio.Queue[ServiceStatus]]:
    """Every ServiceStatus on the bus."""
    seen: asyncio.Queue[ServiceStatus] = asyncio.Queue()

    async def keep(status: ServiceStatus, keys: dict[str, str]) -> None:
        assert keys == {"service": status.service}
        seen.put_nowait(status)

    async with Bus(config.bus.address, "watcher", box="b1") as bus:
        await bus.subscribe(SERVICE_STATUS, keep)
        await bus.connected.wait()
        yield seen


async def test_states_are_told_to_bus_and_systemd(config: Config, systemd: Listener) -> None:
    async with asyncio.timeout(10), watching(config) as seen:
        async with Service("media", config) as service:
            await service.bus.connected.wait()
            first = await seen.get()
            assert (first.state, first.instance) == ("starting", service.instance)
            assert systemd.heard() == []
            await service.set_state("running", "two cameras")
            second = await seen.get()
            assert (second.state, second.detail) == ("running", "two cameras")
            assert second.since_utc >= first.since_utc
            assert systemd.heard() == ["READY=1\nSTATUS=two cameras"]
        last = await seen.get()
        assert (last.state, last.instance) == ("stopped", first.instance)
        assert systemd.heard() == ["STOPPING=1"]


async def test_degraded_service_serves_too(config: Config, systemd: Listener) -> None:
    async with Service("media", config) as service:
        await service.set_state("degraded", "no camera")
        assert systemd.heard() == ["READY=1\nSTATUS=no camera"]


async def test_since_is_when_the_state_began_and_not_when_it_was_last_said(config: Config) -> None:
    async with asyncio.timeout(10), watching(config) as seen, Service("media", config) as service:
        await service.bus.connected.wait()
        assert (await seen.get()).state == "starting"
        await service.set_state("running", "one camera")
        first = await seen.get()
        await service.set_state("running", "two cameras")
        second = await seen.get()
        assert (second.detail, second.since_utc) == ("two cameras", first.since_utc)
        await service.set_state("degraded")
        assert (await seen.get()).since_utc > first.since_utc


async def test_instance_changes_with_every_start(config: Config) -> None:
    assert Service("bond", config).instance != Service("bond", config).instance


async def test_watchdog_is_fed_by_progress_only(
    config: Config, systemd: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("edgebox.host.service.time.monotonic", lambda: now)
    async with Service("bond", config) as service:
        await service.set_state("running")
        systemd.heard()
        assert systemd.heard() == []
        fed = []
        for _ in range(10):  # one second of progress, ten times
            service.progress()
            fed += systemd.heard()
            now += 0.1
        assert fed == ["WATCHDOG=1", "WATCHDOG=1"]
        now += 60.0  # a minute of none
        assert systemd.heard() == []


async def test_running_alone_feeds_nothing(config: Config, systemd: Listener) -> None:
    async with Service("bond", config) as service:
        await service.set_state("running")
        systemd.heard()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(service_module.WATCHDOG_EVERY_S + 0.3):
                await service.run(asyncio.sleep(60))
        assert systemd.heard() == []


async def test_bug_in_a_handler_ends_the_service(config: Config) -> None:
    async def broken(room: Room, keys: dict[str, str]) -> None:
        raise ZeroDivisionError

    async def serve() -> None:
        async with Service("media", config) as service:
            await service.bus.subscribe(ROOM, broken)
            await service.bus.connected.wait()
            await hub.publish(ROOM, Room(session="s", participants=()))
            await service.run(asyncio.sleep(60))

    async with asyncio.timeout(10), Bus(config.bus.address, "hub", box="b1") as hub:
        await hub.connected.wait()
        with pytest.raises(ExceptionGroup) as ended:
            await serve()
        assert ended.group_contains(ZeroDivisionError)


async def test_bug_in_an_answer_ends_the_service(config: Config) -> None:
    async def broken(question: StartVideo, keys: dict[str, str]) -> Done | Fault:
        raise ZeroDivisionError

    async def serve() -> None:
        async with Service("media", config) as service:
            await service.bus.serve(START_VIDEO, broken)
            await service.bus.connected.wait()
            await service.run(asyncio.sleep(60))

    async with asyncio.timeout(10), Bus(config.bus.address, "panel", box="b1") as panel:
        serving = asyncio.create_task(serve())
        while not serving.done():
            await panel.request(START_VIDEO, StartVideo(), timeout_s=0.3)
        error = serving.exception()
        assert isinstance(error, ExceptionGroup)
        assert error.subgroup(ZeroDivisionError)


async def test_failing_work_takes_the_other_work_along(config: Config) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("work")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def serve() -> None:
        async with Service("media", config) as service:
            await service.run(work(), fail())

    async with asyncio.timeout(10):
        with pytest.raises(ExceptionGroup):
            await serve()
    assert ended == ["work"]


async def test_killed_broker_does_not_end_the_service(broker: Broker, config: Config) -> None:
    async with asyncio.timeout(10), Service("media", config) as service:
        running = asyncio.create_task(service.run(asyncio.sleep(60)))
        await service.set_state("running", "still here")
        await service.bus.connected.wait()
        broker.kill()
        broker.start()
        async with watching(config) as seen:
            status = await seen.get()
            assert (status.state, status.detail) == ("running", "still here")
        assert not running.done()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
