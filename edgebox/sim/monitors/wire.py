"""A pty as a serial port, and a UDP socket, for simulated monitors."""

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import Callable
from pathlib import Path

from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.vitals.monitors.intellivue_frame import Deframer, write_frame

TICK_S = 0.02

Tick = Callable[[float, float], bytes]
Take = Callable[[bytes, float, float], bytes]


class Pty:
    """A pseudo-terminal whose other end stands at `path`, as a stable name would."""

    def __init__(self, path: Path):
        self.path = path
        self._master = -1

    def plug_in(self) -> None:
        """The adapter is there."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def pull_out(self) -> None:
        """The adapter is gone, whoever reads it gets an error."""
        self.path.unlink(missing_ok=True)
        os.close(self._master)
        self._master = -1

    def write(self, data: bytes) -> None:
        """Towards the box; what nobody reads is lost, as on a line."""
        with contextlib.suppress(OSError):
            os.write(self._master, data)

    def read(self) -> bytes:
        """What the box sent."""
        try:
            return os.read(self._master, 4096)
        except OSError:
            return b""

    async def run(self, tick: Tick, take: Take | None = None) -> None:
        """Let a monitor talk until cancelled."""
        while True:
            now, now_utc = time.monotonic(), time.time()
            if take is not None and (data := self.read()):
                self.write(take(data, now, now_utc))
            self.write(tick(now, now_utc))
            await asyncio.sleep(TICK_S)


class FramedIntelliVue:
    """A simulated IntelliVue on a serial line."""

    def __init__(self, monitor: IntelliVueMonitor):
        self._monitor = monitor
        self._deframer = Deframer()

    def take(self, data: bytes, now: float, now_utc: float) -> bytes:
        """Bytes from the box; the answer."""
        return b"".join(
            self._frame(answer)
            for message in self._deframer.receive(data)
            for answer in self._monitor.receive(message, now, now_utc)
        )

    def tick(self, now: float, now_utc: float) -> bytes:
        """What is due."""
        return b"".join(self._frame(message) for message in self._monitor.tick(now, now_utc))

    def _frame(self, message: bytes) -> bytes:
        framed = write_frame(message)
        faults = self._monitor.faults
        if faults.checksum:
            faults.checksum = False
            framed = framed[:-3] + bytes([framed[-3] ^ 0x01]) + framed[-2:]
        if faults.half:
            faults.half = False
            framed = framed[: len(framed) // 2]
        if faults.garbage_bytes:
            framed = bytes(range(1, 1 + min(100, faults.garbage_bytes))) + framed
            faults.garbage_bytes = 0
        return framed


class UdpIntelliVue(asyncio.DatagramProtocol):
    """A simulated IntelliVue at a UDP port."""

    def __init__(self, monitor: IntelliVueMonitor):
        self._monitor = monitor
        self._peer: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """From the box."""
        self._peer = addr
        self._send(self._monitor.receive(data, time.monotonic(), time.time()))

    async def run(self, host: str, port: int) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        self._transport = transport
        try:
            while True:
                self._send(self._monitor.tick(time.monotonic(), time.time()))
                await asyncio.sleep(TICK_S)
        finally:
            transport.close()

    def _send(self, messages: list[bytes]) -> None:
        if self._transport is not None and self._peer is not None:
            for message in messages:
                self._transport.sendto(message, self._peer)
