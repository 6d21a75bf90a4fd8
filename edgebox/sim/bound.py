"""What no scheduler can beat: delivery by one that knows every capacity, cut and loss to come.

Definition. Frames are captured one after another. A link is a supply of bytes over time: what its
rate or trace lets through while it is neither cut nor losing everything; each byte arrives one
least delay after it left. A frame counts as delivered within D when all its bytes (payload and 28
bytes of IP and UDP for each packet, no header of a bond) leave between its capture and D less
that delay, over any links, cut up at will between them. `Bound.within(D)` is the largest number
of frames for which that is possible at once: frames that cannot make it are left out as if known
in advance, nothing waits that need not, and nothing is spent on copies or acknowledgements.

Why nobody is faster. Every rule is a relaxation of the simulator's: bytes are divisible where
packets are not, random loss and jitter never happen, queues never overflow, a datagram cut off
half way costs nothing. So the frames that any scheduler delivered within D are one of the sets
the maximum is taken over. A percentile is the least D (in whole milliseconds, rounded down) that
as many frames can meet: each percentile is a maximum of its own, and no single schedule need
reach all of them.

How it is computed. Both ends of the time window of frames move forward together, so first come,
first served is optimal for any set of them, and the condition for a set is that of one machine
with release times (bytes supplied until capture) and due times (bytes that can have arrived by
capture + D). The largest set is found by the method of Kise, Ibaraki and Mine (Operations
Research 26, 1978, 121-126): take frames in order, and when one is late drop the one that gives
back most time. Besides, each frame alone, in packets, must be able to make it over empty links.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from edgebox.sim.lane import HEADER_BYTES, LaneSettings
from edgebox.sim.rtp_stream import PACKET_HEADERS, PACKET_PAYLOAD, Frame
from edgebox.sim.traces import OPPORTUNITY_BYTES, Trace

UNLIMITED_BPS = 10e9
EDGE_S = 1e-6
"""Times are rounded by less than this: in doubt an opportunity can be used."""
History = Sequence[tuple[float, LaneSettings, Trace | None]]


@dataclass(frozen=True)
class Load:
    """One frame to carry."""

    captured_at: float
    wire_bytes: float
    """Of all its packets, with IP and UDP."""
    packets: int
    packet_bytes: float
    """Of each but the last."""

    @staticmethod
    def of(frame: Frame) -> "Load":
        """Of a stream's frame."""
        outer = PACKET_HEADERS + HEADER_BYTES
        full = PACKET_PAYLOAD + outer if frame.packets > 1 else frame.size + outer
        return Load(frame.captured_at, frame.size + frame.packets * outer, frame.packets, full)


class Supply:
    """Bytes a link can have taken (and delivered) until a time, from its settings' history."""

    def __init__(self, history: History, end: float):
        self._at: list[float] = [-math.inf]
        self._bytes: list[float] = [0.0]
        self._slope: list[float] = [0.0]
        self.delay_s = min(settings.delay_ms for _, settings, _ in history) / 1000
        self._delays: list[tuple[float, float]] = []
        trace: Trace | None = None
        origin_at = 0.0
        before: LaneSettings | None = None
        for index, (at, settings, given) in enumerate(history):
            until = history[index + 1][0] if index + 1 < len(history) else end
            if before is None or (before.rate_bps, before.trace) != (
                settings.rate_bps,
                settings.trace,
            ):
                trace, origin_at = given, at
            before = settings
            self._delays.append((at, settings.delay_ms / 1000))
            self._add(settings, trace, origin_at, at, until)

    def _add(
        self, settings: LaneSettings, trace: Trace | None, origin_at: float, at: float, until: float
    ) -> None:
        if settings.cut or settings.loss >= 1.0:
            self._point(at, self._bytes[-1], 0.0)
        elif trace is None:
            slope = (settings.rate_bps or UNLIMITED_BPS) / 8
            self._point(at, self._bytes[-1], slope)
            self._point(until, self._bytes[-1] + slope * (until - at), 0.0)
        else:
            self._add_trace(trace, origin_at, at, until)

    def _add_trace(self, trace: Trace, origin_at: float, at: float, until: float) -> None:
        total = self._bytes[-1]
        index = trace.count_until(max(0.0, (at - origin_at) * 1000))
        last = trace.count_until(max(0.0, (until - origin_at) * 1000))
        for number in range(index, last):
            total += OPPORTUNITY_BYTES
            self._point(origin_at + trace.moment_ms(number) / 1000, total, 0.0)

    def _point(self, at: float, total: float, slope: float) -> None:
        self._at.append(at)
        self._bytes.append(total)
        self._slope.append(slope)

    def until(self, at: float) -> float:
        """Bytes that can have left by then."""
        index = bisect_right(self._at, at) - 1
        slope = self._slope[index]
        return self._bytes[index] + (slope * (at - self._at[index]) if slope else 0.0)

    def arrived(self, at: float) -> float:
        """Bytes that can have arrived by then."""
        if len(self._delays) == 1 or self._is_constant_delay():
            return self.until(at - self.delay_s)
        return self.until(self._latest_departure(at))

    def _is_constant_delay(self) -> bool:
        return all(delay_s == self.delay_s for _, delay_s in self._delays)

    def _latest_departure(self, at: float) -> float:
        """The last moment from which a byte can be there at `at`."""
        latest = -math.inf
        for index, (begins_at, delay_s) in enumerate(self._delays):
            ends_at = self._delays[index + 1][0] if index + 1 < len(self._delays) else math.inf
            departs_at = min(at - delay_s, ends_at)
            if departs_at >= begins_at:
                latest = max(latest, departs_at)
        return latest

    def when(self, total: float) -> float:
        """The first moment by which so many bytes have left; infinite if never."""
        low, high = 0, len(self._bytes) - 1
        if self._bytes[high] < total:
            return math.inf
        while low < high:
            middle = (low + high) // 2
            if self._bytes[middle] < total:
                low = middle + 1
            else:
                high = middle
        slope = self._slope[low - 1] if low else 0.0
        if not slope:
            return self._at[low]
        return self._at[low - 1] + (total - self._bytes[low - 1]) / slope


class Bound:
    """The bound for these frames over these links (histories of their upward lanes)."""

    def __init__(self, loads: Sequence[Load], histories: Sequence[History], end: float):
        self.loads = loads
        self._supplies = [Supply(history, end) for history in histories]
        self._taken = [
            [supply.until(load.captured_at - EDGE_S) for load in loads] for supply in self._supplies
        ]
        self.alone_s = [self._alone(number) for number in range(len(loads))]
        """Least delay of each frame if it had all links for itself."""
        self._known: dict[float, int] = {}

    def within(self, limit_s: float) -> int:
        """The most frames that can be complete so soon after their capture."""
        if limit_s not in self._known:
            self._known[limit_s] = self._largest_set(limit_s)
        return self._known[limit_s]

    def share_within(self, limit_s: float) -> float:
        """The same as a share of all frames."""
        return self.within(limit_s) / max(1, len(self.loads))

    def rate_bytes(self, limit_s: float, most_bytes: float) -> float:
        """Bytes (of packets on the wire) an encoder that knows the future could deliver in time.

        Each frame is as large as still makes `limit_s`, at most `most_bytes`.
        """
        release, due = self._windows(limit_s)
        done = total = 0.0
        for at, limit in zip(release, due, strict=True):
            start = max(done, at)
            size = min(most_bytes, max(0.0, limit - start))
            done = start + size
            total += size
        return total

    def _windows(self, limit_s: float) -> tuple[list[float], list[float]]:
        release = [0.0] * len(self.loads)
        due = [0.0] * len(self.loads)
        for supply, taken in zip(self._supplies, self._taken, strict=True):
            if supply.delay_s > limit_s:
                continue
            for number, load in enumerate(self.loads):
                release[number] += taken[number]
                arrived = supply.arrived(load.captured_at + limit_s + EDGE_S)
                due[number] += max(arrived, taken[number])
        return release, due

    def _alone(self, number: int) -> float:
        """Least delay of a frame that has all links for itself, in whole packets.

        All but the last packet are alike: each goes where it arrives first (optimal for equal
        jobs). The last, which may be small, is left out.
        """
        load = self.loads[number]
        count = max(1, load.packets - 1)
        size = load.packet_bytes
        least = math.inf
        used = [taken[number] for taken in self._taken]
        arrival = 0.0
        for _ in range(count):
            best, least = -1, math.inf
            for index, supply in enumerate(self._supplies):
                at = supply.when(used[index] + size) + supply.delay_s
                if at < least:
                    best, least = index, at
            if best < 0:
                return math.inf
            used[best] += size
            arrival = max(arrival, least)
        return arrival - load.captured_at

    def _largest_set(self, limit_s: float) -> int:
        release, due = self._windows(limit_s)
        kept: list[tuple[float, float, float]] = []  # release, size, done
        done = 0.0
        for number, load in enumerate(self.loads):
            if self.alone_s[number] > limit_s + 1e-6:
                continue
            done = max(done, release[number]) + load.wire_bytes
            kept.append((release[number], load.wire_bytes, done))
            if done > due[number] + 1e-6:
                done = _drop_best(kept)
        return len(kept)


def _drop_best(kept: list[tuple[float, float, float]]) -> float:
    """Leave out the frame that lets the rest be done soonest; gives when that is."""
    last = len(kept) - 1
    best, best_gain = last, -1.0
    slack = math.inf
    for place in range(last, -1, -1):
        release, _, done = kept[place]
        before = kept[place - 1][2] if place else -math.inf
        gain = min(done - before, slack)
        if gain > best_gain:
            best, best_gain = place, gain
        slack = min(slack, max(0.0, before - release))
        if slack <= best_gain:
            break
    del kept[best]
    done = kept[best - 1][2] if best else -math.inf
    for place in range(best, len(kept)):
        release, size, _ = kept[place]
        done = max(done, release) + size
        kept[place] = (release, size, done)
    return done


def percentile_s(bounds: Sequence[Bound], share: float, *, most_s: float = 60.0) -> float:
    """The least delay that `share` of the frames of all these runs together can keep.

    Whole milliseconds, rounded down; infinite when so many cannot be delivered in `most_s`.
    """
    total = sum(len(bound.loads) for bound in bounds)
    needed = min(total, int(share * total) + 1)

    def enough(limit_ms: int) -> bool:
        return sum(bound.within(limit_ms / 1000) for bound in bounds) >= needed

    low, high = 0, 64
    while not enough(high):
        low, high = high, 2 * high
        if high > most_s * 1000:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return low / 1000
