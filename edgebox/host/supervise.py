"""Keep processes running where there is no systemd: the demo and `edgebox run all`.

A process that ends is started again, at once the first time, later with back-off. None outlives
the supervisor, not even when that is killed (prctl(2), PR_SET_PDEATHSIG).
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgebox.errors import DeviceError
from edgebox.host.lineage import die_with_parent

logger = logging.getLogger(__name__)

STABLE_S = 10.0
"""A process that ran this long starts over with the shortest back-off."""
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0)
STOP_S = 5.0
"""Time between SIGTERM and SIGKILL."""
GIVE_UP_FIRST = 3
"""A process that never ran STABLE_S and failed this often cannot be started here at all."""


@dataclass(frozen=True)
class Program:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    log: Path | None = None
    """Its output goes here, appended; without, to where ours goes."""
    environment: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Runs programs until `stop`; `pids` says which process serves under which name now."""

    def __init__(self) -> None:
        self.pids: dict[str, int] = {}
        self.restarts: dict[str, int] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, program: Program) -> None:
        """Begin to keep one program running."""
        task = asyncio.create_task(self._keep(program), name=program.name)
        self._tasks[program.name] = task

    async def failed(self) -> None:
        """Return never; raises DeviceError when a program cannot be started at all."""
        while True:
            done, _ = await asyncio.wait(
                self._tasks.values(), return_when=asyncio.FIRST_EXCEPTION, timeout=1
            )
            for task in done:
                task.result()

    async def stop(self) -> None:
        """End all, politely, what was started last first: nobody misses what it needs."""
        for task in reversed(self._tasks.values()):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self, program: Program) -> None:
        attempt = 0
        while True:
            started_at = time.monotonic()
            code = await self._run_once(program)
            lasted_s = time.monotonic() - started_at
            attempt = 0 if lasted_s >= STABLE_S else attempt + 1
            self.restarts[program.name] = self.restarts.get(program.name, 0) + 1
            if attempt >= GIVE_UP_FIRST and self.restarts[program.name] == attempt:
                raise DeviceError(f"{program.name} does not start: {_last_line(program.log)}")
            logger.warning("%s ended (%s), starting it again", program.name, code)
            await asyncio.sleep(BACKOFF_S[min(attempt, len(BACKOFF_S)) - 1] if attempt else 0)

    async def _run_once(self, program: Program) -> int:
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(program.log.open("ab")) if program.log else None
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **program.environment},
                # Ctrl-C in the terminal reaches the supervisor alone, which ends all in order.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.pids[program.name] = process.pid
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await _end(process)
            raise
        finally:
            self.pids.pop(program.name, None)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _last_line(log: Path | None) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log else ["see its messages"]
    return lines[-1][:300] if lines else "it says nothing"
