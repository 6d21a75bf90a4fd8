"""The sending half of a connection: from an accepted datagram to sealed packets of a link.

A datagram is classified, waits at most as long as it can be of use, and is sealed for the link
where it arrives first. Control and sound go at once over two links. Repair (repair.py) and probes
(probing.py) come in between.
"""

from collections.abc import Hashable

from edgebox.bond.acknowledgement import make_out
from edgebox.bond.backlog import Backlog
from edgebox.bond.classify import Seen
from edgebox.bond.clocks import Clocks
from edgebox.bond.control import Ack
from edgebox.bond.datagram import Datagram, Flow
from edgebox.bond.floor import Floor
from edgebox.bond.flows import Flows, announcement
from edgebox.bond.links import Links
from edgebox.bond.meter import Counters, Rate
from edgebox.bond.outlet import Outlet
from edgebox.bond.parity import Protection
from edgebox.bond.path import PROOF_BYTES, Path, PathState, Sent, Use
from edgebox.bond.probing import Probing
from edgebox.bond.repair import Repair
from edgebox.bond.schedule import choose
from edgebox.bond.seal import Sealer
from edgebox.bond.target import Target
from edgebox.bond.wire import FRAGMENT_SIZE, IP_UDP_SIZE, OVERHEAD, Copy, Fragment, TrafficClass

URGENT_BPS = 500_000
"""Control and sound beyond this lose their privilege."""
TWICE_SHARE = 0.7
"""They go over two links unless that would take more of what the links carry."""
FORGET_S = 3.0
PRESSED_S = 0.02
"""A datagram that waits longer could use more than the links are thought to carry."""
TICK_S = 0.02
IDLE_TICK_S = 0.1
AWAY_S = 0.05
"""A tick so late: we were not run, or our clock jumped."""
MEMBERS_MAX = 256
"""Datagrams of one frame that parity protects at most."""


class Sender:
    """Owns the links and the sealer of one direction."""

    def __init__(self, sealer: Sealer, counters: Counters, now: float):
        self.links = Links()
        self.paths = self.links.paths
        self.flows = Flows()
        self.outlet = Outlet(sealer, counters)
        self.target = Target(now)
        self._sealer = sealer
        self._counters = counters
        self._backlogs = (Backlog(), Backlog())
        """Known traffic, and DEFAULT, which has its share beside pictures."""
        self._floor = Floor(now)
        self._repair = Repair(self.links, self._transmit)
        self._probing = Probing(self.links, self._transmit, self.outlet.ping)
        self._protection = Protection(self.links, self.outlet.parity)
        self._clocks = Clocks(self.paths)
        self._sequence = 0
        self._group = 0
        self._urgent_rate = Rate()
        self._too_late = 0
        self._tick_at = now
        self._pump_at = float("inf")
        self._data_at = -1e9

    # Links

    def attach(self, link: int, address: Hashable, now: float) -> Path:
        """The link can be used from now on, at this address."""
        self._tick_at = now
        return self.links.attach(link, address, now)

    def detach(self, link: int, now: float) -> None:
        """The system can no longer send on the link."""
        path = self.paths.get(link)
        if path is None or not path.attached:
            return
        path.attached = False
        path.update_state(now)
        self._on_state(path, now)

    def set_use(self, path: Path, use: Use) -> None:
        """The operator wants the link used so from now on."""
        if path.use is not use:
            path.use = use
            self.links.find_usable()

    def on_refused(self, link: int, size: int, now: float) -> None:
        """The system says that an outer payload of this size does not fit the link."""
        path = self.paths.get(link)
        if path is not None and path.mtu.on_refused(size, now):
            self.links.find_size()

    # Datagrams in

    def accept(self, flow_id: int, payload: bytes, now: float) -> None:
        """Take a datagram to send."""
        self._notice_absence(now)
        flow = self.flows.use(flow_id, now)
        self._data_at = now
        seen = flow.classifier.classify(payload, now)
        announce_size = 0 if flow.announced else 1 + len(flow.destination)
        size_max = self.links.size_max - OVERHEAD - announce_size
        self._counters.sent += 1
        if len(payload) > size_max:
            self._accept_pieces(flow_id, payload, size_max - FRAGMENT_SIZE, seen, now)
            return
        datagram = Datagram(flow_id, payload, seen, flow.frame_of(seen, now), now)
        if seen.traffic_class <= TrafficClass.AUDIO and self._is_urgent(len(payload), now):
            self._send_twice(datagram, now)
        else:
            self._enqueue(datagram, now)

    def _accept_pieces(
        self, flow_id: int, payload: bytes, size_max: int, seen: Seen, now: float
    ) -> None:
        pieces = [payload[at : at + size_max] for at in range(0, len(payload), size_max)]
        self._group = (self._group + 1) % 65_536
        frame = self.flows[flow_id].frame_of(seen, now)
        for index, piece in enumerate(pieces):
            fragment = Fragment(self._group, index, len(pieces))
            self._enqueue(Datagram(flow_id, piece, seen, frame, now, fragment), now)

    def _is_urgent(self, size: int, now: float) -> bool:
        self._urgent_rate.add(size + OVERHEAD + IP_UDP_SIZE, now)
        return self._urgent_rate.bps(now) <= URGENT_BPS

    def _send_twice(self, datagram: Datagram, now: float) -> None:
        best = self.links.best(now, len(datagram.payload) + OVERHEAD)
        if not best:
            self._enqueue(datagram, now)
            return
        if self._is_hopeless(datagram, best[0], now):
            self._too_late += 1
            return
        self._transmit(datagram, best[0], Copy.FIRST, now)
        if len(best) > 1 and self._copies(now) > 1:
            self._transmit(datagram, best[1], Copy.SECOND, now)

    def _is_hopeless(self, datagram: Datagram, path: Path, now: float) -> bool:
        """Not even the best link is of use: one more would only make the next late too."""
        if datagram.traffic_class is TrafficClass.AUDIO and path.state is PathState.DOWN:
            return True
        return path.queue_s(now) > datagram.expires_at - now

    def _copies(self, now: float) -> int:
        """Of control and sound."""
        twice_bps = 2 * self._urgent_rate.bps(now)
        return 2 if twice_bps <= TWICE_SHARE * self.links.capacity_bps() else 1

    def _enqueue(self, datagram: Datagram, now: float) -> None:
        is_other = datagram.traffic_class is TrafficClass.DEFAULT
        if not is_other:
            self._floor.on_known(now)
        self._backlogs[is_other].add(datagram)
        self.pump(now)

    # Datagrams out

    @property
    def queued_bytes(self) -> int:
        """Waiting for a link."""
        return self._backlogs[0].bytes + self._backlogs[1].bytes

    def pump(self, now: float) -> None:
        """Send what may go now."""
        self._pump_at = float("inf")
        while backlog := self._next_backlog(now):
            if not self._try_send(backlog.head(), now):
                return
            frame = backlog.head().bundle
            backlog.pop()
            is_complete = frame.is_closed and not frame.waiting and not frame.dropped
            if frame.members and is_complete:
                self._protection.protect(frame, now)

    def _next_backlog(self, now: float) -> Backlog | None:
        known, other = self._backlogs
        for one in (known, other):
            if one.is_judged_at <= now:
                one.expire(now, self.links.carried_bps(now), self.links.way_s())
        if not other:
            return known or None
        size = len(other.head().payload) + OVERHEAD + IP_UDP_SIZE
        wait_s = self._floor.wait_s(size, self.links.capacity_bps(), now)
        if not wait_s:
            return other
        self._pump_at = min(now + max(wait_s, 0.0005), other.head().expires_at)
        return known or None

    def _try_send(self, datagram: Datagram, now: float) -> bool:
        if datagram.flow not in self.flows:
            return True
        size = len(datagram.payload) + OVERHEAD
        frame = datagram.bundle
        fitting = self.links.fitting(size)
        if not fitting and self.links.usable:
            # Cut for links that took more a moment ago.
            return True
        path = choose(fitting, size, now, frame.last_link)
        wait_s = path.wait_s(size, now) if path is not None else TICK_S
        if path is not None and now + wait_s > datagram.expires_at:
            # Rather late over a slow link than never.
            free = [one for one in fitting if one.wait_s(size, now) == 0]
            path, wait_s = choose(free, size, now), 0.0
        if path is None or wait_s > 0:
            self._pump_at = min(now + max(wait_s, 0.0005), datagram.expires_at)
            if now - datagram.accepted_at > PRESSED_S:
                for one in self.links.usable:
                    one.estimate.pressed_at = now
            return False
        frame.last_link = path.link
        self._transmit(datagram, path, Copy.FIRST, now)
        if self._protection.wanted and len(frame.members) < MEMBERS_MAX:
            frame.members.append(datagram)
        if datagram.traffic_class is TrafficClass.VIDEO:
            self._probing.copy(datagram, path, now)
        elif datagram.traffic_class is TrafficClass.DEFAULT:
            self._floor.spend(size + IP_UDP_SIZE, now)
        return True

    def _number(self, datagram: Datagram, flow: Flow) -> None:
        """Give the datagram its place; video and unknown traffic keep their order."""
        datagram.sequence = self._sequence
        self._sequence += 1
        if datagram.traffic_class >= TrafficClass.VIDEO and datagram.fragment is None:
            last = flow.last_order.get(datagram.traffic_class, -65_536)
            back = datagram.sequence - last
            datagram.back = back if back < 65_536 else 0
            flow.last_order[datagram.traffic_class] = datagram.sequence

    def _transmit(self, datagram: Datagram, path: Path, copy: Copy, now: float) -> None:
        flow = self.flows.get(datagram.flow)
        if flow is None:
            return
        if datagram.sequence < 0:
            self._number(datagram, flow)
        announce = announcement(datagram, flow, path.mtu.size)
        queue_s = path.queue_s(now)
        size = self.outlet.datagram(datagram, path, copy, announce, now)
        datagram.links |= 1 << path.link
        datagram.under_way += 1
        path.last_data_at = now
        self._repair.watch(datagram, path, queue_s, now)
        if copy is Copy.FIRST:
            self._earn(size)

    def on_held_back(self, size: int) -> None:
        """A packet of this size did not leave after all: nothing is earned with it."""
        self._earn(-size)

    def _earn(self, size: int) -> None:
        self._repair.earn(size)
        self._probing.earn(size)
        self._protection.earn(size)

    # Acknowledgements

    def on_ack(self, ack: Ack, ack_sent_us: int, now: float) -> None:
        """Take one block. Raises RemoteProtocolError when it acknowledges what was never sent."""
        self._notice_absence(now)
        path = self.paths.get(ack.link)
        if path is None:
            return
        highest, newest, arrived, lost = make_out(path, ack, self._sealer.next_number(ack.link))
        is_progress = highest > path.acknowledged
        if not arrived and not is_progress:
            return
        for sent in arrived:
            self._on_arrived(path, sent)
        for sent in lost:
            self._on_lost(path, sent, now)
        path.settle_waiting()
        if is_progress:
            path.acknowledged = highest
        if arrived:
            path.last_progress_at = now
            if path.on_alive(now):
                self._on_state(path, now)
        if newest is not None and is_progress:
            self._clocks.measure(path, ack, newest, ack_sent_us, now)
        path.estimate.on_loss(
            now,
            sum(sent.eliciting for sent in arrived),
            sum(sent.eliciting and not sent.is_mtu_probe for sent in lost),
        )
        self.pump(now)

    def _on_arrived(self, path: Path, sent: Sent) -> None:
        path.forget(sent)
        self._sealer.acknowledged(sent.sent_at)
        if sent.size > path.mtu.proven or path.mtu.wants_news:
            path.mtu.on_acked(sent.size, sent.sent_at)
            self.links.find_size()
        if sent.eliciting and sent.size >= min(PROOF_BYTES, path.mtu.size):
            path.on_proof()
        if sent.parity_of is not None:
            sent.parity_of.rows += 1
        datagram = sent.datagram
        if datagram is None:
            return
        datagram.under_way -= 1
        if not datagram.acknowledged:
            datagram.acknowledged = True
            if datagram.cover is not None:
                datagram.cover.missing -= 1
        if sent.announces:
            self.flows.on_announced(datagram.flow)

    def _on_lost(self, path: Path, sent: Sent, now: float) -> None:
        path.forget(sent)
        if path.mtu.on_lost(sent.size, sent.sent_at, is_probe=sent.is_mtu_probe):
            self.links.find_size()
        if sent.datagram is not None:
            sent.datagram.under_way -= 1
            self._repair.on_lost(sent.datagram, path, now)

    def _on_state(self, path: Path, now: float) -> None:
        self.links.changed.append(path)
        self.links.find_usable()
        if path.state is not PathState.UP:
            self._repair.on_silent(path, now)

    # Time

    def next_timeout(self) -> float:
        """When handle_timeout wants to be called."""
        return min(self._tick_at, self._pump_at, self._repair.next_at)

    def handle_timeout(self, now: float) -> None:
        """Pacing, repair and probes that are due."""
        self._notice_absence(now)
        self._repair.handle_due(now, crowded=self.queued_bytes > 0)
        if now >= self._tick_at:
            self._tick(now)
        if now >= self._pump_at:
            self.pump(now)

    def _notice_absence(self, now: float) -> None:
        """No link is to blame for the time in which we were not run."""
        if now <= self._tick_at + AWAY_S:
            return
        self._tick_at = now
        self._clocks.on_away(now)
        for path in self.paths.values():
            path.excuse(now)
            if path.attached:
                self.outlet.ping(path, now)

    def _tick(self, now: float) -> None:
        busy = any(path.waiting for path in self.paths.values())
        self._tick_at = now + (TICK_S if busy else IDLE_TICK_S)
        for path in self.paths.values():
            self._forget_old(path, now)
            if path.update_state(now):
                self._on_state(path, now)
            self._probing.look(path, self._data_at, now)
            self.outlet.probe_mtu(path, now)
        self.links.find_usable()
        self._protection.look(self.outlet.bps(now), self.outlet.extra_bps(now), now)
        self._protect_bursts(now)
        self._counters.expired = self._too_late + sum(one.dropped for one in self._backlogs)
        self.pump(now)

    def _protect_bursts(self, now: float) -> None:
        """Nothing marks the end of a burst but the pause after it."""
        if not self._protection.wanted:
            return
        for flow in self.flows.values():
            for frame in flow.frames:
                if frame.members and not frame.is_whole and frame.is_over(now):
                    self._protection.protect(frame, now)

    def _forget_old(self, path: Path, now: float) -> None:
        """What was never acknowledged is neither kept nor under way for ever."""
        old = [sent for sent in path.sent.values() if sent.sent_at < now - FORGET_S]
        for sent in old:
            path.forget(sent)
        if old:
            path.settle_waiting()

    # Figures

    def update_target(self, now: float) -> float:
        """What the encoders may produce, bits per second."""
        self._notice_absence(now)
        floor_bps = self._floor.bps(self.links.capacity_bps(), now)
        first_bps = self._copies(now) * self._urgent_rate.bps(now) + floor_bps
        waiting = self._backlogs[0].stale_bytes(now)
        return self.target.update(list(self.paths.values()), first_bps, waiting, now)

    def urgent_bps(self, now: float) -> float:
        """Control and sound accepted over the last second."""
        return self._urgent_rate.bps(now)

    def redundancy(self, now: float) -> float:
        """Share of the last second's bytes that were copies."""
        total = self.outlet.bps(now)
        return self.outlet.extra_bps(now) / total if total else 0.0
