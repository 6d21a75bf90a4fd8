"""A line between vehicle and hub for media benchmarks: delay, and if wanted a rate and a queue."""

import asyncio
from typing import Any


class Line(asyncio.DatagramProtocol):
    """Forwards UDP to `target` and back, one flow for each sender.

    Towards the target at most `rate_bps` pass (0: no limit), what comes faster waits up to
    `queue_s`, and what would wait longer is lost.
    """

    def __init__(self, target: tuple[str, int], delay_s: float, queue_s: float = 0.5):
        self.rate_bps = 0
        self._target, self._delay_s, self._queue_s = target, delay_s, queue_s
        self._flows: dict[Any, asyncio.DatagramTransport] = {}
        self._waiting: dict[Any, list[bytes]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._free_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        loop = asyncio.get_running_loop()
        now, leaves_at = loop.time(), loop.time()
        if self.rate_bps:
            starts_at = max(now, self._free_at)
            if starts_at - now > self._queue_s:
                return
            leaves_at = self._free_at = starts_at + (len(data) + 28) * 8 / self.rate_bps
        loop.call_at(leaves_at + self._delay_s, self._forward, data, addr)

    def _forward(self, data: bytes, addr: Any) -> None:
        if addr in self._flows:
            self._flows[addr].sendto(data)
            return
        waiting = self._waiting.setdefault(addr, [])
        waiting.append(data)
        if len(waiting) == 1:
            task = asyncio.ensure_future(self._open(addr))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self, addr: Any) -> None:
        back = _Back(self, addr)
        flow, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: back, remote_addr=self._target
        )
        self._flows[addr] = flow
        for data in self._waiting.pop(addr):
            flow.sendto(data)

    def give_back(self, data: bytes, addr: Any) -> None:
        """From the target to the sender."""
        loop = asyncio.get_running_loop()
        loop.call_later(self._delay_s, self._transport.sendto, data, addr)

    def close(self) -> None:
        """Stop forwarding."""
        for flow in self._flows.values():
            flow.close()
        self._transport.close()


class _Back(asyncio.DatagramProtocol):
    def __init__(self, line: Line, addr: Any):
        self._line, self._addr = line, addr

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._line.give_back(data, self._addr)


async def open_line(target: tuple[str, int], delay_s: float) -> tuple[Line, str]:
    """A line and the address to send to."""
    transport, line = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Line(target, delay_s), local_addr=("127.0.0.1", 0)
    )
    return line, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
