"""IntelliVue monitors on the network: UDP port 24105 of the monitor, asked from a port of ours.

Who may reach it: the socket is connected, so the kernel drops what comes from anywhere else than
the configured monitor's address and port. The protocol has no log-in; the network must be one of
monitors only.
"""

import asyncio
import contextlib
import time
import zoneinfo

from edgebox.config import parse_address
from edgebox.config.vitals import Monitor
from edgebox.errors import RemoteProtocolError
from edgebox.vitals.attendant import Attendant
from edgebox.vitals.monitors.intellivue import IntelliVue
from edgebox.vitals.recorder import Recorder

OPEN_AGAIN_S = 2.0
QUEUE_MAX = 1000


class Datagrams(asyncio.DatagramProtocol):
    """One monitor's address."""

    def __init__(self, monitor: Monitor, attendant: Attendant, recorder: Recorder):
        self._monitor = monitor
        self._attendant = attendant
        self._recorder = recorder
        self._arrived: list[bytes] = []
        self._wake = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """From the monitor."""
        if len(self._arrived) < QUEUE_MAX:
            self._arrived.append(data)
            self._wake.set()

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: the same as silence."""

    async def run(self) -> None:
        """Talk to it until cancelled."""
        loop = asyncio.get_running_loop()
        zone = zoneinfo.ZoneInfo(self._monitor.timezone)
        while True:
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: self, remote_addr=parse_address(self._monitor.address)
                )
            except OSError as error:
                self._attendant.failed(f"{self._monitor.address}: {error.strerror}")
                await asyncio.sleep(OPEN_AGAIN_S)
                continue
            core = IntelliVue(
                self._monitor.id, zone, waves=self._monitor.waves, now=time.monotonic()
            )
            self._attendant.opened(time.monotonic())
            try:
                await self._serve(transport, core)
            finally:
                transport.sendto(core.leave())
                transport.close()

    async def _serve(self, transport: asyncio.DatagramTransport, core: IntelliVue) -> None:
        while True:
            now = time.monotonic()
            if now >= core.next_timeout():
                core.handle_timeout(now)
            for message in core.messages_to_send():
                transport.sendto(message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, core.next_timeout() - time.monotonic())):
                    await self._wake.wait()
            self._wake.clear()
            self._take(core)

    def _take(self, core: IntelliVue) -> None:
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        now, now_utc = time.monotonic(), time.time()
        readable = 0
        for data in arrived:
            with contextlib.suppress(RemoteProtocolError):
                core.receive(data, now, now_utc)
                readable += 1
        if core.name:
            self._attendant.device = core.name
        found = core.observations()
        self._recorder.record([*found, *self._attendant.observe(found, now)])
        size = sum(len(data) for data in arrived)
        damaged = len(arrived) - readable
        self._recorder.record(self._attendant.heard(size, readable, damaged, now, now_utc))
