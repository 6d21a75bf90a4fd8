"""Both ends of the bond in one process, when the system or the network behaves oddly."""

import asyncio
import errno
import gc
import resource
import socket
from pathlib import Path

import pytest

from edgebox.bond import box as box_module
from edgebox.bond import hub_box as hub_box_module
from edgebox.bond.box import BoxEnd
from edgebox.bond.exchange import ExchangeError
from edgebox.bond.far_end import FarEnd
from edgebox.bond.key_client import KeyClient
from edgebox.bond.seal import Keys
from edgebox.bond.transport import Address, udp_socket
from edgebox.config.bond import Link
from edgebox.sim.ports import free_port
from tests.integration.test_bond_service import Ports, box_config, hub_config, running


async def in_use(box: BoxEnd) -> None:
    async with asyncio.timeout(5):
        while box.connection is None:
            await asyncio.sleep(0.01)


def all_keys() -> set[int]:
    """Identities of the session keys that are in memory, other tests' among them."""
    return {id(one) for one in gc.get_objects() if isinstance(one, Keys)}


async def test_keys_after_long_failure_are_used_at_once_and_kept_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_module, "RETRY_S", (0.01, 60.0))
    ports = Ports()
    box = BoxEnd(box_config(tmp_path, "none", ports))
    fetch, tries = KeyClient.fetch, 0

    async def fetch_at_the_second_try(client: KeyClient, links: list[Link]) -> Keys:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ExchangeError("not yet")
        while True:
            try:
                return await fetch(client, links)
            except ExchangeError:
                await asyncio.sleep(0.02)

    monkeypatch.setattr(KeyClient, "fetch", fetch_at_the_second_try)
    before = all_keys()
    box.open()
    far_end = FarEnd(hub_config(tmp_path, ports))
    async with running(asyncio.create_task(far_end.run()), asyncio.create_task(box.run())):
        await in_use(box)
        assert all_keys() <= before


async def test_link_follows_a_hub_that_has_moved(tmp_path: Path) -> None:
    ports = Ports()
    moved_to = ("127.0.0.1", ports.udp)
    was_at = ("127.0.0.1", free_port())
    config = box_config(tmp_path, "none", ports)
    box = BoxEnd(config)
    try:
        box._surroundings.remotes = {config.bond.hub: [(socket.AF_INET, was_at)]}
        for link in box.links:
            box._look_at_link(link)
            assert link.remote == was_at
        box._surroundings.remotes = {config.bond.hub: [(socket.AF_INET, moved_to)]}
        for link in box.links:
            box._look_at_link(link)
            assert link.sock is not None
            assert link.remote == moved_to
        both: list[tuple[int, Address]] = [(socket.AF_INET, was_at), (socket.AF_INET, moved_to)]
        box._surroundings.remotes = {config.bond.hub: both}
        for link in box.links:
            box._look_at_link(link)
            assert link.remote == moved_to
    finally:
        box._close()


async def test_link_whose_socket_the_system_refuses_is_not_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = BoxEnd(box_config(tmp_path, "none", Ports()))

    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "no IPv6 here")

    monkeypatch.setattr(socket, "socket", refuse)
    for link in box.links:
        box._look_at_link(link)
        assert not link.present


async def test_hub_without_file_descriptors_goes_on_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = Ports()
    box = BoxEnd(box_config(tmp_path, "none", ports))
    far_end = FarEnd(hub_config(tmp_path, ports))
    problems: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(context))
    box.open()
    tried = 0

    def refuse(family: int) -> socket.socket:
        nonlocal tried
        tried += 1
        raise OSError(errno.EMFILE, "Too many open files")

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        sink.setblocking(False)
        sink.bind(("127.0.0.1", ports.sink))
        async with (
            running(asyncio.create_task(far_end.run()), asyncio.create_task(box.run())),
            asyncio.timeout(10),
        ):
            await in_use(box)
            monkeypatch.setattr(hub_box_module, "udp_socket", refuse)
            while not tried:
                client.sendto(b"lost", ("127.0.0.1", ports.listen))
                await asyncio.sleep(0.02)
            monkeypatch.setattr(hub_box_module, "udp_socket", udp_socket)
            arrival = asyncio.create_task(loop.sock_recvfrom(sink, 2000))
            while not arrival.done():
                client.sendto(b"hello", ("127.0.0.1", ports.listen))
                await asyncio.sleep(0.02)
            assert (await arrival)[0] in {b"hello", b"lost"}
    assert problems == []


async def test_hub_takes_all_file_descriptors_it_may_have(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    (tmp_path / "key").write_text("5a" * 32)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1] - 1, before[1]))
    ready = asyncio.Event()
    try:
        far_end = FarEnd(hub_config(tmp_path, Ports()))
        async with running(asyncio.create_task(far_end.run(ready=ready.set))):
            await asyncio.wait_for(ready.wait(), 5)
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_hub_goes_on_with_the_file_descriptors_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("5a" * 32)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    ready = asyncio.Event()
    far_end = FarEnd(hub_config(tmp_path, Ports()))
    async with running(asyncio.create_task(far_end.run(ready=ready.set))):
        await asyncio.wait_for(ready.wait(), 5)
