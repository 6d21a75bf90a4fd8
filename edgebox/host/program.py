"""Programs of the system that we ask something and whose answer we read."""

import asyncio
import contextlib


async def end_program(process: asyncio.subprocess.Process) -> None:
    """Kill it if it still runs, reap it, and close what it left unread."""
    try:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
    finally:
        # A pipe that was not read to its end is closed here, not by the collector.
        process._transport.close()  # type: ignore[attr-defined]
