"""TCP listener for monitors that speak HL7 over MLLP.

Who may reach it: the monitors named in `allow`, on the network of the address it listens on. MLLP
has neither log-in nor encryption, so it must be a network of its own, with monitors and nothing
else; addresses that are not in `allow` are closed before a byte is read. At most CONNECTIONS_MAX.

A message is acknowledged when it is on the disk, and not before. One that is sent again because the
acknowledgement was lost is acknowledged again and not stored twice, not even
after a restart (`Recorder.is_known`).
"""

import asyncio
import ipaddress
import logging
import time
import zoneinfo

from edgebox.config import parse_address
from edgebox.config.vitals import Monitor
from edgebox.errors import RemoteProtocolError
from edgebox.vitals.attendant import Attendant
from edgebox.vitals.monitors import hl7, hl7_message
from edgebox.vitals.monitors.mllp import Mllp, frame
from edgebox.vitals.recorder import Recorder

logger = logging.getLogger(__name__)

CONNECTIONS_MAX = 8
READ_BYTES = 65_536
LISTEN_AGAIN_S = 2.0
"""The network of the monitors may come after us."""


class Listener:
    """One listening address."""

    def __init__(self, monitor: Monitor, attendant: Attendant, recorder: Recorder):
        self._monitor = monitor
        self._attendant = attendant
        self._recorder = recorder
        self._allow = [ipaddress.ip_network(one) for one in monitor.allow]
        self._reader = hl7.Reader(monitor.id, zoneinfo.ZoneInfo(monitor.timezone))
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen until cancelled."""
        host, port = parse_address(self._monitor.listen)
        while True:
            try:
                server = await asyncio.start_server(self._accept, host, port)
            except OSError as error:
                self._attendant.failed(f"{self._monitor.listen}: {error.strerror}")
                await asyncio.sleep(LISTEN_AGAIN_S)
                continue
            self._attendant.failed("")
            try:
                async with server:
                    await server.serve_forever()
            finally:
                for task in self._connections:
                    task.cancel()
                await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        address = ipaddress.ip_address(peer[0].split("%")[0]) if peer else None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        allowed = address is not None and any(address in network for network in self._allow)
        if not allowed or len(self._connections) >= CONNECTIONS_MAX:
            self._attendant.failed(f"refused {address}: not in `allow`, or too many")
            logger.warning("%s: refused a connection from %s", self._monitor.id, address)
            writer.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
        try:
            await _Connection(self._attendant, self._recorder, self._reader, reader, writer).run()
        except OSError:
            pass
        finally:
            if task is not None:
                self._connections.discard(task)
            writer.close()
            if not self._connections:
                # Some monitors connect anew for each message.
                grace_s = self._monitor.stale_after_s
                why = "the monitor closed the connection"
                now, now_utc = time.monotonic(), time.time()
                self._recorder.record(self._attendant.closed(now, now_utc, why, grace_s))


class _Connection:
    """One monitor's connection."""

    def __init__(
        self,
        attendant: Attendant,
        recorder: Recorder,
        messages: hl7.Reader,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ):
        self._attendant = attendant
        self._recorder = recorder
        self._messages = messages
        self._reader = reader
        self._writer = writer
        self._mllp = Mllp()
        self._readable = 0
        self._damaged = 0

    async def run(self) -> None:
        """Until it is closed."""
        self._attendant.opened(time.monotonic())
        while True:
            data = await self._read()
            before = self._readable, self._damaged + self._mllp.damaged
            found = self._mllp.receive(data, time.monotonic()) if data else self._mllp.end()
            for raw in found:
                await self._handle(raw)
            readable = self._readable - before[0]
            damaged = self._damaged + self._mllp.damaged - before[1]
            now, now_utc, size = time.monotonic(), time.time(), len(data or b"")
            self._recorder.record(self._attendant.heard(size, readable, damaged, now, now_utc))
            if data == b"":
                return

    async def _read(self) -> bytes | None:
        """Bytes; none at the end; None when a message without an end is due."""
        due_at = self._mllp.next_timeout()
        try:
            async with asyncio.timeout(None if due_at is None else due_at - time.monotonic()):
                return await self._reader.read(READ_BYTES)
        except TimeoutError:
            return None

    async def _handle(self, raw: bytes) -> None:
        try:
            message = hl7_message.parse(raw)
        except RemoteProtocolError:
            self._damaged += 1
            return
        self._readable += 1
        self._attendant.sender(message.device, time.monotonic())
        verdict, text = self._take(message)
        await self._recorder.until_stored()
        if hl7_message.wants_reply(message, verdict):
            self._writer.write(frame(hl7_message.acknowledge(message, verdict, time.time(), text)))
            await self._writer.drain()

    def _take(self, message: hl7_message.Message) -> tuple[hl7_message.Verdict, str]:
        """Record it, unless it was recorded before; what to answer once that is on the disk."""
        if self._recorder.is_known(message.digest):
            return "accepted", ""
        unreadable = self._messages.unreadable
        try:
            found = self._messages.read(message, time.time())
        except RemoteProtocolError as error:
            self._damaged += 1
            return "rejected", str(error)
        self._damaged += self._messages.unreadable - unreadable
        incidents = self._attendant.observe(found, time.monotonic())
        self._recorder.record([*found, *incidents], mark=message.digest)
        return "accepted", ""
