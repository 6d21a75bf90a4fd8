"""Brings the store to the hub over the bus: uplink.py says what and when."""

import asyncio
import logging
import time

from edgebox.bus import Bus
from edgebox.messages.vitals import (
    RESUME_VITALS,
    VITALS_ACK,
    VITALS_BATCH,
    ResumeVitals,
    VitalsAck,
    VitalsBatch,
    VitalsPlaces,
)
from edgebox.vitals.recorder import Disk
from edgebox.vitals.store import Stream
from edgebox.vitals.uplink import Uplink

logger = logging.getLogger(__name__)

ASK_TIMEOUT_S = 3.0


class Sender:
    """The uplink's I/O."""

    def __init__(self, bus: Bus, disk: Disk):
        self._bus = bus
        self._disk = disk
        self._uplink = Uplink(time.monotonic())
        self._streams: dict[str, Stream] = {}
        self._forget: dict[str, int] = {}
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Listen for acknowledgements."""
        await self._bus.subscribe(VITALS_ACK, self._handle_ack)
        await self._bus.watch_bridge(self._handle_bridge)

    def stored(self) -> None:
        """There is something new."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._wake.clear()
            if not self._bus.connected.is_set():
                self._uplink.disconnected(time.monotonic())
                await self._bus.connected.wait()
            await self._catch_up()
            await self._ask()
            while await self._send_some():
                pass
            self._uplink.handle_timeout(time.monotonic())
            await self._wait()

    async def _wait(self) -> None:
        now = time.monotonic()
        try:
            async with asyncio.timeout(max(0.01, self._uplink.next_timeout(now) - now)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _catch_up(self) -> None:
        """With what the hub has acknowledged and what the store holds."""
        forget, self._forget = self._forget, {}
        for stream, through in forget.items():
            await self._disk.call(self._disk.store.forget, stream, through)
        found = await self._disk.call(self._disk.store.snapshot)
        self._streams, before = {one.id: one for one in found}, self._streams
        for gone in before.keys() - self._streams.keys():
            self._uplink.remove(gone)
        for one in found:
            self._uplink.update(one.id, one.kind, one.number, one.first, one.next)

    async def _ask(self) -> None:
        streams = self._uplink.question(time.monotonic())
        if not streams:
            return
        answer = await self._bus.request(
            RESUME_VITALS, ResumeVitals(streams=streams), timeout_s=ASK_TIMEOUT_S
        )
        if isinstance(answer, VitalsPlaces):
            self._forget |= dict(self._uplink.answered(answer.places, time.monotonic()))
            self._wake.set()

    async def _send_some(self) -> bool:
        """True if there may be more to send at once."""
        found = self._uplink.next_stream(time.monotonic())
        if found is None:
            return False
        stream, seq, room = self._streams[found[0]], found[1], found[2]
        rows = await self._disk.call(self._disk.store.read, stream.id, seq, room)
        for row in rows:
            batch = VitalsBatch(
                stream=stream.id,
                kind=stream.kind,
                opened_utc=stream.opened_utc,
                seq=row.seq,
                first=stream.first,
                at_utc=row.at_utc,
                content=row.content,
            )
            if not await self._bus.publish(VITALS_BATCH, batch):
                self._uplink.disconnected(time.monotonic())
                return False
            self._uplink.sent(stream.id, row.seq, len(row.content), time.monotonic())
        return bool(rows)

    async def _handle_ack(self, ack: VitalsAck, keys: dict[str, str]) -> None:
        through = self._uplink.acknowledged(ack, time.monotonic())
        if through:
            self._forget[ack.stream] = max(through, self._forget.get(ack.stream, 0))
        self._wake.set()

    async def _handle_bridge(self, up: bool) -> None:
        if not up:
            self._uplink.disconnected(time.monotonic())
        self._wake.set()
