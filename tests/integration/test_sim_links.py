"""Simulated links with real sockets on loopback."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from edgebox.errors import DeviceError
from edgebox.sim.lane import LaneSettings
from edgebox.sim.links import CLIENTS_MAX, Path, SimLink
from edgebox.sim.ports import free_port


class Peer:
    """A UDP socket a test waits on."""

    def __init__(self, connect: str = "", host: str = "127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        if connect:
            name, _, port = connect.rpartition(":")
            self.socket.connect((name.strip("[]"), int(port)))

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def receive(self, timeout_s: float = 5.0) -> tuple[bytes, tuple[str, int]]:
        async with asyncio.timeout(timeout_s):
            data, address = await asyncio.get_running_loop().sock_recvfrom(self.socket, 65_535)
            return data, address

    async def is_silent(self, for_s: float) -> bool:
        try:
            await self.receive(for_s)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def target() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.socket.close()


@contextlib.asynccontextmanager
async def connected(
    target: Peer, up: LaneSettings, down: LaneSettings | None = None
) -> AsyncIterator[tuple[SimLink, Peer]]:
    listen = f"127.0.0.1:{free_port()}"
    async with SimLink(listen, target.address, Path(up, down or LaneSettings())) as link:
        client = Peer(link.listen)
        with contextlib.closing(client.socket):
            yield link, client


async def test_both_directions_pass_with_their_delay(target: Peer) -> None:
    up, down = LaneSettings(delay_ms=40), LaneSettings(delay_ms=10)
    async with connected(target, up, down) as (link, client):
        for _ in range(3):
            sent_at = time.monotonic()
            client.socket.send(b"there")
            data, nat = await target.receive()
            assert data == b"there"
            assert time.monotonic() - sent_at >= 0.040
            sent_at = time.monotonic()
            target.socket.sendto(b"back", nat)
            assert (await client.receive())[0] == b"back"
            assert time.monotonic() - sent_at >= 0.010
        assert link.up.counters.passed == link.down.counters.passed == 3


async def test_rate_is_kept_over_a_second(target: Peer) -> None:
    async with connected(target, LaneSettings(rate_bps=2_000_000)) as (link, client):
        started_at = time.monotonic()
        for number in range(200):
            client.socket.send(number.to_bytes(2, "big") + bytes(1220))
        for number in range(200):
            data, _ = await target.receive()
            assert int.from_bytes(data[:2], "big") == number
        # 200 of 1250 bytes with headers at 2 Mbit/s take 1 s; a busy machine only adds.
        assert 0.99 <= time.monotonic() - started_at < 2.0
        assert link.up.counters.overflowed == 0


async def test_cut_is_silent_and_restored_links_pass_again(target: Peer) -> None:
    async with connected(target, LaneSettings()) as (link, client):
        client.socket.send(b"a")
        _, nat = await target.receive()
        link.change(Path(LaneSettings(cut=True), LaneSettings(cut=True)))
        assert not link.alive
        client.socket.send(b"b")
        target.socket.sendto(b"c", nat)
        assert await target.is_silent(0.05)
        assert await client.is_silent(0.05)
        link.change(Path())
        client.socket.send(b"d")
        assert (await target.receive())[0] == b"d"
        assert link.up.counters.cut == link.down.counters.cut == 1


async def test_one_direction_can_be_cut_alone(target: Peer) -> None:
    async with connected(target, LaneSettings(), LaneSettings(cut=True)) as (link, client):
        client.socket.send(b"a")
        _, nat = await target.receive()
        target.socket.sendto(b"b", nat)
        assert await client.is_silent(0.05)
        assert not link.alive


async def test_each_client_has_its_own_way_back(target: Peer) -> None:
    async with connected(target, LaneSettings()) as (link, first):
        second = Peer(link.listen)
        with contextlib.closing(second.socket):
            for client in (first, second):
                client.socket.send(client.address.encode())
            for _ in range(2):
                data, nat = await target.receive()
                target.socket.sendto(data, nat)
            for client in (first, second):
                assert (await client.receive())[0] == client.address.encode()
        assert link.clients == 2


async def test_clients_are_bounded(target: Peer) -> None:
    async with connected(target, LaneSettings(delay_ms=1)) as (link, client):
        for number in range(CLIENTS_MAX + 20):
            client.socket.send(b"keep")  # the one still in use is not the one to forget
            await target.receive()
            other = Peer(link.listen)
            other.socket.send(b"%d" % number)
            other.socket.close()
            assert (await target.receive())[0] == b"%d" % number
        assert link.clients == CLIENTS_MAX


async def test_target_that_is_away_does_no_harm(target: Peer) -> None:
    gone = Peer()
    gone.socket.close()
    listen = f"127.0.0.1:{free_port()}"
    closed = f"127.0.0.1:{free_port()}"
    async with SimLink(listen, closed, Path()) as link:
        client = Peer(listen)
        with contextlib.closing(client.socket):
            for _ in range(20):
                client.socket.send(b"anybody?")
                await asyncio.sleep(0.001)
            assert await client.is_silent(0.05)
        assert link.unreachable > 0


async def test_ipv6() -> None:
    target = Peer(host="::1")
    with contextlib.closing(target.socket):
        listen = f"[::1]:{free_port()}"
        async with SimLink(listen, target.address, Path()):
            client = Peer(listen, host="::1")
            with contextlib.closing(client.socket):
                client.socket.send(b"six")
                data, nat = await target.receive()
                target.socket.sendto(data, nat)
                assert (await client.receive())[0] == b"six"


async def test_taken_address_is_named(target: Peer) -> None:
    with pytest.raises(DeviceError, match=rf"{target.address}: cannot listen: Address already"):
        async with SimLink(target.address, target.address, Path()):
            pass
