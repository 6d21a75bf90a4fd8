"""Stands for edgebox-shell.socket: a command line for each connection, where there is no systemd.

Who may reach it: a Unix socket for its owner alone. The shell runs as whoever runs the demo.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path


@contextlib.asynccontextmanager
async def shell_socket(path: Path) -> AsyncIterator[None]:
    """Serves while in the context; what was started there ends with it."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen()
    listening.setblocking(False)
    accepting = asyncio.create_task(_accept(listening))
    try:
        yield
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        listening.close()
        path.unlink(missing_ok=True)


async def _accept(listening: socket.socket) -> None:
    loop, started = asyncio.get_running_loop(), []
    try:
        while True:
            connection, _ = await loop.sock_accept(listening)
            with connection:
                # A socket that waits for nobody is not what systemd hands on.
                connection.setblocking(True)
                command = (sys.executable, "-m", "edgebox.support.terminal")
                process = await asyncio.create_subprocess_exec(*command, stdin=connection.fileno())
                started.append(process)
    finally:
        for process in started:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its connection is closed by the other side, or has been."""
    try:
        async with asyncio.timeout(3):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
