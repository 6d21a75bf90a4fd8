"""A UDP wire that loses, delays, and can be cut."""

import asyncio
import random
from collections.abc import Callable
from typing import Self

from edgebox.sim.ports import LOOPBACK

Address = tuple[str, int]


class Wire:
    """Listens at `port`; what comes goes to `target`, the answers go back."""

    def __init__(self, target: Address):
        self.is_cut = False
        self.loss = 0.0
        self.jitter_s = 0.0
        self._target = target
        self._client: Address | None = None
        self._random = random.Random(1)
        self._lost = 0
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._front, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(self._from_box), local_addr=(LOOPBACK, 0)
        )
        self._back, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(self._from_hub), remote_addr=self._target
        )
        self.port: int = self._front.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._front.close()
        self._back.close()

    def to_hub(self, data: bytes) -> None:
        """Say this as if the box had."""
        self._back.sendto(data)

    async def until_lost(self, count: int) -> None:
        """So many more are lost."""
        wanted = self._lost + count
        while self._lost < wanted:
            await asyncio.sleep(0.01)

    def _from_box(self, data: bytes, address: Address) -> None:
        self._client = address
        self._carry(lambda: self._back.sendto(data))

    def _from_hub(self, data: bytes, address: Address) -> None:
        client = self._client
        if client is not None:
            self._carry(lambda: self._front.sendto(data, client))

    def _carry(self, send: Callable[[], None]) -> None:
        if self.is_cut or self._random.random() < self.loss:
            self._lost += 1
        else:
            self._loop.call_later(self._random.random() * self.jitter_s, send)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, Address], None]):
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._on_datagram(data, addr)
