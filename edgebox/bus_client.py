"""aiomqtt's client, mended: it ends when it is cancelled, and leaves no socket behind."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import aiomqtt

T = TypeVar("T")
Dial = Callable[[], socket.socket]
"""Makes a connection to a broker, in a thread: it may wait. Raises OSError."""


async def obey_cancellation(work: Awaitable[T]) -> T:
    """Await `work`, and end if this task was cancelled meanwhile.

    Before Python 3.12 asyncio.wait_for, in aiomqtt, swallows a cancellation that comes at the
    moment of its result; a loop around it would go on for ever.
    """
    task = cast("asyncio.Task[object]", asyncio.current_task())
    before = task.cancelling()
    result = await work
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return result


class BusClient(aiomqtt.Client):
    """Left in good order when its connection fails, or is cancelled while it is made."""

    def __init__(self, path: str, dial: Dial | None = None, **options: Any):
        """`path`: of the broker's Unix socket, or nothing. `dial`: another way to a broker."""
        super().__init__(**options)
        if dial is not None:
            self._client._create_socket = dial  # type: ignore[method-assign]
        if path:
            # paho leaves the socket of a refused connection to the collector.
            self._client._create_unix_socket_connection = lambda: _connect_to(path)  # type: ignore[method-assign]

    async def __aenter__(self) -> Self:
        # paho connects in a thread, which goes on after a cancellation and opens its socket.
        entering = asyncio.ensure_future(super().__aenter__())
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            with contextlib.suppress(aiomqtt.MqttError):
                await entering
                await self.__aexit__(None, None, None)
            self._close_socket()
            raise
        except aiomqtt.MqttError:
            self._close_socket()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc, tb)
        finally:
            self._close_socket()

    def _close_socket(self) -> None:
        """Also of a connection that was refused or broke off: paho keeps it open then."""
        self._client._sock_close()


def _connect_to(path: str) -> socket.socket:
    """In a thread of its own: it may wait."""
    with contextlib.ExitStack() as on_error:
        opened = on_error.enter_context(socket.socket(socket.AF_UNIX))
        opened.connect(path)
        on_error.pop_all()
    return opened
