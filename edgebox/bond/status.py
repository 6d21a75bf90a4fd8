"""The bond's state as the bus knows it."""

import time
from collections import deque
from typing import Literal

from edgebox.bond.box import BoxEnd
from edgebox.bond.box_link import BoxLink
from edgebox.bond.connection import Connection
from edgebox.bond.path import Path, PathState, Use
from edgebox.bond.spending import MEGABYTE
from edgebox.messages.bond import BondCounters, BondStatus, LinkStatus

SPAN = 10
"""Rates are over this many samples: one second at 10 Hz."""
USES: dict[Use, Literal["ordinary", "reserve", "last", "closed"]] = {
    Use.ORDINARY: "ordinary",
    Use.RESERVE: "reserve",
    Use.LAST: "last",
    Use.CLOSED: "closed",
}
MEASURED_SHARE = 0.25
"""Traffic of at least this share of what a link is thought to carry says that it is true."""


class _Samples:
    """Byte counts of one link over the last second."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int, int]] = deque(maxlen=SPAN + 1)

    def rates(self, now: float, sent: int, received: int) -> tuple[int, int]:
        """Bits per second since the oldest sample."""
        if self._points and (sent < self._points[-1][1] or received < self._points[-1][2]):
            self._points.clear()  # a new session counts from 0
        self._points.append((now, sent, received))
        at, first_sent, first_received = self._points[0]
        span_s = max(now - at, 0.05)
        return round((sent - first_sent) * 8 / span_s), round(
            (received - first_received) * 8 / span_s
        )


class _Measured:
    """When traffic last showed what a link carries; a new link has yet to be measured."""

    def __init__(self) -> None:
        self.at_utc: float | None = None

    def look(self, path: Path | None, sent_bps: float, *, live: bool) -> None:
        """`sent_bps`: over the last second."""
        if path is None or not live:
            self.at_utc = None
        elif sent_bps >= MEASURED_SHARE * path.estimate.capacity_bps:
            self.at_utc = time.time()


class Reporter:
    """Makes a BondStatus ten times a second."""

    def __init__(self, box: BoxEnd):
        self._box = box
        self._samples = {link.number: _Samples() for link in box.links}
        self._measured = {link.number: _Measured() for link in box.links}
        self.latest: BondStatus | None = None
        self._state: Literal["up", "connecting", "down"] = "connecting"
        self._since_utc = time.time()

    def status(self, now: float) -> BondStatus:
        """The state now; the target counts as told."""
        connection = self._box.connection
        target_bps = connection.tell_target(now) if connection else 0.0
        state = _state(connection, now)
        if state != self._state:
            self._state, self._since_utc = state, time.time()
        links = tuple(self._link(link, connection, now) for link in self._box.links)
        counters = self._box.counters()
        rtts = [link.rtt_ms for link in links if link.state == "up" and link.rtt_ms is not None]
        self.latest = BondStatus(
            at_utc=time.time(),
            state=state,
            since_utc=self._since_utc,
            links=links,
            capacity_bps=sum(link.capacity_bps for link in links if link.state == "up"),
            target_bps=round(target_bps) if state == "up" else 0,
            rtt_ms=min(rtts, default=None),
            redundancy=round(connection.sender.redundancy(now), 4) if connection else 0.0,
            counters=BondCounters(**{name: getattr(counters, name) for name in counters.__slots__}),
            problem=self._box.problem[:200],
        )
        return self.latest

    def _link(self, link: BoxLink, connection: Connection | None, now: float) -> LinkStatus:
        path = connection.paths.get(link.number) if connection else None
        state = _link_state(link, path)
        live = path is not None and state in {"up", "suspect"}
        estimate = path.estimate if path else None
        sent_bps, received_bps = self._samples[link.number].rates(
            now, path.bytes_sent if path else 0, path.bytes_received if path else 0
        )
        since = path.since if path and link.sock is not None else link.since
        known = estimate is not None and live and estimate.known
        measured = self._measured[link.number]
        measured.look(path, sent_bps, live=known)
        return LinkStatus(
            name=link.config.name,
            label=link.config.label or link.config.name,
            state=state,
            since_utc=time.time() - (now - since),
            rtt_ms=round(estimate.srtt_s * 1e3, 1) if estimate and known else None,
            queue_ms=round(estimate.queue_s * 1e3, 1) if estimate and known else 0.0,
            loss=round(estimate.loss, 4) if estimate and live else 0.0,
            capacity_bps=round(path.rate_bps) if path and known else 0,
            sent_bps=sent_bps,
            received_bps=received_bps,
            measured_utc=measured.at_utc,
            use=USES[self._box.spending.uses[link.number]],
            priority=link.config.priority,
            price_per_gb=link.config.price_per_gb,
            used_bytes=self._box.spending.used_bytes(link.config),
            cap_bytes=link.config.monthly_cap_mb * MEGABYTE,
            mtu_bytes=path.mtu.size if path and known and path.mtu.proven >= path.mtu.size else 0,
        )


def _link_state(link: BoxLink, path: Path | None) -> Literal["up", "suspect", "down", "absent"]:
    if not link.present:
        return "absent"
    if link.sock is None or path is None or path.state is PathState.DOWN:
        return "down"
    if path.state is PathState.SUSPECT:
        return "suspect"
    return "up" if path.estimate.known else "down"


def _state(connection: Connection | None, now: float) -> Literal["up", "connecting", "down"]:
    if connection is None:
        return "connecting"
    alive = any(path.state is PathState.UP for path in connection.paths.values())
    return "up" if alive and not connection.is_silent(now) else "down"
