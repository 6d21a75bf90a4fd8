"""Composition root: from configuration to running services. The only file that sees everything.

Services are imported when they are started: each process holds only what it needs.
"""

import asyncio
import importlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from edgebox.config import Config
from edgebox.host import notify

BOX_SERVICES = ("bond", "media", "panel")

Main = Callable[[Config], Coroutine[Any, Any, None]]


def run_service(name: str, config: Config) -> None:
    """Run one service in this process until SIGTERM or SIGINT."""
    notify.set_up_logging(name)
    asyncio.run(_until_signal(_main_of(name)(config)))


def _main_of(name: str) -> Main:
    """The service's `async def run(config)`; it returns only when cancelled."""
    main: Main = importlib.import_module(f"edgebox.{name}.service").run
    return main


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """A signal cancels the work, which cleans up; that is the ordinary end."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
