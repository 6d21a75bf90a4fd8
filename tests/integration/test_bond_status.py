"""`edgebox bond status` beside a real bond on a real broker, and a cap that closes a link."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edgebox.bond import service
from edgebox.bond.far_end import FarEnd
from edgebox.bond.usage import Count, load, save, today_utc
from edgebox.config import Config
from edgebox.config.bond import Link
from tests.conftest import Broker
from tests.integration.test_bond_service import (
    Ports,
    box_config,
    hub_config,
    running,
    statuses,
    until,
)


def write_config(config: Config) -> Path:
    """What the command line needs of it."""
    path = Path(config.directory) / "box.toml"
    path.write_text(f"[box]\nid = '{config.box.id}'\n[bus]\naddress = '{config.bus.address}'\n")
    return path


async def edgebox(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edgebox", "bond", "status", *words,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_status_is_printed_and_is_json_on_request(broker: Broker, tmp_path: Path) -> None:
    ports = Ports()
    config = box_config(tmp_path, broker.address, ports)
    path = str(write_config(config))
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    box = asyncio.create_task(service.run(config))
    async with running(hub, box), statuses(broker.address) as seen:
        await until(seen, "up")
        (code, text, _), (code_json, as_json, _) = await asyncio.gather(
            edgebox("--once", "-c", path), edgebox("--json", "-c", path)
        )
    assert (code, code_json) == (0, 0)
    assert text.startswith("Bond up for ")
    assert "not measured yet" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert json.loads(as_json)["links"][0]["name"] == "l2"


async def test_status_says_what_is_away(broker: Broker, tmp_path: Path) -> None:
    path = str(write_config(box_config(tmp_path, broker.address, Ports())))
    code, _, said = await edgebox("--once", "-c", path)
    assert code == 2
    assert "the bond has said nothing" in said
    broker.kill()
    code, _, said = await edgebox("--once", "-c", path)
    assert code == 2
    assert "does not answer" in said


def test_live_view_redraws_and_ends_on_ctrl_c(broker: Broker, tmp_path: Path) -> None:
    path = str(write_config(box_config(tmp_path, broker.address, Ports())))
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgebox", "bond", "status", "-c", path],
        stdin=child, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(child)
    shown = b""
    try:
        while b"has said nothing" not in b" ".join(shown.split()):
            shown += os.read(parent, 4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            while more := os.read(parent, 4096):
                shown += more
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(parent)
    assert b"Traceback" not in shown


# Caps


def capped(tmp_path: Path, ports: Ports, broker: str, cap_mb: int) -> Config:
    links = (
        Link(name="paid", source="127.0.0.2", monthly_cap_mb=cap_mb),
        Link(name="free", source="127.0.0.3"),
    )
    return box_config(tmp_path, broker, ports, links)


@contextlib.asynccontextmanager
async def traffic(ports: Ports, rate_bps: float) -> AsyncIterator[list[int]]:
    """Datagrams of 1,000 bytes into the box's forward; yields how many came out."""
    arrived = [0]
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        sink.setblocking(False)
        sink.bind(("127.0.0.1", ports.sink))

        def take() -> None:
            with contextlib.suppress(BlockingIOError):
                while sink.recv(2000):
                    arrived[0] += 1

        async def send() -> None:
            while True:
                client.sendto(b"\x04" + bytes(999), ("127.0.0.1", ports.listen))
                await asyncio.sleep(8000 / rate_bps)

        loop.add_reader(sink, take)
        try:
            async with running(asyncio.create_task(send())):
                yield arrived
        finally:
            loop.remove_reader(sink)


async def test_cap_is_never_exceeded_not_even_by_the_only_link(
    broker: Broker, tmp_path: Path
) -> None:
    ports = Ports()
    cap = 3_000_000
    only = Link(name="paid", source="127.0.0.2", monthly_cap_mb=3)
    config = box_config(tmp_path, broker.address, ports, (only,))
    month = today_utc().replace(day=1).isoformat()
    save(tmp_path / "usage.json", {"paid": Count(month, 2_800_000)})
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    box = asyncio.create_task(service.run(config))
    async with running(hub, box), statuses(broker.address) as seen, asyncio.timeout(20):
        await until(seen, "up")
        async with traffic(ports, 1.5e6) as arrived:
            while (await seen.get()).links[0].use != "closed":
                continue
            assert arrived[0] > 50
            for _ in range(20):
                status = await seen.get()
            assert 2_900_000 < status.links[0].used_bytes <= cap
            assert status.state != "up"
    assert load(tmp_path / "usage.json")["paid"].used_bytes <= cap


async def test_volume_is_kept_over_a_restart(broker: Broker, tmp_path: Path) -> None:
    ports = Ports()
    config = capped(tmp_path, ports, broker.address, 1000)
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    async with running(hub), statuses(broker.address) as seen:
        async with running(asyncio.create_task(service.run(config))):
            await until(seen, "up")
            async with traffic(ports, 2e6):
                while (await seen.get()).links[0].used_bytes < 50_000:
                    continue
        kept = load(tmp_path / "usage.json")["paid"].used_bytes
        assert 50_000 <= kept < 500_000
        async with running(asyncio.create_task(service.run(config))):
            assert (await until(seen, "up")).links[0].used_bytes >= kept


async def test_damaged_volumes_close_the_capped_link_alone(broker: Broker, tmp_path: Path) -> None:
    ports = Ports()
    (tmp_path / "usage.json").write_text("{")
    config = capped(tmp_path, ports, broker.address, 1000)
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    box = asyncio.create_task(service.run(config))
    async with running(hub, box), statuses(broker.address) as seen:
        up = await until(seen, "up")
        assert [link.use for link in up.links] == ["closed", "ordinary"]
        assert [link.state for link in up.links] == ["down", "up"]
    assert (tmp_path / "usage.json").read_text() == "{"


@pytest.mark.parametrize("priority", [1, 2])
async def test_spared_link_carries_next_to_nothing(
    broker: Broker, tmp_path: Path, priority: int
) -> None:
    ports = Ports()
    links = (
        Link(name="first", source="127.0.0.2"),
        Link(name="second", source="127.0.0.3", priority=priority),
    )
    config = msgspec.structs.replace(box_config(tmp_path, broker.address, ports, links))
    hub = asyncio.create_task(FarEnd(hub_config(tmp_path, ports)).run())
    box = asyncio.create_task(service.run(config))
    async with running(hub, box), statuses(broker.address) as seen, asyncio.timeout(20):
        await until(seen, "up")
        async with traffic(ports, 1.5e6):
            for _ in range(15):
                status = await seen.get()
            begun = status.links[1].used_bytes
            for _ in range(15):
                status = await seen.get()
            spent_bps = (status.links[1].used_bytes - begun) * 8 / 1.5
    if priority == 1:
        assert spent_bps > 20_000
    else:
        assert status.links[1].use == "reserve"
        assert spent_bps < 20_000
