"""One opening of the technician's command line: SSH from the hub on one side, a shell on the other.

It has no listener: it serves one connection, which the box's own tunnel brings. What a client may
have is one session with a terminal; commands, files, forwarding and subsystems are refused. Each
byte is recorded before it goes on, in either direction.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any, Literal

import asyncssh

from edgebox.support.recording import Recording, RecordingError
from edgebox.support.shell_papers import Papers
from edgebox.support.terminal import SIDE_MAX, SIZE, Frames, frame

logger = logging.getLogger(__name__)
# What each key exchange says is in the audit trail as far as it matters.
logging.getLogger("asyncssh").setLevel(logging.ERROR)

LOGIN_S = 15.0
LAST_S = 1.0
ALIVE_S = 5
ALIVE_MISSED = 3
WINDOW_BYTES = 32 * 1024
"""Under way in the tunnel at most: what the crew ends is ended soon on the page as well."""
READ_BYTES = 4096

Why = Literal["closed", "recording", "no-terminal", "refused", "audit"]
Begin = Callable[[], Awaitable[bool]]
Process = asyncssh.SSHServerProcess[bytes]


@dataclass
class Opening:
    """What came of it."""

    why: Why = "refused"
    """`closed`: one side ended it. `refused`: nobody came in. Others: what could not be done."""
    detail: str = ""
    recorded: str = ""
    """Name, size and hash of the recording."""


class ShellServer:
    """For one connection."""

    def __init__(self, papers: Papers, terminal: str, recordings: Path, begin: Begin):
        """`terminal`: path of its socket. `begin`: False if what begins cannot be written down."""
        self._papers = papers
        self._terminal = terminal
        self._recordings = recordings
        self._begin = begin
        self._opening = Opening()
        self._taken = asyncio.Event()
        self._done = asyncio.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End it now; `serve` returns as soon as everything is gone."""
        self._stopped.set()

    async def serve(self, connection: socket) -> Opening:
        """Until one side, or `stop`, ends it."""
        try:
            async with asyncio.timeout(LOGIN_S):
                server = await _unless(self._stopped, self._accept(connection))
        except (OSError, asyncssh.Error, TimeoutError) as error:
            connection.close()
            self._opening.detail = str(error)[:100] or "nobody came in"
            return self._opening
        if server is None:
            connection.close()
            return self._opening
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOGIN_S):
                    await _unless(self._stopped, self._until_taken(server))
            if self._taken.is_set():
                await _unless(self._stopped, self._done.wait())
                await self._say_last(server)
        finally:
            server.abort()
            await server.wait_closed()
            if self._taken.is_set():
                await self._done.wait()
        return self._opening

    async def _accept(self, connection: socket) -> asyncssh.SSHServerConnection:
        return await asyncssh.run_server(
            connection,
            server_host_keys=[self._papers.host_key],
            authorized_client_keys=self._papers.authorized(),
            process_factory=self._session,
            encoding=None,
            line_editor=False,
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
            compression_algs=None,
            login_timeout=LOGIN_S,
            keepalive_interval=ALIVE_S,
            keepalive_count_max=ALIVE_MISSED,
            window=WINDOW_BYTES,
        )

    async def _say_last(self, server: asyncssh.SSHServerConnection) -> None:
        """A shell that ended by itself has said something last."""
        if self._done.is_set() and self._opening.why == "closed":
            server.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await _unless(self._stopped, server.wait_closed())

    async def _until_taken(self, server: asyncssh.SSHServerConnection) -> None:
        """Or until the client has gone."""
        await _until_first(_event(self._taken), server.wait_closed())

    async def _session(self, process: Process) -> None:
        """One, with a terminal, without a command."""
        plain = process.command is None and process.subsystem is None
        if self._taken.is_set() or not plain or process.term_type is None:
            logger.warning("shell: refused a session that is not one with a terminal")
            process.exit(1)
            return
        self._taken.set()
        try:
            await self._carry(process)
        except RecordingError as error:
            self._opening.why, self._opening.detail = "recording", str(error)
        finally:
            process.exit(0)
            self._done.set()

    async def _carry(self, process: Process) -> None:
        size = _size(process.term_size)
        recording = Recording(self._recordings, self._papers.user, *size, time.time())
        try:
            await self._with_terminal(process, recording, size)
        finally:
            digest = recording.close()
            self._opening.recorded = f"{recording.path.name} {recording.size} bytes sha256 {digest}"

    async def _with_terminal(
        self, process: Process, recording: Recording, size: tuple[int, int]
    ) -> None:
        opening = self._opening
        try:
            reader, writer = await asyncio.open_unix_connection(self._terminal)
        except OSError as error:
            opening.why, opening.detail = "no-terminal", f"{self._terminal}: {error.strerror}"
            return
        try:
            if not await self._begin():
                opening.why = "audit"
                return
            writer.write(frame(b"r", SIZE.pack(*size)))
            await _until_first(_show(reader, process, recording), _type(process, writer, recording))
            opening.why = "closed"
        finally:
            # Whatever was started in it ends with this connection.
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _show(reader: asyncio.StreamReader, process: Process, recording: Recording) -> None:
    """From the terminal to the technician, until it says that its shell has ended."""
    frames = Frames()
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await reader.read(READ_BYTES):
            for kind, content in frames.take(data):
                if kind == b"x":
                    return
                recording.shown(content)
                process.stdout.write(content)
                await process.stdout.drain()


async def _type(process: Process, writer: asyncio.StreamWriter, recording: Recording) -> None:
    """From the technician to the terminal, until there are no more."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while True:
            try:
                data = await process.stdin.read(READ_BYTES)
            except asyncssh.TerminalSizeChanged as change:
                size = _size((change.width, change.height))
                recording.resized(*size)
                writer.write(frame(b"r", SIZE.pack(*size)))
                continue
            except asyncssh.BreakReceived:
                data = b"\x03"
            if not data:
                return
            recording.typed(data)
            writer.write(frame(b"d", data))
            await writer.drain()


def _size(wanted: tuple[int, ...]) -> tuple[int, int]:
    columns, rows = (min(max(side, 1), SIDE_MAX) for side in wanted[:2])
    return columns, rows


async def _event(event: asyncio.Event) -> None:
    await event.wait()


async def _unless(stopped: asyncio.Event, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`; None if `stopped` came first."""
    stopping = asyncio.create_task(stopped.wait())
    working = asyncio.create_task(work)
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def _until_first(*work: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends; the others are ended. Raises what it raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
