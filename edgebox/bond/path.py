"""One link as its sender knows it: what is under way, when it may send, whether it lives.

States, and what leads from one to the next:

    UP       -- loaded and silent for suspect_after_s ---------------> SUSPECT
    UP, SUSPECT, DOWN  -- the system says it cannot send ------------> DOWN
    SUSPECT  -- nothing has come back for DOWN_S --------------------> DOWN
    SUSPECT  -- anything of it acknowledged -------------------------> UP
    DOWN     -- acknowledged; `share` starts at 1/4 and doubles with
                each proof of PROOF_PACKETS data-sized packets ------> UP

SUSPECT and DOWN links get probes, and traffic only when no link is UP.
"""

from collections.abc import Hashable
from enum import Enum, IntEnum
from typing import Any

from edgebox.bond.estimate import Estimate
from edgebox.bond.mtu import MtuSearch

SILENCE_S = 0.060
"""Silence while loaded beyond this makes a link look later, twice as much as it is silent."""
STALL_S = 0.020
"""Acknowledgements come every 10 ms: a full budget and no word for so long is a stall."""
SUSPECT_S = 0.150
SUSPECT_MAX_S = 1.0
"""Whatever it was like before: what comes later is of no use."""
SUSPECT_PACKETS = 3
"""One lost ping on an idle link is no silence."""
DOWN_S = 1.0
PROOF_PACKETS = 4
PROOF_BYTES = 1000
SLOW_BPS = 100_000.0
"""A link known to be so slow would be blocked by its own proof."""
WINDOW_S = 0.040
"""Bytes under way may exceed rate x least round trip by this much time."""
COLD_PACKETS = 16
COLD_BYTES = COLD_PACKETS * 1280
LEAST_BYTES = 2 * 1280
PACING = 2.0
COLD_PACING = 8.0
"""Nothing is known yet: the budget of a cold link may go almost at once."""
BURST_S = 0.004
"""Pacing lets this much go at once: timers are not finer."""


class PathState(Enum):
    """See the module's table."""

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"


class Use(IntEnum):
    """What the operator wants a link used for; on the wire in LINK_USE."""

    ORDINARY = 0
    RESERVE = 1
    """Only when those before it do not suffice."""
    LAST = 2
    """Only when no other is up."""
    CLOSED = 3


class Sent:
    """A packet under way."""

    __slots__ = ("announces", "burst_at", "burst_bytes", "datagram", "eliciting", "is_mtu_probe",
                 "number", "parity_of", "queue_s", "sent_at", "sent_us", "size")  # fmt: skip

    def __init__(
        self, number: int, size: int, sent_at: float, sent_us: int, *, eliciting: bool,
        datagram: Any, announces: bool = False, is_mtu_probe: bool = False,
    ):  # fmt: skip
        self.number = number
        self.size = size
        self.sent_at = sent_at
        self.sent_us = sent_us
        self.eliciting = eliciting
        self.datagram = datagram
        self.announces = announces
        """It says where its flow goes."""
        self.is_mtu_probe = is_mtu_probe
        self.parity_of: Any = None
        """The cover that it is a parity row of."""
        self.queue_s = 0.0
        """Queue this packet was predicted to meet, less the corrections known then."""
        self.burst_at = sent_at
        """When the burst it belongs to began: predicted to keep the link busy since then."""
        self.burst_bytes = size
        """Sent since then, this packet included."""


class Path:
    """One link, sending side."""

    def __init__(self, link: int, address: Hashable, now: float):
        self.link = link
        self.address = address
        self.estimate = Estimate(now)
        self.state = PathState.UP
        self.since = now
        self.attached = True
        """The system can send on it."""
        self.share = 1.0
        self.use = Use.ORDINARY
        self.silent = False
        """Loaded and silent for SILENCE_S: not SUSPECT yet, but no reason to spare others."""
        self.metered = False
        """It costs by volume: no copies only to measure it."""
        self.mtu = MtuSearch(now)
        self.sent: dict[int, Sent] = {}
        self.in_flight = 0
        self.ready_at = now
        self.last_data_at = -1e9
        self.last_eliciting_at = -1e9
        self.last_progress_at = now
        self.last_received_at = now
        self.acknowledged = -1
        """Highest packet number known to have arrived."""
        self.waiting = 0
        """Eliciting packets under way."""
        self.waiting_since = 0.0
        """When the oldest of them was sent; 0 if none."""
        self.proof = 0
        self.probes = 0
        self.probe_at = now
        self._queue_s = 0.0
        self._queue_at = now
        self._shift_s = 0.0
        self._burst_at = now
        self._burst_bytes = 0
        self.received_us = 0
        self.received_s = 0.0
        self.bytes_total = 0
        self.bytes_sent = 0
        self.bytes_received = 0

    # Prediction

    @property
    def rate_bps(self) -> float:
        """What the scheduler may count on."""
        return self.estimate.capacity_bps * self.share

    def confidence(self, now: float) -> float:
        """1 while acknowledgements come, falling to 0 when silence makes it SUSPECT."""
        beyond_s = self.silence_s(now) - SILENCE_S
        return 1.0 - min(1.0, max(0.0, beyond_s) / (SUSPECT_S - SILENCE_S))

    def queue_s(self, now: float) -> float:
        """Predicted queue a packet sent now would meet."""
        return max(0.0, self._queue_s - (now - self._queue_at))

    def silence_s(self, now: float) -> float:
        """How much longer than expected nothing has been acknowledged while loaded."""
        if not self.waiting_since:
            return 0.0
        usual_s = min(self.estimate.srtt_s, SUSPECT_MAX_S)
        expected = max(self.last_progress_at, self.waiting_since + usual_s)
        return max(0.0, now - expected - self.estimate.held_s)

    def wait_s(self, size: int, now: float) -> float:
        """Until pacing and budget let a packet of this size go."""
        wait_s = self.ready_at - now
        over = self.in_flight + size - self.budget()
        if over > 0:
            # The budget frees itself only while acknowledgements come.
            stalled_s = 2 * max(0.0, self.silence_s(now) - STALL_S)
            held_s = over * 8 / self.rate_bps + stalled_s
            if held_s > wait_s:
                wait_s = held_s
        return max(0.0, wait_s)

    def arrival_s(self, size: int, now: float) -> float:
        """Predicted time until a packet of this size arrives, plus the offset of all delays."""
        estimate = self.estimate
        delay_s = self._queue_s - (now - self._queue_at)
        wait_s = self.wait_s(size, now)
        if wait_s > delay_s:
            delay_s = wait_s
        arrival_s = delay_s + size * 8 / (estimate.capacity_bps * self.share)
        if self.waiting_since:
            silence_s = self.silence_s(now)
            if silence_s > SILENCE_S:
                arrival_s += 2 * (silence_s - SILENCE_S)
        return arrival_s + (estimate.base_s if estimate.known else 1e3)

    def budget(self) -> int:
        """Bytes that may be under way."""
        estimate = self.estimate
        least = COLD_BYTES if estimate.starting and self.share == 1.0 else LEAST_BYTES
        window = int(estimate.capacity_bps * self.share / 8 * (estimate.min_rtt_s + WINDOW_S))
        return max(least, window)

    # Progress

    def on_sent(self, sent: Sent, now: float) -> None:
        """A packet was sealed and handed out."""
        sent.queue_s = self.queue_s(now) - self._shift_s
        self.sent[sent.number] = sent
        self.bytes_sent += sent.size
        if not sent.eliciting:
            return
        self.in_flight += sent.size
        self.waiting += 1
        self.last_eliciting_at = now
        if not self.waiting_since:
            self.waiting_since = now
        duration_s = sent.size * 8 / self.rate_bps
        queue_s = self.queue_s(now)
        if queue_s == 0.0:
            self._burst_at, self._burst_bytes = now, 0
        self._burst_bytes += sent.size
        sent.burst_at, sent.burst_bytes = self._burst_at, self._burst_bytes
        self._queue_s = queue_s + duration_s
        self._queue_at = now
        pace_s = duration_s / (COLD_PACING if self.estimate.starting else PACING)
        self.ready_at = max(self.ready_at, now - BURST_S) + pace_s

    def correct_queue(self, sent: Sent, measured_s: float, now: float) -> None:
        """Shift the predicted queue by the error of an acknowledged prediction.

        Packets under way were predicted with the same error: what is corrected once for one of
        them must not be corrected again for the next.
        """
        error_s = measured_s - (sent.queue_s + self._shift_s)
        self._shift_s += error_s
        self._queue_s = max(0.0, self.queue_s(now) + error_s)
        self._queue_at = now

    def forget(self, sent: Sent) -> None:
        """A packet is no longer under way."""
        del self.sent[sent.number]
        if sent.eliciting:
            self.in_flight -= sent.size
            self.waiting -= 1

    def settle_waiting(self) -> None:
        """Find the oldest eliciting packet still under way."""
        self.waiting_since = next(
            (sent.sent_at for sent in self.sent.values() if sent.eliciting), 0.0
        )

    # Life

    def excuse(self, now: float) -> None:
        """The silence until now was ours."""
        self.last_progress_at = now

    def suspect_after_s(self) -> float:
        """Silence that makes it SUSPECT."""
        estimate = self.estimate
        return max(SUSPECT_S, min(SUSPECT_MAX_S, estimate.srtt_s + 4 * estimate.rttvar_s))

    def update_state(self, now: float) -> bool:
        """Look at the silence; True if the state changed."""
        silence_s = self.silence_s(now)
        self.silent = silence_s > SILENCE_S
        if not self.attached:
            return self._enter(PathState.DOWN, now)
        enough = self.waiting >= SUSPECT_PACKETS
        if self.state is PathState.UP and enough and silence_s > self.suspect_after_s():
            return self._enter(PathState.SUSPECT, now)
        if self.state is PathState.SUSPECT and silence_s > DOWN_S:
            return self._enter(PathState.DOWN, now)
        return False

    def on_alive(self, now: float) -> bool:
        """Something of it was acknowledged; True if the state changed.

        Word of what it carried may come over another link when the system has lost this one.
        """
        if not self.attached:
            return False
        if self.state is PathState.DOWN:
            self.estimate.restart(now)
            self.share = 0.25 if self.estimate.capacity_bps > SLOW_BPS else 1.0
            self.proof = 0
        return self._enter(PathState.UP, now)

    def on_proof(self) -> None:
        """A data-sized packet was acknowledged."""
        if self.share >= 1.0:
            return
        self.proof += 1
        if self.proof >= PROOF_PACKETS:
            self.proof = 0
            self.share *= 2

    def _enter(self, state: PathState, now: float) -> bool:
        if state is self.state:
            return False
        self.state = state
        self.since = now
        return True
