"""Puts the packets of one guest back in order and in time (no I/O, told the time).

How long a packet takes beyond the quickest one lately is its lateness. What is played lags by the
worst lateness of the last seconds, within bounds: no packet in time is lost and nobody waits longer
than that. Playing goes on in steps of 20 ms; when the lag has to change it skips or repeats a step.

A step takes one of: the packet itself, the copy of it in the packet after (in-band FEC), nothing
(the sender is silent), or a guess at what was lost.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgebox.errors import RemoteProtocolError

CLOCK_HZ = 48_000
STEP = 960
"""Samples of one step, 20 ms."""
WAITING_MAX = 64
MARGIN_S, LAG_MAX_S = 0.02, 0.2
"""The margin covers that playing goes in steps."""
MEMORY_S = 4.0
JUMP = CLOCK_HZ
"""A time stamp further off than this begins a new stream."""
CONCEALED_MAX_STEPS = 5
"""Beyond 100 ms a guess is noise: silence is honest."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to play for the next step of 20 ms. `packet`: itself, or the one after a lost one."""

    kind: Literal["packet", "recover", "conceal", "silence"]
    packet: bytes = b""
    skipped: bool = False
    """Decode it for what follows, do not play it."""


@dataclass(slots=True)
class _Waiting:
    sequence: int
    payload: bytes
    samples: int


class JitterBuffer:
    """Of one stream. Time stamps and sequence numbers may wrap."""

    def __init__(self, samples_in: Callable[[bytes], int]):
        self._samples_in = samples_in
        self._waiting: dict[int, _Waiting] = {}
        """By unwrapped time stamp."""
        self._newest: tuple[int, int] | None = None
        self._lateness: deque[tuple[float, float]] = deque()
        """When, and arrival minus time stamp in seconds."""
        self._position: int | None = None
        """Time stamp to play next; None before the start and after a long silence."""
        self._played_until: int | None = None
        self._last_sequence = 0
        self._missing_steps = 0
        self.late = 0
        self.lost = 0
        self.refused = 0

    def put(self, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """A packet arrived. What cannot be used is counted and dropped."""
        try:
            samples = self._samples_in(payload)
        except RemoteProtocolError:
            self.refused += 1
            return
        sequence, timestamp = self._unwrapped(sequence, timestamp)
        self._lateness.append((now, now - timestamp / CLOCK_HZ))
        while now - self._lateness[0][0] > MEMORY_S or len(self._lateness) > 400:
            self._lateness.popleft()
        if self._played_until is not None and timestamp < self._played_until:
            self.late += 1
            self._last_sequence = max(self._last_sequence, sequence)
            return
        self._waiting[timestamp] = _Waiting(sequence, payload, samples)
        if len(self._waiting) > WAITING_MAX:
            del self._waiting[min(self._waiting)]

    @property
    def lag_s(self) -> float:
        """By how much playing lags behind the quickest packet."""
        values = [late for _, late in self._lateness]
        return min(LAG_MAX_S, MARGIN_S + max(values, default=0.0) - min(values, default=0.0))

    def take(self, now: float) -> list[Step]:
        """What to play now: one step; none while nothing is to be played; more when skipping."""
        if not self._lateness:
            return []
        quickest = min(late for _, late in self._lateness)
        due = int((now - quickest - self.lag_s) * CLOCK_HZ)
        if self._position is None:
            first = min(self._waiting, default=None)
            if first is None or first > due:
                return []
            self._position = first
            self._last_sequence = self._waiting[first].sequence - 1
        elif due - self._position > 2 * STEP:
            return [*self._next(skipped=True), *self._next()]
        elif self._position - due > STEP:
            return [Step("conceal")]
        return self._next()

    def _next(self, *, skipped: bool = False) -> list[Step]:
        steps = self._stepped(skipped=skipped)
        if self._position is not None:
            self._played_until = self._position
        return steps

    def _stepped(self, *, skipped: bool) -> list[Step]:
        position = self._position
        if position is None:
            return []
        found = self._waiting.pop(position, None)
        if found is not None:
            self._missing_steps = 0
            self._last_sequence = found.sequence
            # A packet may hold several steps: those that follow are in it.
            self._position = position + found.samples
            return [Step("packet", found.payload, skipped=skipped)]
        self._position = position + STEP
        for stamp in [stamp for stamp in self._waiting if stamp < position]:
            del self._waiting[stamp]
        self._missing_steps += 1
        if not self._waiting:
            if self._missing_steps > CONCEALED_MAX_STEPS:
                self._position = None
            return [Step("conceal", skipped=skipped)]
        next_stamp = min(self._waiting)
        following = self._waiting[next_stamp]
        missing = following.sequence - self._last_sequence - 1
        if missing > 0:
            self.lost += missing
            self._last_sequence = following.sequence - 1
            if next_stamp == position + STEP:
                return [Step("recover", following.payload, skipped=skipped)]
        elif self._missing_steps == 1 or self._missing_steps > CONCEALED_MAX_STEPS:
            return [Step("silence", skipped=skipped)]  # the sender left a pause
        return [Step("conceal", skipped=skipped)]

    def _unwrapped(self, sequence: int, timestamp: int) -> tuple[int, int]:
        """Both as numbers that go on rising (RFC 3550, A.1)."""
        if self._newest is None:
            self._newest = (sequence, timestamp)
            return self._newest
        newest_sequence, newest_timestamp = self._newest
        sequence = newest_sequence + _difference(sequence, newest_sequence, 16)
        timestamp = newest_timestamp + _difference(timestamp, newest_timestamp, 32)
        if abs(timestamp - newest_timestamp) > JUMP:
            self._waiting.clear()
            self._lateness.clear()
            self._position = self._played_until = None
            self._newest = (sequence, timestamp)
        elif timestamp > newest_timestamp:
            self._newest = (sequence, timestamp)
        return sequence, timestamp


def _difference(later: int, earlier: int, bits: int) -> int:
    """Between two numbers of which only the low bits are known; the shorter way round."""
    half = 1 << bits - 1
    return (later - earlier + half) % (1 << bits) - half
