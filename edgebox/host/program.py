"""Programs of the system that we ask something and whose answer we read."""

import asyncio
import contextlib


async def end_program(process: asyncio.subprocess.Process) -> None:
    """Kill it if it still runs, and reap it; what it left unread is let go.

    Its pipes first: Python 3.11 says that a process has ended when its pipes have, and one that is
    full and no longer read never does.
    """
    transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]
    try:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        for number in (1, 2):
            pipe = transport.get_pipe_transport(number)
            if pipe is not None:
                pipe.close()
        await process.wait()
    finally:
        transport.close()
