"""One direction of a simulated mobile link: a queue, a rate, a delay, loss. No I/O, told the time.

    offered -> [cut?] -> queue (tail drop) -> rate or trace -> [lost?] -> delay, jitter -> out

SimLink (edgebox.sim.links) drives two of these with real datagrams. Times are monotonic seconds.
"""

import heapq
import itertools
import math
import random
from collections import deque
from typing import Annotated, Generic, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from edgebox.sim.traces import OPPORTUNITY_BYTES, Trace

HEADER_BYTES = 28
"""IPv4 and UDP headers: a link carries them too."""

T = TypeVar("T")


class LaneSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one direction treats datagrams."""

    rate_bps: Annotated[int, Meta(ge=0, le=10_000_000_000)] = 0
    """Constant rate; 0 does not limit. A trace goes before it."""
    trace: str = ""
    """Mahimahi file, or `lte:SEED:MEAN_BPS` for a generated one."""
    delay_ms: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    jitter_ms: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    """Additional delay, uniform between 0 and this."""
    reorder: bool = False
    """Let jitter change the order; else a datagram waits for the one before it."""
    loss: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Share of datagrams lost."""
    loss_burst: Annotated[float, Meta(ge=1, le=10_000)] = 1.0
    """Mean number lost in a row; 1 loses each independently."""
    queue_bytes: Annotated[int, Meta(ge=3_000, le=100_000_000)] = 250_000
    """What does not fit any more is dropped. Modems buffer generously."""
    cut: bool = False
    """Swallow everything without a word."""


class LaneCounters(Struct):
    """Since the start. Datagrams, except where the name says bytes."""

    passed: int = 0
    passed_bytes: int = 0
    lost: int = 0
    overflowed: int = 0
    """Did not fit into the queue."""
    cut: int = 0
    """Swallowed because the lane was cut, those inside at that moment included."""


class _Capacity(Protocol):
    def reserve(self, size: int, ready_at: float) -> float:
        """When `size` bytes that are ready then have left; they leave in order."""


class _Steady:
    def __init__(self, rate_bps: int):
        self._rate_bps = rate_bps
        self._free_at = -math.inf

    def reserve(self, size: int, ready_at: float) -> float:
        took_s = size * 8 / self._rate_bps if self._rate_bps else 0.0
        self._free_at = max(self._free_at, ready_at) + took_s
        return self._free_at


class _Traced:
    """As mahimahi's link queue: what an opportunity leaves over serves those already waiting."""

    def __init__(self, trace: Trace, origin_at: float):
        self._trace = trace
        self._origin_at = origin_at
        self._next = 0
        self._spare_bytes = 0
        self._spare_at = -math.inf

    def reserve(self, size: int, ready_at: float) -> float:
        if ready_at > self._spare_at:
            self._spare_bytes = 0
            passed = self._trace.count_until((ready_at - self._origin_at) * 1000)
            self._next = max(self._next, passed)
        if size > self._spare_bytes:
            needed = math.ceil((size - self._spare_bytes) / OPPORTUNITY_BYTES)
            self._next += needed
            self._spare_bytes += needed * OPPORTUNITY_BYTES
            self._spare_at = self._origin_at + self._trace.moment_ms(self._next - 1) / 1000
        self._spare_bytes -= size
        return self._spare_at


class Lane(Generic[T]):
    """Give datagrams to `offer`, get them back from `take` once `next_at()` has come."""

    def __init__(
        self,
        settings: LaneSettings,
        chance: random.Random,
        now: float,
        trace: Trace | None = None,
    ):
        """`trace`: what `settings.trace` names."""
        self.settings = settings
        self.counters = LaneCounters()
        self.queued_bytes = 0
        self._chance = chance
        self._capacity = _capacity(settings, trace, now)
        self._queue: deque[tuple[int, float, T]] = deque()
        self._head_done_at: float | None = None
        self._flight: list[tuple[float, int, int, T]] = []
        self._order = itertools.count()
        self._last_out_at = -math.inf
        self._losing = False

    def share(self, other: "Lane[T]") -> None:
        """From now on both together carry what the other does, packet by packet in turn."""
        self._capacity = other._capacity

    def change(self, settings: LaneSettings, now: float, trace: Trace | None = None) -> None:
        """Take other settings from now on. The datagram being sent starts over."""
        self._serve(now)
        before, self.settings = self.settings, settings
        if (before.rate_bps, before.trace) != (settings.rate_bps, settings.trace):
            self._capacity = _capacity(settings, trace, now)
            self._queue = deque((size, now, item) for size, _, item in self._queue)
            self._head_done_at = None
        if settings.cut:
            self.counters.cut += len(self._queue) + len(self._flight)
            self._queue.clear()
            self._flight.clear()
            self.queued_bytes = 0
            self._head_done_at = None
            self._last_out_at = -math.inf

    def offer(self, item: T, size: int, now: float) -> None:
        """A datagram with `size` bytes of payload comes in."""
        size += HEADER_BYTES
        if self.settings.cut:
            self.counters.cut += 1
            return
        self._serve(now)
        if self.queued_bytes + size > self.settings.queue_bytes:
            self.counters.overflowed += 1
            return
        self.queued_bytes += size
        self._queue.append((size, now, item))

    def take(self, now: float) -> list[T]:
        """Those that have arrived at the other end."""
        self._serve(now)
        out = []
        while self._flight and self._flight[0][0] <= now:
            _, _, size, item = heapq.heappop(self._flight)
            self.counters.passed += 1
            self.counters.passed_bytes += size - HEADER_BYTES
            out.append(item)
        return out

    def next_at(self) -> float | None:
        """When `take` may have something, at the earliest; None: nothing inside."""
        at = self._flight[0][0] if self._flight else math.inf
        if self._queue:
            at = min(at, self._head_at() + self.settings.delay_ms / 1000)
        return None if at == math.inf else at

    def _head_at(self) -> float:
        if self._head_done_at is None:
            size, ready_at, _ = self._queue[0]
            self._head_done_at = self._capacity.reserve(size, ready_at)
        return self._head_done_at

    def _serve(self, now: float) -> None:
        """Move what the rate has let through until now from the queue into flight."""
        while self._queue and (done_at := self._head_at()) <= now:
            size, _, item = self._queue.popleft()
            self._head_done_at = None
            self.queued_bytes -= size
            if self._draw_loss():
                self.counters.lost += 1
                continue
            heapq.heappush(self._flight, (self._out_at(done_at), next(self._order), size, item))

    def _out_at(self, done_at: float) -> float:
        delay_ms = self.settings.delay_ms + self._chance.random() * self.settings.jitter_ms
        out_at = done_at + delay_ms / 1000
        if not self.settings.reorder:
            out_at = self._last_out_at = max(out_at, self._last_out_at)
        return out_at

    def _draw_loss(self) -> bool:
        """Gilbert's two states: all is lost in one, nothing in the other."""
        loss, burst = self.settings.loss, self.settings.loss_burst
        if loss in {0.0, 1.0} or burst * (1 - loss) <= 1:
            return self._chance.random() < loss
        leave = 1 / burst
        change = leave if self._losing else loss * leave / (1 - loss)
        if self._chance.random() < change:
            self._losing = not self._losing
        return self._losing


def replaced(settings: LaneSettings, changes: dict[str, object]) -> LaneSettings:
    """`settings` with some fields changed; a constant rate replaces a trace."""
    if "rate_bps" in changes:
        changes = {"trace": "", **changes}
    return msgspec.structs.replace(settings, **changes)


def _capacity(settings: LaneSettings, trace: Trace | None, now: float) -> _Capacity:
    if settings.trace:
        if trace is None:
            raise ValueError(f"settings name the trace {settings.trace} but it is not given")
        return _Traced(trace, now)
    return _Steady(settings.rate_bps)
