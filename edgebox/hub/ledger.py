"""Writes to the hub's database that nobody waits for and that must not be forgotten.

What the database does not take now is owed and written later, in its order: a call goes on while
the disk is full, and the audit trail is whole afterwards.
"""

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Callable
from typing import ParamSpec

from edgebox.host import notify
from edgebox.hub.store import Store
from edgebox.messages.base import Fault

logger = logging.getLogger(__name__)

P = ParamSpec("P")

OWED_MAX = 10_000
RETRY_S = 1.0


class Ledger:
    """Use as a task running `run`."""

    def __init__(self, store: Store):
        self._store = store
        self._owed: deque[Callable[[], None]] = deque()
        self._writing = asyncio.Lock()
        self._lost = 0
        self.problem = ""
        """What the database says that takes nothing; empty: it takes everything."""

    async def note(self, method: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """One of the store's methods; done on return unless the database takes nothing now."""
        if len(self._owed) >= OWED_MAX:
            self._lost += 1
            return
        self._owed.append(functools.partial(method, *args, **kwargs))
        if not self.problem:
            await self._settle()

    async def run(self) -> None:
        """Try again what is owed, until cancelled."""
        while True:
            await asyncio.sleep(RETRY_S)
            if self._owed:
                await self._settle()

    async def _settle(self) -> None:
        async with self._writing:
            while self._owed:
                answer = await self._store.call(self._owed[0])
                if isinstance(answer, Fault) and answer.reason == "failed":
                    self._complain(answer.text)
                    return
                self._owed.popleft()
                if isinstance(answer, Fault):
                    logger.error("not written: %s", answer.text)
            self._relax()

    def _complain(self, text: str) -> None:
        if text != self.problem:
            logger.error("the database takes nothing, calls go on: %s", text)
            notify.status(f"calls go on, but the database takes nothing: {text}")
        self.problem = text

    def _relax(self) -> None:
        if not self.problem:
            return
        self.problem = ""
        logger.warning("the database takes everything again; %d writes were lost", self._lost)
        notify.status("the database takes everything again")
        self._lost = 0
