"""Finding out whether links live and what they carry: pings, copies on idle links, proof."""

from collections.abc import Callable
from typing import Protocol

from edgebox.bond.datagram import Datagram
from edgebox.bond.links import Links
from edgebox.bond.meter import Allowance
from edgebox.bond.path import PROOF_BYTES, PROOF_PACKETS, SILENCE_S, Path, PathState
from edgebox.bond.wire import HEADER_SIZE, OVERHEAD, TAG_SIZE, Copy

PROBE_SHARE = 0.02
PROBE_BURST = 24_000
PROBE_PACKETS = 8
PROBE_EVERY_S = 5.0
"""A link that carried no data for so long gets copies of a few, to know what it carries."""
PING_S = 0.25
IDLE_PING_S = 1.0
IDLE_S = 5.0
SUSPECT_PING_S = 0.1
TAIL_PING_S = 0.02
DEAD_PING_S = 1.0

Transmit = Callable[[Datagram, Path, Copy, float], None]


class SendPing(Protocol):
    """Sends a control packet that wants an acknowledgement."""

    def __call__(self, path: Path, now: float, *, pad_to: int = 0) -> None:
        """`pad_to`: bytes of the body."""


class Probing:
    """Decides what to send; the sender sends it."""

    def __init__(self, links: Links, transmit: Transmit, ping: SendPing):
        self._links = links
        self._transmit = transmit
        self._ping = ping
        self._allowance = Allowance(PROBE_SHARE, PROBE_BURST)

    def earn(self, size: int) -> None:
        """Ordinary bytes were sent."""
        self._allowance.earn(size)

    def copy(self, datagram: Datagram, used: Path, now: float) -> None:
        """Let idle links carry copies of a few packets in a row, so that their rate is known."""
        for path in self._links.usable:
            if path is used or path.metered:
                continue
            if path.last_data_at < now - PROBE_EVERY_S and self._allowance.left >= PROBE_BURST / 2:
                path.probes = PROBE_PACKETS
            if not path.probes:
                continue
            size = len(datagram.payload) + OVERHEAD
            fits = size <= path.mtu.size
            if fits and path.wait_s(size, now) == 0 and self._allowance.spend(size):
                path.probes -= 1
                self._transmit(datagram, path, Copy.PROBE, now)

    def look(self, path: Path, data_at: float, now: float) -> None:
        """Ping the link if it is time; `data_at`: when datagrams were last accepted."""
        if not path.attached or now < path.probe_at:
            return
        if path.state is PathState.UP and path.share < 1.0:
            self._prove(path, now)
        elif now - path.last_eliciting_at >= self._every_s(path, data_at, now):
            self._ping(path, now)

    def _every_s(self, path: Path, data_at: float, now: float) -> float:
        if path.state is PathState.SUSPECT:
            return SUSPECT_PING_S
        if path.state is PathState.DOWN:
            return PING_S if now - path.since < 10 else DEAD_PING_S
        if path.silence_s(now) > SILENCE_S and path.waiting < 3:
            return TAIL_PING_S
        idle = now - data_at > IDLE_S
        return IDLE_PING_S if idle and path.estimate.known else PING_S

    def _prove(self, path: Path, now: float) -> None:
        """A link that has returned shows with packets as large as data that it is fit.

        The first goes alone: where it needs long, four would block the link for seconds.
        """
        path.probe_at = now + max(0.2, 2 * path.estimate.srtt_s)
        pad_to = min(PROOF_BYTES, path.mtu.size - HEADER_SIZE - TAG_SIZE)
        for _ in range(PROOF_PACKETS - path.proof if path.proof else 1):
            self._ping(path, now, pad_to=pad_to)
