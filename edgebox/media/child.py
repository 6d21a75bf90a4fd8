"""Processes of our own that end with their owner, whatever happens to either."""

import asyncio
import sys

END_S = 0.5
"""A process ends by itself when its socket closes; one that hangs is killed after this."""


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
