"""The frame every service runs in: its bus, its status there, and the watchdog.

async with Service("media", config) as service:
    ... set up ...
    await service.set_state("running")
    await service.run(work(), more())

A technician the crew has let in may have it end: it is asked over the local bus, which only the
services of the box reach, and whoever keeps it running starts it again. That takes no rights.
"""

import asyncio
import math
import os
import secrets
import signal
import time
from collections.abc import Coroutine
from typing import Any, Literal, Self

import edgebox
from edgebox.bus import Bus, Will
from edgebox.config import Config
from edgebox.host import notify
from edgebox.messages.services import SERVICE_STATUS, ServiceName, ServiceStatus
from edgebox.messages.support import RESTART_SERVICE, RestartService

State = Literal["starting", "running", "degraded", "stopped"]

WATCHDOG_EVERY_S = 0.5
"""Progress comes many times a second; systemd need not hear of each."""


class Service:
    """One service process of the box."""

    def __init__(self, name: ServiceName, config: Config):
        self.name = name
        self.config = config
        self.instance = secrets.token_hex(8)
        self._state: State = "starting"
        self._since_utc = time.time()
        stopped = self._status("stopped", "")
        self.bus = Bus(
            config.bus.address,
            name,
            box=config.box.id,
            will=Will(SERVICE_STATUS, stopped, {"service": name}),
        )
        self._fed_at = -math.inf

    async def __aenter__(self) -> Self:
        await self.bus.__aenter__()
        await self.bus.subscribe(RESTART_SERVICE, self._end_if_asked)
        await self.set_state("starting")
        return self

    async def __aexit__(self, *exc: object) -> None:
        notify.stopping()
        await self.set_state("stopped")
        await self.bus.__aexit__(*exc)

    async def set_state(self, state: State, detail: str = "") -> None:
        """Publish the state (retained); one that serves also tells systemd that we are ready."""
        if state != self._state:
            self._state, self._since_utc = state, time.time()
        await self.bus.publish(SERVICE_STATUS, self._status(state, detail), service=self.name)
        if state in {"running", "degraded"}:
            notify.ready(detail or state)

    def progress(self) -> None:
        """Something useful was done just now: feeds the watchdog."""
        now = time.monotonic()
        if now - self._fed_at >= WATCHDOG_EVERY_S:
            self._fed_at = now
            notify.feed_watchdog()

    async def keep_saying(self, every_s: float) -> None:
        """Say until cancelled that it runs. `every_s`: a third of the unit's WatchdogSec.

        That is progress where nothing else may happen for hours: the broker took our word again.
        """
        while True:
            await asyncio.sleep(every_s)
            await self.bus.connected.wait()
            await self.set_state("running")
            self.progress()

    async def run(self, *work: Coroutine[Any, Any, None]) -> None:
        """Run all of it until one fails; a bug in a bus handler fails it too."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fail_with_bus())
            for one in work:
                group.create_task(one)

    async def _fail_with_bus(self) -> None:
        await asyncio.shield(self.bus.failed)

    async def _end_if_asked(self, asked: RestartService, keys: dict[str, str]) -> None:
        """In good order, as systemd would have it."""
        if keys["service"] == self.name and asked.instance == self.instance:
            os.kill(os.getpid(), signal.SIGTERM)

    def _status(self, state: State, detail: str) -> ServiceStatus:
        return ServiceStatus(
            service=self.name,
            instance=self.instance,
            state=state,
            since_utc=self._since_utc,
            detail=detail[:200],
            version=edgebox.__version__,
        )
