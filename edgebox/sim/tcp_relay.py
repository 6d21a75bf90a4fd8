"""Carries TCP as the simulated links would: delayed, and standing still while all are cut.

What does not go over the bond, its key exchange first of all, takes whatever link there is. While
no link is alive nothing passes and nothing is reset, as in a tunnel; afterwards it goes on. Rate
and loss are left to the lanes: this traffic is small.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self

from edgebox.config import parse_address
from edgebox.errors import DeviceError
from edgebox.sim.links import SimLink

CONNECTIONS_MAX = 256
READ_BYTES = 65_536
QUEUE_MAX = 64
"""Pieces of READ_BYTES under way in one direction; then the sender waits."""


class TcpRelay:
    """One listener on `listen`; who reaches that may use it."""

    def __init__(self, listen: str, target: str, links: Sequence[SimLink]):
        """`links`: those that carry it, one at least."""
        self._listen = listen
        self._target = target
        self._links = links
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        host, port = parse_address(self._listen)
        try:
            self._server = await asyncio.start_server(self._accept, host, port)
        except OSError as error:
            raise DeviceError(f"{self._listen}: cannot listen: {error.strerror}") from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def connections(self) -> int:
        """Open now."""
        return len(self._connections)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            await asyncio.sleep(await self._delay_s(_up_ms))  # the request to connect travels too
            host, port = parse_address(self._target)
            try:
                far_reader, far_writer = await asyncio.open_connection(host, port)
            except OSError:
                return
            async with _closing(far_writer), asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far_writer, _up_ms))
                group.create_task(self._carry(far_reader, writer, _down_ms))

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        delay_ms: Callable[[SimLink], float],
    ) -> None:
        """One direction, until its end has been carried across as well."""
        way: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(QUEUE_MAX)
        delivery = asyncio.create_task(self._deliver(way, writer))
        try:
            data: bytes | None = b" "
            while data:
                try:
                    data = await reader.read(READ_BYTES)
                except OSError:
                    data = None
                due_at = asyncio.get_running_loop().time() + await self._delay_s(delay_ms)
                await way.put((due_at, data))
            await delivery
        finally:
            delivery.cancel()

    async def _deliver(
        self, way: asyncio.Queue[tuple[float, bytes | None]], writer: asyncio.StreamWriter
    ) -> None:
        """Empty bytes are the sender's end (FIN), None is a broken connection (RST)."""
        with contextlib.suppress(OSError):
            while True:
                due_at, data = await way.get()
                await asyncio.sleep(due_at - asyncio.get_running_loop().time())
                await self._living()
                if data is None:
                    writer.transport.abort()
                    return
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        # Nobody takes it any more: the other direction carries that news.
        while (await way.get())[1]:
            pass

    async def _delay_s(self, delay_ms: Callable[[SimLink], float]) -> float:
        """One-way delay of the best living link; waits while there is none."""
        return min(delay_ms(link) for link in await self._living()) / 1000

    async def _living(self) -> list[SimLink]:
        while not (living := [link for link in self._links if link.alive]):
            waiting = [asyncio.ensure_future(link.restored.wait()) for link in self._links]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waiting:
                    one.cancel()
        return living


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Sends what is buffered before it closes, unless the relay itself is being stopped."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    writer.close()


def _up_ms(link: SimLink) -> float:
    return link.up.settings.delay_ms


def _down_ms(link: SimLink) -> float:
    return link.down.settings.delay_ms
