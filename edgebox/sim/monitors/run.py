"""Runs simulated monitors: HL7 to a listener. Commands (faults.py) by lines."""

import asyncio
import time
from collections.abc import Callable

from edgebox.sim.monitors.hl7 import Hl7Monitor

RECONNECT_S = 0.3
REPLY_TIMEOUT_S = 5.0


class Hl7Sender:
    """Connects to a listener and sends; what is not acknowledged is sent again, as monitors do."""

    def __init__(
        self, monitor: Hl7Monitor, host: str, port: int, *, every_s: float = 1.0, source: str = ""
    ):
        """`source`: address to connect from."""
        self._monitor = monitor
        self._where = host, port
        self._every_s = every_s
        self._source = (source, 0) if source else None
        self.sent = 0
        """Messages that were acknowledged."""
        self.acknowledged: Callable[[bytes, bytes], None] = lambda message, reply: None

    async def run(self, count: int | None = None) -> None:
        """Send `count` messages, or for ever."""
        pending: bytes | None = None
        while count is None or self.sent < count:
            try:
                reader, writer = await asyncio.open_connection(
                    *self._where, local_addr=self._source
                )
            except OSError:
                await asyncio.sleep(RECONNECT_S)
                continue
            try:
                while count is None or self.sent < count:
                    pending = pending or self._next()
                    if pending is not None and not await self._deliver(reader, writer, pending):
                        break
                    pending = None
                    await asyncio.sleep(self._every_s)
            except OSError:
                pass
            finally:
                writer.close()
            await asyncio.sleep(0 if count is not None and self.sent >= count else RECONNECT_S)

    def _next(self) -> bytes | None:
        now, now_utc = time.monotonic(), time.time()
        faults = self._monitor.faults
        if faults.is_silent(now):
            return None
        if faults.alarms:
            return self._monitor.alarm(now_utc, faults.alarms.pop(0))
        return self._monitor.message(now_utc)

    async def _deliver(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
    ) -> bool:
        """True when it was acknowledged; False: connect anew and try again."""
        writer.write(message)
        await writer.drain()
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                reply = await reader.readuntil(b"\x1c\r")
        except (TimeoutError, asyncio.IncompleteReadError):
            return False
        self.sent += 1
        self.acknowledged(message, reply)
        return True
