"""Takes the boxes' vitals off the bus, stores them, and acknowledges what is stored.

The broker ties a box's topics to its certificate. What comes faster than it can be stored, or than
a box may send, is dropped without acknowledgement: the box sends it again.
"""

import asyncio
import logging
import time

from edgebox.bus import Bus
from edgebox.hub.limit import Limiter
from edgebox.hub.vitals_store import Place, StreamKey, VitalsStore
from edgebox.messages.base import Fault
from edgebox.messages.vitals import (
    RESUME_VITALS,
    VITALS_ACK,
    VITALS_BATCH,
    ResumeVitals,
    VitalsAck,
    VitalsBatch,
    VitalsPlaces,
)

logger = logging.getLogger(__name__)

QUEUE_MAX = 2000
RATE_HZ = 500.0
"""Batches of one box: it makes 20 a second, and sends small ones of hours at once after a gap."""
BURST = 2000.0
FORGET_EVERY_S = 600.0
RETRY_S = 1.0


class VitalsReceiver:
    """All boxes' vitals."""

    def __init__(self, bus: Bus, store: VitalsStore, keep_h: int):
        """`keep_h`: hours after which batches are deleted; 0: never."""
        self._bus = bus
        self._store = store
        self._keep_h = keep_h
        self._queue: list[tuple[str, VitalsBatch]] = []
        self._wake = asyncio.Event()
        self._rates = Limiter(RATE_HZ, BURST)
        self.stored = asyncio.Event()
        """Set after each transaction; whoever waits for new batches clears it."""
        self.dropped = 0

    async def start(self) -> None:
        """Listen to the boxes. The store must be set up."""
        await self._bus.subscribe(VITALS_BATCH, self._handle_batch)
        await self._bus.serve(RESUME_VITALS, self._answer)

    async def run(self) -> None:
        """Store until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store_all())
            group.create_task(self._forget_old())

    async def _handle_batch(self, batch: VitalsBatch, keys: dict[str, str]) -> None:
        may = self._rates.take(keys["box"], time.monotonic())
        if not may or len(self._queue) >= QUEUE_MAX:
            self.dropped += 1
            return
        self._queue.append((keys["box"], batch))
        self._wake.set()

    async def _answer(self, question: ResumeVitals, keys: dict[str, str]) -> VitalsPlaces | Fault:
        wanted = [StreamKey(keys["box"], stream) for stream in question.streams]
        places = await self._store.call(self._store.place, wanted)
        if isinstance(places, Fault):
            return places
        return VitalsPlaces(
            places=tuple(
                VitalsAck(stream=key.stream, through=place.through) for key, place in places.items()
            )
        )

    async def _store_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            arrived, self._queue = self._queue, []
            places = await self._store.call(self._store.add, arrived, time.time())
            if isinstance(places, Fault):
                logger.error("vitals were not stored: %s", places.text)
                await asyncio.sleep(RETRY_S)
                continue
            self.stored.set()
            await self._acknowledge(places)

    async def _acknowledge(self, places: dict[StreamKey, Place]) -> None:
        for key, place in places.items():
            ack = VitalsAck(stream=key.stream, through=place.through, missing=place.missing)
            await self._bus.publish(VITALS_ACK, ack, box=key.box)

    async def _forget_old(self) -> None:
        while self._keep_h:
            forgot = await self._store.call(self._store.forget, time.time() - self._keep_h * 3600)
            if isinstance(forgot, Fault):
                logger.error("old vitals were not deleted: %s", forgot.text)
            await asyncio.sleep(FORGET_EVERY_S)
