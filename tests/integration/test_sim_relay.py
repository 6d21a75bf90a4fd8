"""TCP over the simulated links: delayed, standing still while all are cut, never reset by that."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from edgebox.errors import DeviceError
from edgebox.sim.lane import LaneSettings
from edgebox.sim.links import Path, SimLink
from edgebox.sim.ports import free_port
from edgebox.sim.tcp_relay import TcpRelay

CUT = Path(LaneSettings(cut=True), LaneSettings(cut=True))
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def relayed(
    *paths: Path, handler: Handler = echo
) -> AsyncIterator[tuple[list[SimLink], TcpRelay, int]]:
    """Links, the relay over them and its port; `handler` serves at the far end."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        links = []
        for path in paths:
            listen = f"127.0.0.1:{free_port()}"
            link = SimLink(listen, "127.0.0.1:9", path)
            links.append(await stack.enter_async_context(link))
        relay = TcpRelay(f"127.0.0.1:{port}", target, links)
        yield links, await stack.enter_async_context(relay), port
    server.close()


@contextlib.asynccontextmanager
async def caller(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        yield reader, writer
    writer.close()


async def silent(reader: asyncio.StreamReader, for_s: float) -> bool:
    try:
        async with asyncio.timeout(for_s):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_takes_the_delay_of_the_best_link() -> None:
    slow = Path(LaneSettings(delay_ms=400), LaneSettings(delay_ms=400))
    good = Path(LaneSettings(delay_ms=30), LaneSettings(delay_ms=10))
    async with relayed(slow, good) as (_, _, port), caller(port) as (reader, writer):
        writer.write(b"first")
        await reader.readexactly(5)
        sent_at = time.monotonic()
        writer.write(b"second")
        await reader.readexactly(6)
        assert 0.040 <= time.monotonic() - sent_at < 0.4


async def test_stands_still_while_all_links_are_cut_and_then_goes_on() -> None:
    async with relayed(Path(), Path()) as (links, _, port), caller(port) as (reader, writer):
        links[0].change(CUT)
        writer.write(b"over the other")
        assert await reader.readexactly(14) == b"over the other"
        links[1].change(CUT)
        writer.write(b"a")
        assert await silent(reader, 0.1)
        links[0].change(Path())
        assert await reader.readexactly(1) == b"a"


async def test_new_connection_waits_for_a_link() -> None:
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.set()
        await echo(reader, writer)

    async with (
        relayed(CUT, handler=serve) as (links, _, port),
        caller(port) as (reader, writer),
    ):
        writer.write(b"x")
        assert await silent(reader, 0.1)
        assert not served.is_set()
        links[0].change(Path())
        assert await reader.readexactly(1) == b"x"


async def test_everything_arrives_before_the_end_does() -> None:
    size = 3_000_000
    counted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        total = 0
        while data := await reader.read(100_000):
            total += len(data)
            await asyncio.sleep(0)
        counted.set_result(total)
        writer.write(bytes(size))
        writer.close()

    path = Path(LaneSettings(delay_ms=5), LaneSettings(delay_ms=5))
    async with relayed(path, handler=count) as (_, relay, port):
        async with caller(port) as (reader, writer):
            writer.write(bytes(size))
            writer.write_eof()
            assert len(await reader.read(-1)) == size
        assert await counted == size
        async with asyncio.timeout(5):
            while relay.connections:
                await asyncio.sleep(0.01)


async def test_broken_connection_breaks_the_other_side() -> None:
    async def slam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
        writer.transport.abort()

    async with relayed(Path(), handler=slam) as (_, relay, port):
        async with caller(port) as (reader, writer):
            writer.write(b"x")
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        async with asyncio.timeout(5):
            while relay.connections:
                await asyncio.sleep(0.01)


async def test_nobody_at_the_target_ends_the_connection() -> None:
    async with relayed(Path()) as (links, _, _):
        port = free_port()
        async with (
            TcpRelay(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}", links),
            caller(port) as (reader, _),
        ):
            assert await reader.read() == b""


async def test_taken_address_is_named() -> None:
    async with relayed(Path()) as (links, _, port):
        with pytest.raises(DeviceError, match=f"127.0.0.1:{port}: cannot listen"):
            async with TcpRelay(f"127.0.0.1:{port}", "127.0.0.1:9", links):
                pass
