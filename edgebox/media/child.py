"""Processes of our own that end with their owner, whatever happens to either."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO, NoReturn, Protocol

import av

from edgebox.host import notify
from edgebox.host.lineage import die_with_parent

logger = logging.getLogger(__name__)

RESTART_FIRST_S, RESTART_MAX_S = 0.1, 2.0
LOOK_EVERY_S = 1.0
READ_AHEAD = 1 << 20
END_S = 0.5
"""A process ends by itself when its socket closes; one that hangs is killed after this."""


def become(name: str, work: Callable[[socket.socket], None]) -> None:
    """In the process: work on the socket given as the first argument until its owner has gone.

    A terminal's Ctrl-C is the owner's business; should the process hang, it dies with its owner.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    threading.excepthook = _end_with_thread
    notify.set_up_logging(name)
    av.logging.set_level(av.logging.ERROR)
    try:
        work(socket.socket(fileno=int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return


def read_exactly(incoming: BinaryIO, size: int) -> bytes:
    """In the process: so many bytes of its owner's. Raises EOFError when that has gone."""
    try:
        data = incoming.read(size)
    except ConnectionResetError as error:  # it went with something of ours unread
        raise EOFError from error
    if len(data) < size:
        raise EOFError
    return data


def _end_with_thread(problem: threading.ExceptHookArgs) -> None:
    """A bug in one thread ends the process; its owner starts a new one."""
    logger.critical("%s thread failed", problem.thread, exc_info=problem.exc_value)
    os._exit(70)


async def start(module: str, fd: int) -> asyncio.subprocess.Process:
    """Run `python -m module FD`, FD being its end of a socket pair.

    Cancelled meanwhile, it leaves no process behind.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module, str(fd)),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(fd,),
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        process.kill()
        await process.wait()
        raise


async def end(process: asyncio.subprocess.Process) -> str:
    """Wait until it has ended, or kill it. Returns how it ended.

    Not by asyncio.timeout: before Python 3.12 it says CancelledError, not TimeoutError, in a task
    that is being cancelled, and nobody would kill.
    """
    waiting = asyncio.ensure_future(process.wait())
    ended, _ = await asyncio.wait([waiting], timeout=END_S)
    if not ended:
        process.kill()
    code = await waiting
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class Owner(Protocol):
    """Of a process that `keep` keeps running."""

    def begun(self, writer: asyncio.StreamWriter) -> None:
        """A process runs; what it has to know first may be written."""
        ...

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take what it says until it ends."""
        ...

    def is_hung(self, now: float) -> bool:
        """It does nothing any more. Asked once a second."""
        ...

    def ended(self, how: str) -> None:
        """It ended, or was killed because it hung; another one is started soon."""
        ...


async def keep(module: str, owner: Owner) -> NoReturn:
    """Run the module, and again when it ends, until cancelled."""
    wait_s = RESTART_FIRST_S
    while True:
        started_at = time.monotonic()
        owner.ended(await _run(module, owner))
        if time.monotonic() - started_at > 10 * RESTART_MAX_S:
            wait_s = RESTART_FIRST_S
        await asyncio.sleep(wait_s)
        wait_s = min(RESTART_MAX_S, wait_s * 2)


async def _run(module: str, owner: Owner) -> str:
    """Start one and serve it until it ends. Returns how it ended."""
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as unless_started, theirs:
        unless_started.callback(ours.close)
        process = await start(module, theirs.fileno())
        unless_started.pop_all()
    try:
        await _serve(process, ours, owner)
    finally:
        ours.close()  # which ends it; killing one that has ended would lose its exit code
        ended = await end(process)
    return ended


async def _serve(process: asyncio.subprocess.Process, ours: socket.socket, owner: Owner) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=READ_AHEAD)
    try:
        owner.begun(writer)
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(_watch(process, owner))
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
                await owner.read(reader)
            watch.cancel()
    finally:
        writer.close()


async def _watch(process: asyncio.subprocess.Process, owner: Owner) -> None:
    """Kill it when it hangs; reading then ends."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if owner.is_hung(time.monotonic()):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
