"""Sending again what did not arrive, over another link, as long as it can be of use.

A datagram not acknowledged when it should be is looked at again; what is known to be lost, or was
under way on a link that fell silent, at once. Repair is paid from an allowance, a share of what
was sent, so that it cannot make a crowded link worse.
"""

import heapq
from collections.abc import Callable

from edgebox.bond.datagram import Datagram
from edgebox.bond.links import Links
from edgebox.bond.meter import Allowance
from edgebox.bond.path import SILENCE_S, STALL_S, Path, PathState
from edgebox.bond.schedule import choose
from edgebox.bond.wire import OVERHEAD, Copy

EXPECTED_S = 0.030
"""Beyond queue and round trip: the acknowledgement's own delay and some jitter."""
AGAIN_S = 0.030
AGAIN_LEAST_S = 0.005
RESCUES_MAX = 2
RESCUE_SHARE = 0.25
RESCUE_BURST = 64_000

Transmit = Callable[[Datagram, Path, Copy, float], None]


class Repair:
    """Watches what is under way."""

    def __init__(self, links: Links, transmit: Transmit):
        self._links = links
        self._transmit = transmit
        self._allowance = Allowance(RESCUE_SHARE, RESCUE_BURST)
        self._due: list[tuple[float, int, Datagram]] = []
        self._count = 0

    @property
    def next_at(self) -> float:
        """When something is due."""
        due = self._due
        while due and due[0][2].acknowledged:
            heapq.heappop(due)
        return due[0][0] if due else float("inf")

    def earn(self, size: int) -> None:
        """Ordinary bytes were sent."""
        self._allowance.earn(size)

    def watch(self, datagram: Datagram, path: Path, queue_s: float, now: float) -> None:
        """A copy goes over `path`, where it meets a queue of `queue_s`."""
        datagram.expected_at = now + queue_s + path.estimate.min_rtt_s + EXPECTED_S
        datagram.expected_at += path.estimate.held_s
        self._watch_until(datagram, now + path.estimate.rescue_after_s())

    def _watch_until(self, datagram: Datagram, due_at: float) -> None:
        if due_at < datagram.deadline_at:
            self._count += 1
            heapq.heappush(self._due, (due_at, self._count, datagram))

    def handle_due(self, now: float, *, crowded: bool) -> None:
        """Look at what should have been acknowledged by now; `crowded`: datagrams wait."""
        while self._due and self._due[0][0] <= now:
            datagram = heapq.heappop(self._due)[2]
            if datagram.acknowledged:
                continue
            if (crowded or now < datagram.expected_at) and self._is_moving(datagram, now):
                # It waits in a queue that moves. A copy would only take the place of another.
                self._watch_until(datagram, self._again_at(datagram, now, crowded=crowded))
            else:
                self.rescue(datagram, now)

    def _again_at(self, datagram: Datagram, now: float, *, crowded: bool) -> float:
        """When to look again; as soon as it is overdue where acknowledgements fail to come."""
        again_at = now + AGAIN_S
        if crowded or not self._is_silent(datagram, now):
            return again_at
        return min(again_at, max(datagram.expected_at, now + AGAIN_LEAST_S))

    def _is_silent(self, datagram: Datagram, now: float) -> bool:
        """No link that carries a copy has brought an acknowledgement lately, though it should."""
        return all(
            path.silence_s(now) > STALL_S
            for path in self._links.paths.values()
            if datagram.links >> path.link & 1
        )

    def _is_moving(self, datagram: Datagram, now: float) -> bool:
        """A link that carries a copy still brings acknowledgements."""
        return any(
            path.state is PathState.UP and path.silence_s(now) < SILENCE_S
            for path in self._links.paths.values()
            if datagram.links >> path.link & 1
        )

    def on_lost(self, datagram: Datagram, path: Path, now: float) -> None:
        """A copy was lost on this link."""
        if not datagram.acknowledged and datagram.under_way <= 0:
            self.rescue(datagram, now, lost_on=path)

    def on_silent(self, path: Path, now: float) -> None:
        """The link is not UP any more: what is under way on it is in doubt."""
        for sent in list(path.sent.values()):
            datagram = sent.datagram
            if datagram is not None and not datagram.acknowledged and datagram.rescues == 0:
                self.rescue(datagram, now)

    def rescue(self, datagram: Datagram, now: float, lost_on: Path | None = None) -> None:
        """Send again over the best link not used yet, or over the same if that lost it."""
        if datagram.rescues >= RESCUES_MAX or datagram.bundle.dropped:
            return
        if datagram.cover is not None and datagram.cover.is_enough:
            return
        size = len(datagram.payload) + OVERHEAD
        fitting = self._links.fitting(size)
        others = [path for path in fitting if not datagram.links >> path.link & 1]
        if not others and lost_on is not None:
            others = fitting
        path = choose(others, size, now)
        if path is None or not path.estimate.known:
            return
        wait_s = max(path.wait_s(size, now), path.queue_s(now))
        arrives_at = now + wait_s + path.estimate.min_rtt_s / 2 + size * 8 / path.rate_bps
        if arrives_at > datagram.deadline_at or not self._allowance.spend(size):
            return
        datagram.rescues += 1
        self._transmit(datagram, path, Copy.RESCUE, now)
