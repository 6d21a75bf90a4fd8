"""A stream of bytes over the bus, the same at both ends: one is a socket for SSH, one the bus.

Pieces are numbered; one that comes twice is dropped, after one that is missing nothing is believed
any more and the tunnel ends. SSH inside proves that nothing was changed. How much may be under way
is SSH's window; a peer that minds none is cut off.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from edgebox.messages.support_shell import BYTES_MAX, ShellBytes

WAITING_MAX = 64
"""Pieces that were not taken yet."""

Send = Callable[[ShellBytes], Awaitable[bool]]


class Tunnel:
    """`outer` is for SSH, which closes it."""

    def __init__(self, send: Send, bytes_per_s: Callable[[], float]):
        """`send`: False if it is lost. `bytes_per_s`: no more than this is sent."""
        self.outer, self._inner = socket.socketpair()
        self._inner.setblocking(False)
        # What waits to be sent at our pace waits in SSH, which keeps none of it when it ends.
        self.outer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BYTES_MAX)
        self._send = send
        self._bytes_per_s = bytes_per_s
        self._waiting: asyncio.Queue[ShellBytes] = asyncio.Queue(WAITING_MAX)
        self._awaited = 0
        self._broken = asyncio.Event()
        self._sent = 0
        self._has_ended = False

    def receive(self, piece: ShellBytes) -> None:
        """From the bus."""
        if piece.n < self._awaited:
            return
        if piece.n > self._awaited or self._waiting.full():
            self._broken.set()
            return
        self._awaited += 1
        self._waiting.put_nowait(piece)

    def close(self) -> None:
        """What is still under way is lost."""
        self._broken.set()

    async def run(self) -> None:
        """Until one side ends; then both have ended."""
        work = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._write()),
            asyncio.create_task(self._broken.wait()),
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            self._inner.close()
        if not self._has_ended:
            await self._say(b"")

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._has_ended:
            try:
                data = await loop.sock_recv(self._inner, BYTES_MAX)
            except ConnectionError:
                data = b""
            if not await self._say(data):
                return
            await asyncio.sleep(len(data) / self._bytes_per_s())

    async def _say(self, data: bytes) -> bool:
        self._has_ended = not data
        self._sent += 1
        return await self._send(ShellBytes(n=self._sent - 1, data=data, end=not data))

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while True:
                piece = await self._waiting.get()
                await loop.sock_sendall(self._inner, piece.data)
                if piece.end:
                    return
