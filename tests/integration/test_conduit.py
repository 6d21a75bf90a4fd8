"""TCP through both ends of the conduit; between them a wire that can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

from edgebox.conduit.box_end import BoxEnd
from edgebox.conduit.hub_end import HANDSHAKES_BURST, PIPES_MAX, HubEnd
from edgebox.config import Config, load
from edgebox.errors import ConfigError
from edgebox.sim import pki
from edgebox.sim.ports import LOOPBACK, free_port
from tests.integration.wire import Wire

pytestmark = pytest.mark.timeout(60)


class Program:
    """A TCP server that says back what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.open = 0
        self.reads = asyncio.Event()
        self.reads.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        try:
            while True:
                await self.reads.wait()
                data = await reader.read(65_536)
                if not data:
                    break
                self.heard += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


class Rig:
    """Both ends, the wire, and the program behind the hub's end."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.port = free_port()
        self.program = Program()

    @contextlib.asynccontextmanager
    async def running(self, *, name: str = LOOPBACK) -> AsyncIterator[Self]:
        pki.hub_credentials(self.directory / "pki", (name,))
        async with self.program:
            self.serve = free_port()
            self.hub = HubEnd(self.config("hub", self.serve, self.program.port))
            async with self.hub, Wire((LOOPBACK, self.serve)) as self.wire:
                self.end = BoxEnd(self.config("box", self.wire.port, self.port))
                self.end.note_bond(up=True)
                task = asyncio.create_task(self.end.run())
                try:
                    yield self
                finally:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    def config(self, role: str, udp: int, tcp: int) -> Config:
        path = self.directory / f"{role}.toml"
        keys = ("via", "listen") if role == "box" else ("serve", "to")
        path.write_text(
            f"[bond]\nrole = '{role}'\nkey_exchange = '{LOOPBACK}:1'\nca = 'pki/ca.pem'\n"
            f"certificate = 'pki/hub.pem'\nprivate_key = 'pki/hub.key'\n"
            f"[conduit]\n{keys[0]} = '{LOOPBACK}:{udp}'\n{keys[1]} = '{LOOPBACK}:{tcp}'\n"
        )
        return load(path)

    async def until_open(self, *, is_open: bool = True) -> None:
        while self.end.is_open is not is_open:
            await asyncio.sleep(0.01)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await self.until_open()
        return await asyncio.open_connection(LOOPBACK, self.port)


async def test_bytes_arrive_whole_and_both_ends_end(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        reader, writer = await rig.connect()
        said = bytes(range(256)) * 4000
        writer.write(said)
        writer.write_eof()
        assert await reader.read(-1) == said
        writer.close()
        while rig.program.open:
            await asyncio.sleep(0.01)


async def test_loss_and_disorder_are_repaired(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        reader, writer = await rig.connect()
        rig.wire.loss = 0.1
        rig.wire.jitter_s = 0.02
        for round_trip in range(20):
            said = bytes([round_trip]) * 3000
            writer.write(said)
            assert await reader.readexactly(3000) == said
        writer.close()


async def test_short_cut_is_survived(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        reader, writer = await rig.connect()
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        rig.wire.is_cut = True
        writer.write(b"during")
        await rig.wire.until_lost(3)
        rig.wire.is_cut = False
        assert await reader.readexactly(6) == b"during"
        writer.close()


async def test_long_cut_ends_connections_and_the_port_until_it_is_over(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        reader, writer = await rig.connect()
        rig.wire.is_cut = True
        await rig.until_open(is_open=False)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(LOOPBACK, rig.port)
        rig.wire.is_cut = False
        reader, writer = await rig.connect()
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        writer.close()


async def test_slow_reader_makes_the_writer_wait(tmp_path: Path) -> None:
    """Nothing grows without a limit when the other side takes nothing."""
    async with Rig(tmp_path).running() as rig:
        _, writer = await rig.connect()
        rig.wire.is_cut = True
        chunk = b"x" * 100_000
        for _ in range(200):
            writer.write(chunk)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await writer.drain()
        assert rig.end.unsent_bytes < 1_000_000
        writer.transport.abort()


async def test_program_that_is_away_ends_the_connection(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.running():
        await rig.program.__aexit__()
        reader, writer = await rig.connect()
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)


async def test_other_than_the_hub_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate of the fleet for another name is no hub's."""
    async with Rig(tmp_path).running(name="box.example.org") as rig:
        while "no way over the bond" not in caplog.text:
            await asyncio.sleep(0.01)
        assert not rig.end.is_open
        assert "doesn't match" in caplog.text or "127.0.0.1" in caplog.text


async def test_handshakes_of_one_address_are_few(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        await rig.until_open()
        first = b"\xc0\x00\x00\x00\x01\x08" + bytes(8) + bytes(1200)
        for number in range(50):
            rig.wire.to_hub(first[:6] + bytes([number]) * 8 + first[14:])
        reader, writer = await rig.connect()
        writer.write(b"served all the same")
        assert await reader.readexactly(19) == b"served all the same"
        assert rig.hub.connections <= HANDSHAKES_BURST
        writer.close()


async def test_more_streams_than_a_bridge_needs_are_refused(tmp_path: Path) -> None:
    async with Rig(tmp_path).running() as rig:
        opened = [await rig.connect() for _ in range(PIPES_MAX + 1)]
        for _, writer in opened:
            writer.write(b"x")
        for reader, _ in opened[:-1]:
            assert await reader.readexactly(1) == b"x"
        with pytest.raises(ConnectionResetError):
            await opened[-1][0].readexactly(1)
        for _, writer in opened:
            writer.close()


async def test_taken_port_is_named(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.running():
        with pytest.raises(ConfigError, match=r"conduit\.serve"):
            async with HubEnd(rig.config("hub", rig.serve, 1)):
                pass
