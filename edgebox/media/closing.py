"""Connections on their way out."""

import asyncio

from edgebox.media.publisher import Connection

CLOSE_S = 1.0


class Closing:
    """Connections on their way out: taking one down waits for the other end, which may be gone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, connection: Connection) -> None:
        """Cut it now, close it in the background."""
        connection.cut()
        task = asyncio.create_task(connection.close())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """At the end of the service: wait a little, then let go."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        for task in self._tasks:
            task.cancel()
