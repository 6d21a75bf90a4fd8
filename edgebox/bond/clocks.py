"""Delays between two clocks, and what to do when one of the clocks did not run on as the other.

All one-way delays of a direction are receiver's clock minus sender's, from an origin common to all
links, so what is compared is exact though the clocks do not agree. Neither clock is ever set, but
one may stand still while the other goes on (a suspended machine, a virtual one that is moved) or
be far ahead of it afterwards. Then all delays are longer or shorter by the same time.

    longer     looks like a queue on every link, but the round trip, which is told by one clock
               alone, has not grown
    shorter    makes the link that is heard of first look better than all others

Either way the origin moves with the delays, and all links stay comparable.
Packets that were under way at such a moment are no measure of anything, and round trips taken
around it are forgotten. We notice ourselves when we were not run (`on_away`).
"""

from collections.abc import Mapping

from edgebox.bond.control import Ack
from edgebox.bond.path import Path, Sent
from edgebox.bond.wire import WRAP, difference, unwrap

RTT_LEAST_S = 0.0005
SHIFT_S = 0.050
"""So much later without a longer round trip: a clock, not a queue."""
SETTLE_S = 1.0
HELD_MAX_S = 0.5
"""No acknowledgement is held so long, the clock at its far end jumped."""


class Clocks:
    """Of one direction."""

    def __init__(self, paths: Mapping[int, Path]):
        """`paths`: the links, as they come and go."""
        self.shifts = 0
        """How often the origin was moved."""
        self._paths = paths
        self._origin: int | None = None
        self._moved_at = -1e9
        self._even_from = -1e9
        """Packets sent before are no measure."""

    def measure(self, path: Path, ack: Ack, newest: Sent, ack_sent_us: int, now: float) -> None:
        """Tell the estimate of the link what the newest packet met."""
        path.received_s += difference(ack.received_us, path.received_us) / 1e6
        path.received_us = ack.received_us
        path.bytes_total = unwrap(ack.bytes_total, path.bytes_total)
        held_s = max(0.0, difference(ack_sent_us, ack.received_us) / 1e6)
        if newest.sent_at < self._even_from or held_s > HELD_MAX_S:
            return
        path.estimate.on_held(held_s)
        rtt_s = max(RTT_LEAST_S, now - newest.sent_at - held_s)
        path.estimate.on_progress(
            now,
            rtt_s,
            self._delay_s(path, (ack.received_us - newest.sent_us) % WRAP, rtt_s, now),
            path.received_s,
            path.bytes_total,
            newest.size,
            newest.burst_bytes,
            newest.sent_at - newest.burst_at,
        )
        path.correct_queue(newest, path.estimate.queue_s, now)

    def on_away(self, now: float) -> None:
        """We were not run until now, or our clock jumped."""
        self._even_from = now

    def _delay_s(self, path: Path, delay_us: int, rtt_s: float, now: float) -> float:
        """From the origin, which moves if need be."""
        if self._origin is None:
            self._origin = delay_us
        delay_s = difference(delay_us, self._origin) / 1e6
        if not self._is_off(path, delay_s, rtt_s, now):
            return delay_s
        estimate = path.estimate
        self.shifts += 1
        self._origin = (delay_us - round(estimate.base_s * 1e6)) % WRAP
        self._even_from = self._moved_at = now
        for one in self._paths.values():
            one.estimate.forget_round_trip()
        return estimate.base_s

    def _is_off(self, path: Path, delay_s: float, rtt_s: float, now: float) -> bool:
        """The delay has changed by what the round trip does not confirm."""
        estimate = path.estimate
        if not estimate.known:
            return False
        later_s = delay_s - estimate.base_s
        grown_s = rtt_s - estimate.min_rtt_s
        if later_s > 0:
            return later_s - max(0.0, grown_s) > SHIFT_S
        # A link whose way there became shorter and whose way back longer looks so too, and then
        # all others look later: what they say counts.
        return max(later_s, later_s - grown_s) < -SHIFT_S and now - self._moved_at > SETTLE_S
