"""Capacity of a mobile link over time, in Mahimahi's format, read from a file or generated.

One integer per line: milliseconds from the start, not falling. Each line is one opportunity to
send 1500 bytes; a trace repeats after its last one (mahimahi, mm-link(1)).
"""

import math
import random
import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from edgebox.errors import ConfigError

OPPORTUNITY_BYTES = 1500
MAX_MS = 24 * 3600 * 1000
STEP_MS = 20
"""A generated rate holds this long: two LTE frames."""
OUTAGE_EVERY_S = 25.0
"""A handover, on average."""


@dataclass(frozen=True)
class Trace:
    """Moments (ms) at which OPPORTUNITY_BYTES may leave; it repeats after `period_ms`."""

    moments_ms: "array[int]"
    period_ms: int

    def count_until(self, at_ms: float) -> int:
        """Opportunities from the start until then, both included; the trace repeats."""
        rounds, rest_ms = divmod(at_ms, self.period_ms)
        return int(rounds) * len(self.moments_ms) + bisect_right(self.moments_ms, rest_ms)

    def moment_ms(self, index: int) -> int:
        """When opportunity `index` (from 0) is; the trace repeats."""
        rounds, rest = divmod(index, len(self.moments_ms))
        return rounds * self.period_ms + self.moments_ms[rest]

    def window(self, start_ms: int, end_ms: int) -> "Trace":
        """The part from `start_ms` until before `end_ms` as a trace of its own; it may go round.

        Raises ValueError when nothing may leave in it.
        """
        begin = self.count_until(start_ms - 1) if start_ms else 0
        end = self.count_until(end_ms - 1)
        moments_ms = array("q", (self.moment_ms(index) - start_ms for index in range(begin, end)))
        if not moments_ms:
            raise ValueError(f"no opportunity between {start_ms} and {end_ms} ms")
        return Trace(moments_ms, end_ms - start_ms)

    def slices(self, count: int, *, odd: bool) -> "Trace":
        """Every other of `count` equal slices, put together: from the second or from the first."""
        slice_ms = self.period_ms // count
        moments_ms: array[int] = array("q")
        for place, number in enumerate(range(int(odd), count, 2)):
            part = self.window(number * slice_ms, (number + 1) * slice_ms)
            moments_ms.extend(at_ms + place * slice_ms for at_ms in part.moments_ms)
        return Trace(moments_ms, slice_ms * (count // 2))

    @property
    def mean_bps(self) -> float:
        """Capacity over one period."""
        return len(self.moments_ms) * OPPORTUNITY_BYTES * 8000 / self.period_ms


def open_trace(name: str) -> Trace:
    """What `trace` in a lane's settings names: a file, or `lte:SEED:MEAN_BPS` to generate one.

    Raises ConfigError.
    """
    if not name.startswith("lte:"):
        return read_trace(Path(name))
    found = re.fullmatch(r"lte:([0-9]{1,9}):([0-9]{4,9})", name)
    if not found:
        raise ConfigError(f"{name}: expected lte:SEED:MEAN_BPS, both whole numbers, 1000 or more")
    return generate_trace(int(found[1]), float(found[2]))


def read_trace(path: Path) -> Trace:
    """Read a file. Raises ConfigError naming file and line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: trace cannot be read: {error.strerror}") from error
    return parse_trace(data, str(path))


def parse_trace(data: bytes, name: str = "trace") -> Trace:
    """Read Mahimahi's format. Raises ConfigError naming the line."""
    moments_ms: array[int] = array("q")
    last_ms = 0
    for number, line in enumerate(data.splitlines(), 1):
        text = line.strip()
        if not text:
            continue
        # Not int() alone: it takes underscores, signs and digits of other scripts.
        if not (text.isdigit() and len(text) <= len(str(MAX_MS)) and int(text) <= MAX_MS):
            raise ConfigError(f"{name}:{number}: expected milliseconds, 0 to {MAX_MS}")
        at_ms = int(text)
        if at_ms < last_ms:
            raise ConfigError(f"{name}:{number}: {at_ms} ms is before the line above ({last_ms})")
        moments_ms.append(at_ms)
        last_ms = at_ms
    if last_ms == 0:
        raise ConfigError(f"{name}: a trace must last longer than 0 ms")
    return Trace(moments_ms, last_ms)


def generate_trace(seed: int, mean_bps: float, duration_s: float = 60.0) -> Trace:
    """Something like LTE from a moving vehicle; the same seed gives the same trace.

    The logarithm of the rate wanders (fast fading on slow shadowing) and handovers of 50 to
    400 ms let nothing through. Made up, not measured: good for showing, not for figures.
    """
    chance = random.Random(seed)
    shadow, fade, outage_until_ms = 0.0, 0.0, 0
    weights: list[float] = []
    steps = max(1, round(duration_s * 1000 / STEP_MS))
    for step in range(steps):
        shadow = 0.998 * shadow + 0.035 * chance.gauss(0, 1)
        fade = 0.9 * fade + 0.12 * chance.gauss(0, 1)
        if chance.random() < STEP_MS / 1000 / OUTAGE_EVERY_S:
            outage_until_ms = step * STEP_MS + chance.randrange(50, 400)
        out = step * STEP_MS < outage_until_ms
        weights.append(0.0 if out else math.exp(shadow + fade))
    per_step = mean_bps * STEP_MS / 1000 / 8 / OPPORTUNITY_BYTES * steps / (sum(weights) or 1.0)
    moments_ms: array[int] = array("q")
    owed = 0.0
    for step, weight in enumerate(weights):
        before, owed = owed, owed + weight * per_step
        due = math.floor(owed) - math.floor(before)
        moments_ms.extend(step * STEP_MS + (i * STEP_MS) // due for i in range(due))
    period_ms = steps * STEP_MS
    return Trace(moments_ms or array("q", [0]), period_ms)
