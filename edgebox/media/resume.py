"""What an earlier process of media was doing: its own last word, retained by the broker."""

import asyncio

from edgebox.bus import Bus
from edgebox.messages.session import MEDIA_ECHO, MEDIA_SESSION, Echo, MediaSession

ANSWER_S = 10.0
"""A broker that has not answered by now holds nothing of an earlier process."""


async def last_session(bus: Bus, instance: str) -> MediaSession | None:
    """None: there was none. Call once, before anything is published."""
    found: asyncio.Future[MediaSession | None] = asyncio.get_running_loop().create_future()

    async def take(last: MediaSession, keys: dict[str, str]) -> None:
        if not found.done():
            found.set_result(last)

    async def heard_all(echo: Echo, keys: dict[str, str]) -> None:
        if echo.instance == instance and not found.done():
            found.set_result(None)

    await bus.subscribe(MEDIA_SESSION, take)
    await bus.subscribe(MEDIA_ECHO, heard_all)
    await bus.publish(MEDIA_ECHO, Echo(instance=instance))
    await asyncio.wait([found], timeout=ANSWER_S)
    if not found.done():
        found.set_result(None)
    return found.result()
