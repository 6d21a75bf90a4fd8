"""The box's end as a service on a real bus, against the hub's end in the same process."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edgebox.bond import echoes, service
from edgebox.bond.far_end import FarEnd
from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.bond import Bond, Forward, Link
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusConfig
from edgebox.host.netlink import Interfaces, read_interfaces, watch_interfaces
from edgebox.messages.base import Done, Fault
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.link_test import (
    STOP_TRYING,
    TRY_LINK,
    LinkTestResult,
    StopTrying,
    TryLink,
)
from edgebox.sim.ports import free_port
from tests.conftest import Broker


class Ports:
    """Free ports of one test."""

    def __init__(self) -> None:
        self.udp, self.listen, self.sink = (free_port() for _ in range(3))
        self.tcp = free_port()


def box_config(
    directory: Path, broker: str, ports: Ports, links: tuple[Link, ...] | None = None
) -> Config:
    (directory / "key").write_text("5a" * 32)
    forward = Forward(name="f", listen=f"127.0.0.1:{ports.listen}", to=f"127.0.0.1:{ports.sink}")
    bond = Bond(
        hub=f"127.0.0.1:{ports.udp}",
        key_exchange=f"127.0.0.1:{ports.tcp}",
        static_key="key",
        usage_file="usage.json",
        link=links
        or tuple(Link(name=f"l{n}", source=f"127.0.0.{n}", label=f"Link {n}") for n in (2, 3)),
        forward=(forward,),
    )
    return Config(
        box=Box(id="b1"), bus=BusConfig(address=broker), bond=bond, directory=str(directory)
    )


def hub_config(directory: Path, ports: Ports) -> Config:
    bond = Bond(
        role="hub",
        listen=f"127.0.0.1:{ports.udp}",
        key_exchange_listen=f"127.0.0.1:{ports.tcp}",
        static_key="key",
        allow=(f"127.0.0.1:{ports.sink}",),
    )
    return Config(bond=bond, directory=str(directory))


@contextlib.asynccontextmanager
async def running(*work: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
        for task in work:
            if task.done():
                task.result()
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


@contextlib.asynccontextmanager
async def statuses(broker: str) -> AsyncIterator[asyncio.Queue[BondStatus]]:
    seen: asyncio.Queue[BondStatus] = asyncio.Queue()

    async def keep(status: BondStatus, keys: dict[str, str]) -> None:
        await seen.put(status)

    async with Bus(broker, "watcher", box="b1") as bus:
        await bus.subscribe(BOND_STATUS, keep)
        yield seen


async def until(seen: asyncio.Queue[BondStatus], state: str) -> BondStatus:
    async with asyncio.timeout(15):
        while (status := await seen.get()).state != state:
            continue
        return status


async def test_status_is_true_while_the_hub_comes_goes_and_returns(
    broker: Broker, tmp_path: Path
) -> None:
    ports = Ports()
    config = box_config(tmp_path, broker.address, ports)
    box = asyncio.create_task(service.run(config))
    async with running(box), statuses(broker.address) as seen:
        first = await until(seen, "connecting")
        assert first.target_bps == 0
        assert all(link.rtt_ms is None for link in first.links)
        async with running(asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())):
            up = await until(seen, "up")
            for _ in range(5):
                up = await seen.get()
            assert [(link.name, link.label) for link in up.links] == [
                ("l2", "Link 2"),
                ("l3", "Link 3"),
            ]
            assert up.target_bps > 0
            assert {link.state for link in up.links} == {"up"}
        down = await until(seen, "down")
        assert down.target_bps == 0
        async with running(asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())):
            await until(seen, "up")


async def test_status_comes_ten_times_a_second(broker: Broker, tmp_path: Path) -> None:
    box = asyncio.create_task(service.run(box_config(tmp_path, broker.address, Ports())))
    async with running(box), statuses(broker.address) as seen:
        begun = await until(seen, "connecting")
        for _ in range(10):
            last = await seen.get()
        assert last.at_utc - begun.at_utc < 3


async def test_forwards_without_any_broker(tmp_path: Path) -> None:
    ports = Ports()
    config = box_config(tmp_path, str(tmp_path / "none.sock"), ports)
    loop = asyncio.get_running_loop()
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    box = asyncio.create_task(service.run(config))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        sink.setblocking(False)
        sink.bind(("127.0.0.1", ports.sink))
        client.setblocking(False)
        async with running(hub, box), asyncio.timeout(15):
            arrival = asyncio.create_task(loop.sock_recvfrom(sink, 2000))
            while not arrival.done():
                client.sendto(b"hello", ("127.0.0.1", ports.listen))
                await asyncio.sleep(0.05)
            assert (await arrival)[0] == b"hello"


async def test_link_without_its_interface_is_absent(broker: Broker, tmp_path: Path) -> None:
    ports = Ports()
    links = (Link(name="here", source="127.0.0.2"), Link(name="gone", interface="nosuch0"))
    config = box_config(tmp_path, broker.address, ports, links)
    box = asyncio.create_task(service.run(config))
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    async with running(box, hub), statuses(broker.address) as seen:
        up = await until(seen, "up")
        assert [link.state for link in up.links] == ["up", "absent"]


async def test_a_link_is_tested_when_asked(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real sockets: figures of a link, one at a time, charged to its month."""
    monkeypatch.setattr(echoes, "PROBES", 40)
    ports = Ports()
    links = (
        Link(name="free", source="127.0.0.2"),
        Link(name="capped", source="127.0.0.3", monthly_cap_mb=1000),
        Link(name="used", source="127.0.0.4", monthly_cap_mb=1000),
        Link(name="gone", interface="nosuch0"),
    )
    count = {"month": time.strftime("%Y-%m-01", time.gmtime()), "used_bytes": 920_000_000}
    (tmp_path / "usage.json").write_text(json.dumps({"used": count}))
    config = box_config(tmp_path, broker.address, ports, links)
    box = asyncio.create_task(service.run(config))
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    async with (
        running(box, hub),
        statuses(broker.address) as seen,
        Bus(broker.address, "asker", box="b1") as bus,
    ):

        async def ask(link: str, *, speed: bool = True) -> LinkTestResult | Fault:
            return await bus.request(TRY_LINK, TryLink(link=link, speed=speed), timeout_s=22)

        while (status := await until(seen, "up")).links[1].state != "up":
            continue
        first = asyncio.create_task(ask("capped"))
        await asyncio.sleep(0.2)
        assert await ask("free") == Fault(reason="busy", text="a link is tested already")
        result = await first
        assert isinstance(result, LinkTestResult)
        assert (result.link, result.probes, result.why) == ("capped", 40, "")
        assert (result.loss_up, result.loss_down) == (0, 0)
        assert result.rtt_p50_ms is not None
        assert 0 < result.rtt_p50_ms < 100
        for speed in (result.up, result.down):
            assert speed.bps is not None
            assert (speed.why, speed.bps > 1_000_000) == ("", True)
        # A thousandth of the cap each way, and the probes.
        assert 1_000_000 < result.carried_bytes < 2_100_000
        charged_bytes = status.links[1].used_bytes + result.carried_bytes
        async with asyncio.timeout(5):
            while (await until(seen, "up")).links[1].used_bytes < charged_bytes:
                continue

        assert await ask("nosuch") == Fault(reason="not-found", text="no link nosuch")
        for name, why in (("used", "cap"), ("gone", "absent")):
            refused = await ask(name)
            assert isinstance(refused, LinkTestResult)
            assert (refused.why, refused.loss_up, refused.carried_bytes) == (why, None, 0)
            assert (refused.up.bps, refused.up.why) == (None, why)
            assert refused.up == refused.down

        probes = asyncio.create_task(ask("free", speed=False))
        await asyncio.sleep(0.4)
        assert await bus.request(STOP_TRYING, StopTrying()) == Done()
        stopped = await probes
        assert isinstance(stopped, LinkTestResult)
        assert (stopped.why, stopped.up.why) == ("stopped", "carrying")
        assert 5 < stopped.probes < 40


async def test_interfaces_are_read() -> None:
    interfaces = await read_interfaces()
    assert interfaces["lo"].up
    assert "127.0.0.1" in interfaces["lo"].addresses


@pytest.mark.privileged
@pytest.mark.skipif(os.geteuid() != 0, reason="makes an interface")
async def test_interface_that_comes_and_goes_is_told() -> None:
    name = f"eb{os.getpid() % 100_000}"
    seen: asyncio.Queue[Interfaces] = asyncio.Queue()
    watcher = asyncio.create_task(watch_interfaces(seen.put))

    async def ip(*words: str) -> None:
        process = await asyncio.create_subprocess_exec("ip", *words, stderr=subprocess.DEVNULL)
        if await process.wait():
            pytest.skip("no TUN device here")

    async with running(watcher), asyncio.timeout(10):
        assert name not in await seen.get()
        await ip("tuntap", "add", "dev", name, "mode", "tun")
        while name not in await seen.get():
            continue
        await ip("link", "del", name)
        while name in await seen.get():
            continue
