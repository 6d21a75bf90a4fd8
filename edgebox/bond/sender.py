"""The sending half of a connection: queue, choice of link, acknowledgements, repair, probes.

A datagram is classified, waits at most as long as it can be of use, and is sealed for the link
where it arrives first. Control and sound go at once over two links. What is not acknowledged in
time, or is known to be lost, goes again over another link while it can still make its deadline;
repair is paid from an allowance, a share of what was sent.
"""

import heapq
from collections import deque
from collections.abc import Hashable

from edgebox.bond.classify import Seen
from edgebox.bond.datagram import Datagram, Flow
from edgebox.bond.meter import Allowance, Counters, Rate
from edgebox.bond.path import PROOF_BYTES, PROOF_PACKETS, SILENCE_S, Path, PathState, Sent, Use
from edgebox.bond.schedule import choose, ranked, usable
from edgebox.bond.seal import Sealer
from edgebox.bond.target import Target
from edgebox.bond.wire import (
    FRAGMENT_SIZE,
    HEADER_SIZE,
    OUTER_MAX,
    OVERHEAD,
    TAG_SIZE,
    Ack,
    Copy,
    Data,
    Fragment,
    Item,
    TrafficClass,
    difference,
    encode_control,
    encode_data,
    microseconds,
    unwrap,
)
from edgebox.errors import LocalProtocolError, RemoteProtocolError

QUEUE_BYTES = 192_000
"""Waiting in one queue at most; beyond, the oldest is dropped."""
RESCUE_S = 0.090
"""Unacknowledged this long: again over another link. At 60 ms it costs four times as much."""
EXPECTED_S = 0.030
"""Beyond queue and round trip: the acknowledgement's own delay and some jitter."""
RESCUE_AGAIN_S = 0.030
RESCUES_MAX = 2
RESCUE_SHARE = 0.25
RESCUE_BURST = 64_000
PROBE_SHARE = 0.02
PROBE_BURST = 24_000
PROBE_PACKETS = 8
PROBE_EVERY_S = 5.0
"""A link that carried no data for so long gets copies of a few, to know what it carries."""
URGENT_BPS = 500_000
"""Control and sound beyond this lose their privilege."""
LOST_PACKETS = 3
LOST_S = 0.010
"""A packet is lost when this many later ones, sent this much later, have arrived."""
FORGET_S = 3.0
PING_S = 0.25
IDLE_PING_S = 1.0
IDLE_S = 5.0
SUSPECT_PING_S = 0.1
TAIL_PING_S = 0.02
DEAD_PING_S = 1.0
PRESSED_S = 0.02
"""A datagram that waits longer could use more than the links are thought to carry."""
TICK_S = 0.02
IDLE_TICK_S = 0.1
FLOWS_MAX = 1024
FLOW_IDLE_S = 180.0


class Sender:
    """Owns the paths and the sealer of one direction."""

    def __init__(self, sealer: Sealer, counters: Counters, now: float):
        self.paths: dict[int, Path] = {}
        self.flows: dict[int, Flow] = {}
        self.outbox: list[tuple[Hashable, bytes]] = []
        self.changed: deque[Path] = deque()
        """Paths whose state changed."""
        self.target = Target(now)
        self._sealer = sealer
        self._counters = counters
        self._queues: tuple[deque[Datagram], deque[Datagram]] = (deque(), deque())
        self._queued = [0, 0]
        self._due: list[tuple[float, int, Datagram]] = []
        self._due_count = 0
        self._sequence = 0
        self._group = 0
        self._delay_offset: int | None = None
        self._rescue = Allowance(RESCUE_SHARE, RESCUE_BURST)
        self._probe = Allowance(PROBE_SHARE, PROBE_BURST)
        self._rate = Rate()
        self._extra_rate = Rate()
        self._urgent_rate = Rate()
        self.bytes_total = 0
        """Outer payload bytes of datagrams sent, all copies."""
        self.bytes_extra = 0
        """Those of second and later copies."""
        self._tick_at = now
        self._pump_at: float | None = None
        self._data_at = -1e9
        self._usable: list[Path] = []
        self._size_max = OUTER_MAX
        """Outer payload that every link takes; larger inner datagrams go in pieces."""
        self.ping_items: list[Item] = []
        """Said with every ping."""

    # Links

    def attach(self, link: int, address: Hashable, now: float) -> Path:
        """The link can be used from now on, at this address."""
        path = self.paths.get(link)
        if path is None:
            path = self.paths[link] = Path(link, address, now)
        elif not path.attached:
            path.attached = True
            path.state = PathState.DOWN
            path.probe_at = now
        path.address = address
        self._tick_at = now
        self._find_usable()
        return path

    def detach(self, link: int, now: float) -> None:
        """The system can no longer send on the link."""
        path = self.paths.get(link)
        if path is None or not path.attached:
            return
        path.attached = False
        path.update_state(now)
        self._on_state(path, now)

    # Datagrams in

    def open_flow(self, flow: int, destination: str, now: float) -> None:
        """Name where a flow goes at the far end; announced with its first datagrams."""
        known = self.flows.get(flow)
        if known is None or known.destination != destination:
            self.flows[flow] = Flow(destination, now)
        while len(self.flows) > FLOWS_MAX:
            del self.flows[min(self.flows, key=lambda one: self.flows[one].used_at)]

    def accept(self, flow_id: int, payload: bytes, now: float) -> None:
        """Take a datagram to send."""
        flow = self.flows.get(flow_id)
        if flow is None:
            raise LocalProtocolError(f"flow {flow_id} is not open")
        flow.used_at = self._data_at = now
        seen = flow.classifier.classify(payload, now)
        announce_size = 0 if flow.announced else 1 + len(flow.destination)
        size_max = self._size_max - OVERHEAD - announce_size
        self._counters.sent += 1
        if len(payload) > size_max:
            self._accept_pieces(flow_id, payload, size_max - FRAGMENT_SIZE, seen, now)
        elif seen.traffic_class <= TrafficClass.AUDIO and self._is_urgent(len(payload), now):
            self._send_twice(Datagram(flow_id, payload, seen, now), now)
        else:
            self._enqueue(Datagram(flow_id, payload, seen, now), now)

    def _accept_pieces(
        self, flow_id: int, payload: bytes, size_max: int, seen: Seen, now: float
    ) -> None:
        pieces = [payload[at : at + size_max] for at in range(0, len(payload), size_max)]
        self._group = (self._group + 1) % 65_536
        for index, piece in enumerate(pieces):
            fragment = Fragment(self._group, index, len(pieces))
            self._enqueue(Datagram(flow_id, piece, seen, now, fragment), now)

    def _is_urgent(self, size: int, now: float) -> bool:
        self._urgent_rate.add(size, now)
        return self._urgent_rate.bps(now) <= URGENT_BPS

    def _send_twice(self, datagram: Datagram, now: float) -> None:
        best = ranked(self._fitting(len(datagram.payload) + OVERHEAD), now)
        if not best:
            self._enqueue(datagram, now)
            return
        self._transmit(datagram, best[0], Copy.FIRST, now)
        if len(best) > 1:
            self._transmit(datagram, best[1], Copy.SECOND, now)

    def _enqueue(self, datagram: Datagram, now: float) -> None:
        lane = 0 if datagram.traffic_class != TrafficClass.DEFAULT else 1
        queue = self._queues[lane]
        queue.append(datagram)
        self._queued[lane] += len(datagram.payload)
        while self._queued[lane] > QUEUE_BYTES:
            self._queued[lane] -= len(queue.popleft().payload)
            self._counters.expired += 1
        self.pump(now)

    # Datagrams out

    @property
    def queued_bytes(self) -> int:
        """Waiting for a link."""
        return self._queued[0] + self._queued[1]

    def pump(self, now: float) -> None:
        """Send what may go now."""
        self._pump_at = None
        for lane, queue in enumerate(self._queues):
            while queue:
                datagram = queue[0]
                if datagram.expires_at > now and not self._try_send(datagram, now):
                    return
                if datagram.expires_at <= now:
                    self._counters.expired += 1
                queue.popleft()
                self._queued[lane] -= len(datagram.payload)

    def _try_send(self, datagram: Datagram, now: float) -> bool:
        flow = self.flows.get(datagram.flow)
        if flow is None:
            return True
        size = len(datagram.payload) + OVERHEAD
        fitting = self._fitting(size)
        if not fitting and self._usable:
            # Cut for links that took more a moment ago.
            self._counters.expired += 1
            return True
        stay_on = flow.last_link if flow.last_frame == datagram.frame else -1
        path = choose(fitting, size, now, stay_on)
        if path is not None and now + path.wait_s(size, now) > datagram.expires_at:
            # Rather late over a slow link than never.
            path = choose([one for one in fitting if one.wait_s(size, now) == 0], size, now)
        wait_s = path.wait_s(size, now) if path is not None else TICK_S
        if path is None or wait_s > 0:
            self._pump_at = min(now + max(wait_s, 0.0005), datagram.expires_at)
            if now - datagram.accepted_at > PRESSED_S:
                for one in self._usable:
                    one.estimate.pressed_at = now
            return False
        flow.last_frame, flow.last_link = datagram.frame, path.link
        self._transmit(datagram, path, Copy.FIRST, now)
        if datagram.traffic_class == TrafficClass.VIDEO:
            self._probe_by_copy(datagram, path, now)
        return True

    def _fitting(self, size: int) -> list[Path]:
        """Usable links that take an outer payload of this size."""
        if size <= self._size_max:
            return self._usable
        return [path for path in self._usable if size <= path.mtu.size]

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
        flow = self.flows[datagram.flow]
        if datagram.sequence < 0:
            self._number(datagram, flow)
        sent_us = microseconds(now)
        announce = _announcement(datagram, flow, path.mtu.size)
        body = encode_data(
            Data(
                sent_us,
                datagram.traffic_class,
                copy,
                datagram.sequence,
                datagram.flow,
                datagram.back,
                min(65_535, int((now - datagram.accepted_at) * 1e4)),
                datagram.frame,
                datagram.place,
                datagram.fragment,
                announce,
                datagram.payload,
            )
        )
        estimate = path.estimate
        queue_s = path.queue_s(now)
        size = self._seal(
            path, body, sent_us, now, eliciting=True, datagram=datagram, announces=bool(announce),
        )  # fmt: skip
        datagram.links |= 1 << path.link
        datagram.under_way += 1
        path.last_data_at = now
        datagram.expected_at = now + queue_s + estimate.min_rtt_s + EXPECTED_S
        self._watch(datagram, now + max(RESCUE_S, estimate.min_rtt_s + 0.020))
        self._count(size, copy, now)

    def _count(self, size: int, copy: Copy, now: float) -> None:
        self._rate.add(size, now)
        self.bytes_total += size
        if copy is Copy.FIRST:
            self._rescue.earn(size)
            self._probe.earn(size)
            return
        self._extra_rate.add(size, now)
        self.bytes_extra += size
        if copy is Copy.RESCUE:
            self._counters.rescued += 1
        else:
            self._counters.duplicated += 1

    def _seal(
        self, path: Path, body: bytes, sent_us: int, now: float, *, eliciting: bool,
        datagram: Datagram | None = None, announces: bool = False, is_mtu_probe: bool = False,
    ) -> int:  # fmt: skip
        number = self._sealer.next_number(path.link)
        packet = self._sealer.seal(path.link, body, now)
        self.outbox.append((path.address, packet))
        size = len(packet)
        sent = Sent(
            number, size, now, sent_us, eliciting=eliciting, datagram=datagram,
            announces=announces, is_mtu_probe=is_mtu_probe,
        )  # fmt: skip
        path.on_sent(sent, now)
        return size

    def send_control(self, path: Path, items: list[Item], now: float, *, pad_to: int = 0,
                     eliciting: bool = False) -> None:  # fmt: skip
        """Acknowledgements, notices and pings."""
        sent_us = microseconds(now)
        body = encode_control(sent_us, eliciting=eliciting, items=items, pad_to=pad_to)
        self._seal(path, body, sent_us, now, eliciting=eliciting)

    def best_paths(self, now: float) -> list[Path]:
        """The two links that acknowledgements go over."""
        return ranked(self._usable, now)[:2]

    # Acknowledgements

    def on_ack(self, ack: Ack, ack_sent_us: int, now: float) -> None:
        """Take one block. Raises RemoteProtocolError when it acknowledges what was never sent."""
        path = self.paths.get(ack.link)
        if path is None:
            return
        near = max(path.acknowledged, 0)
        highest = unwrap(ack.highest, near)
        if not 0 <= highest < self._sealer.next_number(ack.link):
            raise RemoteProtocolError("acknowledges what was never sent")
        newest = path.sent.get(highest)
        is_progress = highest > path.acknowledged
        arrived, lost = self._sort_out(path, ack, highest, newest)
        if not arrived and not is_progress:
            return
        for sent in arrived:
            self._on_arrived(path, sent, now)
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
            self._on_progress(path, ack, newest, ack_sent_us, now)
        path.estimate.on_loss(
            now,
            sum(sent.eliciting for sent in arrived),
            sum(sent.eliciting and not sent.is_mtu_probe for sent in lost),
        )
        self.pump(now)

    def _sort_out(
        self, path: Path, ack: Ack, highest: int, newest: Sent | None
    ) -> tuple[list[Sent], list[Sent]]:
        """Packets this block says arrived, and those it proves lost."""
        arrived: list[Sent] = []
        lost: list[Sent] = []
        lost_before = newest.sent_at - LOST_S if newest is not None else -1.0
        bitmap = ack.bitmap
        for number, sent in path.sent.items():
            behind = highest - number
            if behind < 0:
                break
            if behind == 0 or (behind <= 64 and bitmap >> (behind - 1) & 1):
                arrived.append(sent)
            elif behind > 64 or (behind >= LOST_PACKETS and sent.sent_at < lost_before):
                lost.append(sent)
        return arrived, lost

    def _on_arrived(self, path: Path, sent: Sent, now: float) -> None:
        path.forget(sent)
        self._sealer.acknowledged(sent.sent_at)
        if sent.size > path.mtu.proven or path.mtu.wants_news:
            path.mtu.on_acked(sent.size)
            self._find_size()
        if sent.eliciting and sent.size >= min(PROOF_BYTES, path.mtu.size):
            path.on_proof()
        datagram = sent.datagram
        if datagram is None:
            return
        datagram.under_way -= 1
        datagram.acknowledged = True
        flow = self.flows.get(datagram.flow)
        if flow is not None and sent.announces:
            flow.announced = True

    def _on_lost(self, path: Path, sent: Sent, now: float) -> None:
        path.forget(sent)
        if path.mtu.on_lost(sent.size, now, is_probe=sent.is_mtu_probe):
            self._find_size()
        datagram = sent.datagram
        if datagram is None:
            return
        datagram.under_way -= 1
        if not datagram.acknowledged and datagram.under_way <= 0:
            self._rescue_now(datagram, now, lost_on=path)

    def _on_progress(
        self, path: Path, ack: Ack, newest: Sent, ack_sent_us: int, now: float
    ) -> None:
        held_s = max(0.0, difference(ack_sent_us, ack.received_us) / 1e6)
        delay = (ack.received_us - newest.sent_us) % (1 << 32)
        if self._delay_offset is None:
            self._delay_offset = delay
        path.received_s += difference(ack.received_us, path.received_us) / 1e6
        path.received_us = ack.received_us
        path.bytes_total = unwrap(ack.bytes_total, path.bytes_total)
        path.estimate.on_progress(
            now,
            max(0.0005, now - newest.sent_at - held_s),
            difference(delay, self._delay_offset) / 1e6,
            path.received_s,
            path.bytes_total,
            newest.size,
        )
        path.correct_queue(newest, path.estimate.queue_s, now)

    # Repair

    def _rescue_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            datagram = heapq.heappop(self._due)[2]
            if datagram.acknowledged:
                continue
            waits = self.queued_bytes or now < datagram.expected_at
            if waits and self._is_moving(datagram, now):
                # It waits in a queue that moves. A copy would only take the place of another.
                self._watch(datagram, now + RESCUE_AGAIN_S)
            else:
                self._rescue_now(datagram, now)

    def _is_moving(self, datagram: Datagram, now: float) -> bool:
        """A link that carries a copy still brings acknowledgements."""
        return any(
            path.state is PathState.UP and path.silence_s(now) < SILENCE_S
            for path in self.paths.values()
            if datagram.links >> path.link & 1
        )

    def _watch(self, datagram: Datagram, due_at: float) -> None:
        """Look at it again then."""
        if due_at < datagram.deadline_at:
            self._due_count += 1
            heapq.heappush(self._due, (due_at, self._due_count, datagram))

    def _rescue_now(self, datagram: Datagram, now: float, lost_on: Path | None = None) -> None:
        """Send again over the best link not used yet, or over the same if that lost it."""
        if datagram.rescues >= RESCUES_MAX or datagram.flow not in self.flows:
            return
        size = len(datagram.payload) + OVERHEAD
        fitting = self._fitting(size)
        others = [path for path in fitting if not datagram.links >> path.link & 1]
        if not others and lost_on is not None:
            others = fitting
        path = choose(others, size, now)
        if path is None or not path.estimate.known:
            return
        wait_s = max(path.wait_s(size, now), path.queue_s(now))
        arrives_at = now + wait_s + path.estimate.min_rtt_s / 2 + size * 8 / path.rate_bps
        if arrives_at > datagram.deadline_at or not self._rescue.spend(size):
            return
        datagram.rescues += 1
        self._transmit(datagram, path, Copy.RESCUE, now)

    def _on_state(self, path: Path, now: float) -> None:
        self.changed.append(path)
        self._find_usable()
        if path.state is PathState.UP:
            return
        for sent in list(path.sent.values()):
            datagram = sent.datagram
            if datagram is not None and not datagram.acknowledged and datagram.rescues == 0:
                self._rescue_now(datagram, now)

    def _find_usable(self) -> None:
        self._usable = usable(self.paths.values())
        self._find_size()

    def _find_size(self) -> None:
        sizes = [path.mtu.size for path in self.paths.values() if path.attached]
        self._size_max = min(sizes, default=OUTER_MAX)

    def set_use(self, path: Path, use: Use) -> None:
        """The operator wants the link used so from now on."""
        if path.use is not use:
            path.use = use
            self._find_usable()

    def on_refused(self, link: int, size: int, now: float) -> None:
        """The system says that an outer payload of this size does not fit the link."""
        path = self.paths.get(link)
        if path is not None and path.mtu.on_refused(size, now):
            self._find_size()

    # Probes

    def _probe_by_copy(self, datagram: Datagram, used: Path, now: float) -> None:
        """Let idle links carry copies of a few packets in a row, so that their rate is known."""
        for path in self._usable:
            if path is used or path.metered:
                continue
            if path.last_data_at < now - PROBE_EVERY_S and self._probe.left >= PROBE_BURST / 2:
                path.probes = PROBE_PACKETS
            size = len(datagram.payload) + OVERHEAD
            fits = size <= path.mtu.size
            if path.probes and fits and path.wait_s(size, now) == 0 and self._probe.spend(size):
                path.probes -= 1
                self._transmit(datagram, path, Copy.PROBE, now)

    def _ping(self, path: Path, now: float) -> None:
        if not path.attached or now < path.probe_at:
            return
        idle = now - self._data_at > IDLE_S
        if path.state is PathState.UP and path.share < 1.0:
            self._prove(path, now)
            return
        quiet_s = now - path.last_eliciting_at
        if path.state is PathState.UP and path.silence_s(now) > SILENCE_S and path.waiting < 3:
            every_s = TAIL_PING_S
        elif path.state is PathState.UP:
            every_s = IDLE_PING_S if idle and path.estimate.known else PING_S
        elif path.state is PathState.SUSPECT:
            every_s = SUSPECT_PING_S
        else:
            every_s = PING_S if now - path.since < 10 else DEAD_PING_S
        if quiet_s >= every_s:
            self.send_control(path, self.ping_items, now, eliciting=True)

    def _probe_mtu(self, path: Path, now: float) -> None:
        """A ping as large as could perhaps pass; only over a link that answers."""
        if not path.attached or path.state is not PathState.UP or not path.estimate.known:
            return
        if path.wait_s(path.mtu.size, now) == 0 and (size := path.mtu.probe(now)):
            sent_us = microseconds(now)
            pad_to = size - HEADER_SIZE - TAG_SIZE
            body = encode_control(sent_us, eliciting=True, items=[], pad_to=pad_to)
            self._seal(path, body, sent_us, now, eliciting=True, is_mtu_probe=True)

    def _prove(self, path: Path, now: float) -> None:
        """A link that has returned shows with packets as large as data that it is fit."""
        path.probe_at = now + max(0.2, 2 * path.estimate.srtt_s)
        pad_to = min(PROOF_BYTES, path.mtu.size - HEADER_SIZE - TAG_SIZE)
        for _ in range(PROOF_PACKETS - path.proof):
            self.send_control(path, [], now, pad_to=pad_to, eliciting=True)

    # Time

    def next_timeout(self) -> float:
        """When handle_timeout wants to be called."""
        at = self._tick_at
        if self._pump_at is not None:
            at = min(at, self._pump_at)
        return min(at, self._due[0][0]) if self._due else at

    def handle_timeout(self, now: float) -> None:
        """Pacing, repair and probes that are due."""
        self._rescue_due(now)
        if now >= self._tick_at:
            self._tick(now)
        if self._pump_at is not None and now >= self._pump_at:
            self.pump(now)

    def _tick(self, now: float) -> None:
        busy = bool(self._due) or any(path.waiting for path in self.paths.values())
        self._tick_at = now + (TICK_S if busy else IDLE_TICK_S)
        for path in self.paths.values():
            self._forget_old(path, now)
            if path.update_state(now):
                self._on_state(path, now)
            self._ping(path, now)
            self._probe_mtu(path, now)
        self._find_usable()
        self.pump(now)

    def _forget_old(self, path: Path, now: float) -> None:
        """What was never acknowledged is neither kept nor under way for ever."""
        old = [sent for sent in path.sent.values() if sent.sent_at < now - FORGET_S]
        for sent in old:
            path.forget(sent)
        if old:
            path.settle_waiting()

    def forget_idle_flows(self, now: float) -> None:
        """Drop flows nobody used for long."""
        for flow_id in [
            flow_id for flow_id, flow in self.flows.items() if flow.used_at < now - FLOW_IDLE_S
        ]:
            del self.flows[flow_id]

    # Figures

    def update_target(self, now: float) -> float:
        """What the encoders may produce, bits per second."""
        return self.target.update(
            list(self.paths.values()), 2 * self._urgent_rate.bps(now), self._queued[0], now
        )

    def redundancy(self, now: float) -> float:
        """Share of the last second's bytes that were copies."""
        total = self._rate.bps(now)
        return self._extra_rate.bps(now) / total if total else 0.0


def _announcement(datagram: Datagram, flow: Flow, outer_max: int) -> str:
    """Where the flow goes, if the far end must be told.

    A datagram that was cut when the far end still knew may have no room left; one cut now has.
    """
    size = len(datagram.payload) + 1 + len(flow.destination)
    if datagram.fragment is not None:
        size += FRAGMENT_SIZE
    return "" if flow.announced or size > outer_max - OVERHEAD else flow.destination
