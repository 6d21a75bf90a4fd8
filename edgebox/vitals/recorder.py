"""Stores what monitors say, many observations with one fsync, and only then lets it be shown."""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from edgebox.errors import DeviceError
from edgebox.messages.vitals import VITALS_CONTENT_MAX_BYTES
from edgebox.observation import Incident, Observation, Wave, pack
from edgebox.vitals.store import MARKS_MAX, Dropped, Entry, Store

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

COMMIT_EVERY_S = 0.1
"""The most a value waits for others to share its fsync with; a lone one waits for nothing."""
RETRY_S = 1.0
PROVE_EVERY_S = 5.0
"""An idle service writes so often, so that its watchdog is fed by a disk that works."""
QUEUE_MAX = 20_000
"""Observations that wait while the disk refuses; then the oldest waves go, and this is said."""


class Disk:
    """The one thread that owns the store."""

    def __init__(self, store: Store):
        self.store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a method of the store. Raises what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, functools.partial(method, *args, **kwargs))

    async def close(self) -> None:
        """Finish what is queued and let go of the file."""
        await self.call(self.store.close)
        self._thread.shutdown()


class Recorder:
    """Between the monitors and everything that wants to know."""

    def __init__(self, disk: Disk, stored: Callable[[Sequence[Entry]], Awaitable[None]]):
        """`stored` is called after each transaction with what is on the disk by then."""
        self._disk = disk
        self._stored = stored
        self._queue: list[Observation] = []
        self._marks: list[bytes] = []
        self._known: dict[bytes, None] = dict.fromkeys(disk.store.marks())
        self._taken = 0
        self._done = 0
        self._wake = asyncio.Event()
        self._changed = asyncio.Condition()
        self.observers: list[Callable[[Observation], None]] = []
        """Called with each observation once it is stored."""
        self.dropped = Dropped()
        self.failed = ""
        """Why nothing can be stored now; empty: it works."""

    def is_known(self, mark: bytes) -> bool:
        """A message with this digest was recorded before."""
        return mark in self._known

    def record(self, observations: Sequence[Observation], mark: bytes = b"") -> None:
        """Queue them; never waits. `mark`: digest of the message they are from."""
        if not observations and not mark:
            return
        self._queue += observations
        self._taken += 1
        if mark:
            self._marks.append(mark)
            self._known[mark] = None
            if len(self._known) > MARKS_MAX:
                del self._known[next(iter(self._known))]
        if len(self._queue) > QUEUE_MAX:
            self._shorten()
        self._wake.set()

    async def until_stored(self) -> None:
        """Return when all that was recorded so far is on the disk, for as long as that takes."""
        wanted = self._taken
        async with self._changed:
            await self._changed.wait_for(lambda: self._done >= wanted)

    async def run(self, progress: Callable[[], None]) -> None:
        """Store until cancelled; what is queued then is stored as well."""
        try:
            while True:
                await self._wait()
                await self._write()
                if not self.failed:
                    progress()
                await asyncio.sleep(RETRY_S if self.failed else COMMIT_EVERY_S)
        finally:
            if self._queue or self._marks:
                await self._write()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(PROVE_EVERY_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _write(self) -> None:
        batch, self._queue = self._queue, []
        marks, self._marks = self._marks, []
        taken = self._taken
        entries = to_entries(batch)
        try:
            if entries or marks:
                dropped = await self._disk.call(
                    self._disk.store.append, entries, time.time(), marks
                )
            else:
                dropped = Dropped()
                await self._disk.call(self._disk.store.prove, time.time())
        except DeviceError as error:
            if not self.failed:
                logger.error("%s", error)
            self.failed = str(error)
            self._queue = batch + self._queue
            self._marks = marks + self._marks
            self._wake.set()
            return
        if self.failed:
            logger.info("vitals are stored again")
            self.failed = ""
        async with self._changed:
            self._done = taken
            self._changed.notify_all()
        self._note_dropped(dropped)
        for observation in batch:
            for observe in self.observers:
                observe(observation)
        if entries:
            await self._stored(entries)

    def _note_dropped(self, dropped: Dropped) -> None:
        count = dropped.waves + dropped.numerics
        if not count:
            return
        self.dropped.waves += dropped.waves
        self.dropped.numerics += dropped.numerics
        what = "numerics" if dropped.numerics else "waves"
        text = f"{count} oldest batches of {what} dropped: the hub was away for too long"
        logger.warning("vitals: %s", text)
        self.record([_incident(count, text)])

    def _shorten(self) -> None:
        """The disk refuses for so long that memory must be kept: oldest waves go first."""
        excess = len(self._queue) - QUEUE_MAX // 2
        waves = [n for n, one in enumerate(self._queue) if isinstance(one, Wave)]
        victims = set((waves or list(range(len(self._queue))))[:excess])
        self._queue = [one for n, one in enumerate(self._queue) if n not in victims]
        text = "the disk refused for too long"
        self._queue.append(_incident(len(victims), text))
        self._taken += 1
        self.dropped.waves += len(victims)


def to_entries(observations: Sequence[Observation]) -> list[Entry]:
    """Batches of numerics and of waves, each small enough for a message of the bus."""
    waves = [one for one in observations if isinstance(one, Wave)]
    others = [one for one in observations if not isinstance(one, Wave)]
    return [
        *(Entry("numerics", content) for content in _split(others)),
        *(Entry("waves", content) for content in _split(waves)),
    ]


def _split(observations: Sequence[Observation]) -> list[bytes]:
    if not observations:
        return []
    content = pack(observations)
    if len(content) <= VITALS_CONTENT_MAX_BYTES or len(observations) == 1:
        return [content]
    half = len(observations) // 2
    return _split(observations[:half]) + _split(observations[half:])


def _incident(count: int, text: str) -> Incident:
    return Incident(
        device="", received_utc=time.time(), source_utc=None, what="dropped", count=count, text=text
    )
