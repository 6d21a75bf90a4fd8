"""What remote help points at, draws and writes, on its way to panel and headsets in its order."""

import asyncio
from collections import deque
from typing import Any

from edgebox.bus import Bus
from edgebox.messages.base import Topic
from edgebox.messages.marks import (
    NOTE,
    PICTURE,
    POINTING,
    STROKE,
    WIPE,
    Note,
    PicturePart,
    Pointing,
    Stroke,
    Wipe,
)

WAITING_MAX = 500
"""More wait only while the broker is slow or away; the oldest go."""

Shown = Pointing | Stroke | Wipe | Note | PicturePart
TOPICS: dict[type[Shown], Topic[Any]] = {
    Pointing: POINTING,
    Stroke: STROKE,
    Wipe: WIPE,
    Note: NOTE,
    PicturePart: PICTURE,
}


class Bulletin:
    """Use as a task running `run`."""

    def __init__(self, bus: Bus):
        self._bus = bus
        self._waiting: deque[Shown] = deque(maxlen=WAITING_MAX)
        self._arrived = asyncio.Event()

    def put(self, message: Shown) -> None:
        """Published soon."""
        self._waiting.append(message)
        self._arrived.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                message = self._waiting.popleft()
                await self._bus.publish(TOPICS[type(message)], message)
