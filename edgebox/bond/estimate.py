"""What one link can do, seen from its sender: delays, queue, delivered rate, capacity, loss.

Theory. All one-way delays are receiver's clock minus sender's clock, so they hold an unknown but
common offset: the 10 s minimum of a link is its base delay, that of a small packet. What exceeds
it, less the time the packet's own bytes take, is the link's queue, and differences between links
are exact. While a queue stands, what has come out since the link was last idle is what it
carries: that sample sets the capacity, up or down. Without a queue a sample only says what was
sent (application-limited): it never lowers the capacity, which then grows by itself, held to a
multiple of what has been delivered, until a queue shows where the limit is. A burst, which is
sent faster than the capacity thought of, tells more: if its last packet met less of a queue than
the burst should have made, the link carries what passed, and the capacity is that at once.
"""

from collections import deque
from typing import NamedTuple

BASE_WINDOW_S = 10.0
POINTS_S = 1.0
"""Acknowledged points kept for rates."""
POINTS_MAX = 512
"""Of them, whatever the far end says of its clock."""
RATE_S = 0.3
"""A delivered rate is an average over this, at least MIN_RATE_S."""
MIN_RATE_S = 0.06
STANDING_S = 0.08
"""The least queue over this long is standing, not the transient of one frame."""
QUEUE_LOW_S = 0.010
QUEUE_HIGH_S = 0.020
IDLE_S = 0.002
"""A link is not idle for less than this: clocks and acknowledgements are not finer."""
UNKNOWN_RTT_S = 0.1
START_BPS = 600_000.0
FLOOR_BPS = 10_000.0
START_GROWTH = 3.0
"""Factor per second until the first queue is seen."""
REGAIN_GROWTH = 1.5
"""Factor per second below a capacity that was seen in the last REGAIN_S."""
PRESSED_GROWTH = 30.0
"""Factor per second while datagrams wait for us: only our own estimate holds them back."""
PRESSED_S = 0.05
GROWTH = 1.08
REGAIN_S = 20.0
HEADROOM = 1.5
"""Capacity never grows beyond this many times the highest delivered rate."""
STALE_S = 60.0
"""A capacity that was not made use of for so long is worth half, and so on down to the start."""
LOSS_S = 1.0
USUAL_PACKETS = 1000
BURST_BYTES = 6_000
"""From so much in a row the link's rate can be told."""
BURST_LEAST_S = 0.003
"""Delays are not known better."""
RESCUE_S = 0.090
"""Unacknowledged this long: again over another link. At 60 ms it costs four times as much on a
link of varying delay; on one of steady delay (RFC 6298) less is enough."""
RESCUE_LEAST_S = 0.050
RESCUE_VAR_S = 0.010
RESCUE_ACK_S = 0.015
"""Acknowledgements are collected for 10 ms."""
HELD_DECAY = 0.9
"""Where they are collected for longer, that is expected again for some of them."""


class WindowedMin:
    """Least value of the last `window_s`, in ten buckets."""

    def __init__(self, window_s: float):
        self._width_s = window_s / 10
        self._buckets: deque[tuple[int, float]] = deque()
        self.value = float("inf")

    def update(self, value: float, now: float) -> None:
        """Take a value; `value` is then the least of the window."""
        bucket = int(now / self._width_s)
        buckets = self._buckets
        if buckets and buckets[-1][0] == bucket:
            if value < buckets[-1][1]:
                buckets[-1] = (bucket, value)
        else:
            buckets.append((bucket, value))
        while buckets[0][0] <= bucket - 10:
            buckets.popleft()
        self.value = min(least for _, least in buckets)


class _Point(NamedTuple):
    """What an acknowledgement said of its newest packet."""

    received_s: float
    bytes_total: int
    queue_s: float
    """It met."""
    busy: bool
    """The link was sending all the time since the point before."""


class Estimate:
    """Fed with each acknowledgement that moves a link on."""

    def __init__(self, now: float, capacity_bps: float = START_BPS):
        self.capacity_bps = capacity_bps
        self.delivered_bps = 0.0
        self.queue_s = 0.0
        """Latest queueing delay towards the far end."""
        self.standing_s = 0.0
        self.known = False
        """Something has come back."""
        self.min_rtt_s = UNKNOWN_RTT_S
        """Least round trip of the last 10 s."""
        self.srtt_s = 0.0
        self.rttvar_s = 0.0
        self.loss = 0.0
        self.usual_loss = 0.0
        """Over the last USUAL_PACKETS or so."""
        self.starting = True
        """No queue has been seen yet: the capacity is only a lower bound."""
        self.pressed_at = -1e9
        """When datagrams last waited though the link was not known to be full."""
        self.held_s = 0.0
        """Acknowledgements are held so much longer than usual: the way back is poor."""
        self._base = WindowedMin(BASE_WINDOW_S)
        self._rtt = WindowedMin(BASE_WINDOW_S)
        self._peak = WindowedMin(BASE_WINDOW_S)
        self._points: deque[_Point] = deque(maxlen=POINTS_MAX)
        self._grown_at = now
        self._used_at = now
        self._seen_bps = 0.0
        self._seen_at = now
        self._losses: deque[tuple[float, int, int]] = deque()

    @property
    def base_s(self) -> float:
        """Least one-way delay, with the offset common to all links."""
        return self._base.value

    @property
    def peak_bps(self) -> float:
        """Highest delivered rate of the last 10 s."""
        return -self._peak.value if self._points else 0.0

    def rescue_after_s(self) -> float:
        """What is not acknowledged by then goes again over another link."""
        usual_s = self.srtt_s + max(4 * self.rttvar_s, RESCUE_VAR_S) + RESCUE_ACK_S
        most_s = max(RESCUE_S, self.min_rtt_s + 0.020)
        after_s = min(most_s, max(usual_s, RESCUE_LEAST_S)) if self.known else most_s
        return after_s + self.held_s

    @property
    def lasting_bps(self) -> float:
        """What it carries for longer than a burst, as far as that has been seen."""
        return min(self.capacity_bps, max(START_BPS, HEADROOM * self.peak_bps))

    def on_progress(
        self,
        now: float,
        rtt_s: float,
        delay_s: float,
        received_s: float,
        bytes_total: int,
        size: int,
        burst_bytes: int = 0,
        burst_s: float = 0.0,
    ) -> None:
        """An acknowledgement with a new highest packet of `size` bytes came.

        `delay_s`: its one-way delay with the common offset. `received_s`: receiver's clock then.
        `bytes_total`: all that has arrived on the link until then. `burst_bytes` were sent in the
        `burst_s` before it, itself included, without a predicted pause.
        """
        self._take_rtt(rtt_s, now)
        self._base.update(delay_s, now)
        # A jump of the far clock looks like a queue on every link; the round trip knows better.
        longer_s = delay_s - self._base.value
        taken_s = max(0.0, min(longer_s, rtt_s - self._rtt.value + 0.005))
        # The least delay is that of a small packet. On a slow link a large one needs long to be
        # sent even with nothing before it, and that is no queue.
        self.queue_s = max(0.0, taken_s - size * 8 / self.capacity_bps)
        self._take_point(received_s, bytes_total, taken_s)
        if burst_bytes >= BURST_BYTES and taken_s >= longer_s:
            self._take_burst(burst_bytes * 8 / max(BURST_LEAST_S, burst_s + taken_s))
        if self.delivered_bps:
            self._peak.update(-self.delivered_bps, now)
        self._update_capacity(now)

    def on_held(self, held_s: float) -> None:
        """The far end has held an acknowledgement for so long."""
        late_s = max(held_s - RESCUE_ACK_S, HELD_DECAY * self.held_s)
        self.held_s = late_s if late_s > 0.001 else 0.0

    def on_loss(self, now: float, acknowledged: int, lost: int) -> None:
        """Count packets that came through and packets given up."""
        self._losses.append((now, acknowledged, lost))
        while self._losses[0][0] < now - LOSS_S:
            self._losses.popleft()
        gone = sum(entry[2] for entry in self._losses)
        self.loss = gone / max(1, gone + sum(entry[1] for entry in self._losses))
        weight = min(1.0, (acknowledged + lost) / USUAL_PACKETS)
        self.usual_loss += (lost / max(1, acknowledged + lost) - self.usual_loss) * weight

    def forget_round_trip(self) -> None:
        """A clock did not run on: the least may be one that never was."""
        self._rtt = WindowedMin(BASE_WINDOW_S)

    def restart(self, now: float) -> None:
        """The link was away: what was known of its rate is only a hint now."""
        self._points.clear()
        self._base = WindowedMin(BASE_WINDOW_S)
        self._rtt = WindowedMin(BASE_WINDOW_S)
        self.known = False
        self.min_rtt_s = UNKNOWN_RTT_S
        self.srtt_s = 0.0
        self.queue_s = self.standing_s = 0.0
        self.capacity_bps = min(self.capacity_bps, START_BPS)
        self.starting = True
        self._grown_at = now

    def _take_rtt(self, rtt_s: float, now: float) -> None:
        """RFC 6298 (2)."""
        if not self.known:
            self.known = True
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
        else:
            self.rttvar_s += (abs(self.srtt_s - rtt_s) - self.rttvar_s) / 4
            self.srtt_s += (rtt_s - self.srtt_s) / 8
        self._rtt.update(rtt_s, now)
        self.min_rtt_s = self._rtt.value

    def _take_point(self, received_s: float, bytes_total: int, taken_s: float) -> None:
        points = self._points
        # It was at the link before the point before it came out: no moment was idle in between.
        busy = bool(points) and taken_s >= received_s - points[-1].received_s - IDLE_S
        points.append(_Point(received_s, bytes_total, self.queue_s, busy))
        while points[0].received_s < received_s - POINTS_S:
            points.popleft()
        self.standing_s = min(
            point.queue_s for point in points if point.received_s >= received_s - STANDING_S
        )
        self.delivered_bps = self._rate(busy=False) or self.delivered_bps

    def _rate(self, *, busy: bool) -> float:
        """Delivered rate over up to RATE_S; `busy`: only back to the link's last idle moment."""
        first = last = self._points[-1]
        for point in reversed(self._points):
            if last.received_s - point.received_s > RATE_S:
                break
            first = point
            if busy and not point.busy:
                # The link was idle before this point, but it is where the busy time began.
                break
        span_s = last.received_s - first.received_s
        if span_s < MIN_RATE_S:
            return 0.0
        return (last.bytes_total - first.bytes_total) * 8 / span_s

    def _update_capacity(self, now: float) -> None:
        self._age(now)
        elapsed_s = min(now - self._grown_at, 0.2)
        self._grown_at = now
        if self.standing_s > QUEUE_LOW_S:
            sample_bps = self._rate(busy=True)
            if sample_bps:
                self._take_sample(sample_bps, now)
        elif self.standing_s < QUEUE_LOW_S:
            self._grow(elapsed_s, now)

    def _age(self, now: float) -> None:
        """The vehicle has moved on since."""
        if self.delivered_bps > 0.2 * self.capacity_bps:
            self._used_at = now
        elif now - self._used_at > STALE_S and self.capacity_bps > START_BPS:
            self.capacity_bps = max(START_BPS, self.capacity_bps / 2)
            self.starting = True
            self._used_at = now

    def _take_sample(self, sample_bps: float, now: float) -> None:
        """The link was busy all the time: this is what it carries."""
        if sample_bps > self.capacity_bps:
            self.capacity_bps += (sample_bps - self.capacity_bps) / 4
        elif self.standing_s > QUEUE_HIGH_S:
            if self.capacity_bps > self._seen_bps or now - self._seen_at > REGAIN_S:
                self._seen_bps = self.capacity_bps
                self._seen_at = now
            self.capacity_bps = max(FLOOR_BPS, sample_bps)
            self.starting = False

    def _take_burst(self, passed_bps: float) -> None:
        """So much passed without a larger queue than it made itself: the link carries it."""
        self.capacity_bps = max(self.capacity_bps, passed_bps)

    def _grow(self, elapsed_s: float, now: float) -> None:
        factor = GROWTH
        if now - self.pressed_at < PRESSED_S:
            factor = PRESSED_GROWTH
        elif self.starting:
            factor = START_GROWTH
        elif self.capacity_bps < 0.8 * self._seen_bps and now - self._seen_at < REGAIN_S:
            factor = REGAIN_GROWTH
        limit_bps = max(START_BPS, HEADROOM * self.peak_bps)
        grown_bps = self.capacity_bps * factor**elapsed_s
        self.capacity_bps = max(self.capacity_bps, min(grown_bps, limit_bps))
