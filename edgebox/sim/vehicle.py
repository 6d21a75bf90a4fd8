"""A random vehicle: links, traffic and faults of one seed, invariants checked at each step.

    drive(seed)    raises BrokenError, which names the seed; `make simulate SEED=n` drives it again

Faults happen for three seconds, then all are healed, and within RECOVERY_S datagrams must come
out again. invariants.py and wiretap.py say what must hold meanwhile.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from edgebox.bond.connection import Connection
from edgebox.bond.events import DatagramReceived
from edgebox.bond.seal import Keys
from edgebox.sim.bond_run import BrokenError
from edgebox.sim.faults import Faults
from edgebox.sim.invariants import (
    THOROUGH_STEPS,
    StateError,
    check_always,
    check_memory,
    check_now_and_then,
)
from edgebox.sim.lane import LaneSettings
from edgebox.sim.network import HUB_CLOCK_AHEAD_S, Network, NetworkLink
from edgebox.sim.traces import generate_trace
from edgebox.sim.traffic import Source, sources
from edgebox.sim.wiretap import WireError, Wiretap

START = 1000.0
LEAD_S = 0.3
FAULTS_S = 3.0
RECOVERY_S = 2.5
LAST_S = 0.7
"""Of what was accepted in the last part, something must come out."""
STANDSTILL_STEPS = 2000
"""Steps without time passing: an end asks to be woken for ever."""

MakeEnds = Callable[[Keys, float, float], tuple[Connection, Connection]]


def make_ends(keys: Keys, box_now: float, hub_now: float) -> tuple[Connection, Connection]:
    """Box and hub."""
    return Connection("box", keys, box_now), Connection("hub", keys, hub_now)


@dataclass
class Drive:
    """What came of it."""

    seed: int
    sent: Counter[str] = field(default_factory=Counter)
    """Datagrams by source."""
    delivered: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    packets: int = 0
    steps: int = 0

    def line(self) -> str:
        """For people."""
        carried = sum(self.delivered.values()) / max(1, sum(self.sent.values()))
        return f"{self.packets} packets, {carried:.0%} of datagrams out; {', '.join(self.faults)}"


def drive(seed: int, ends: MakeEnds = make_ends) -> Drive:
    """Raises BrokenError."""
    return _Vehicle(seed, ends).play()


class _Vehicle:
    def __init__(self, seed: int, ends: MakeEnds):
        self.drive = Drive(seed)
        chance = self._chance = random.Random(f"vehicle {seed}")
        suite = chance.choice(("chacha20-poly1305", "aes-256-gcm"))
        keys = Keys(seed, suite, chance.randbytes(32), chance.randbytes(32))  # type: ignore[arg-type]
        hub_now = START + HUB_CLOCK_AHEAD_S
        self.box, self.hub = ends(keys, START, hub_now)
        links = [_link(chance) for _ in range(chance.choice((1, 2, 2, 3, 3, 4)))]
        self.network = Network(self.box, self.hub, links, seed, now=START)
        self.network.after_step = self._after_step
        self.network.on_send = self._on_send
        self._taps = {
            "up": Wiretap(keys, "up", START),
            "down": Wiretap(keys, "down", hub_now),
        }
        self._ends = {"up": self.box, "down": self.hub}
        self._sources = sources(chance)
        self._outstanding: dict[str, dict[bytes, Source]] = {"up": {}, "down": {}}
        self._done: dict[str, set[bytes]] = {"up": set(), "down": set()}
        self._known_flows: set[int] = set()
        self._flowed_at = {"up": -1.0, "down": -1.0}
        self._last_at = START
        self._still = 0
        healed_at = START + LEAD_S + FAULTS_S
        self._proof_from = healed_at + RECOVERY_S - LAST_S
        self._end = healed_at + RECOVERY_S
        self._faults = Faults(self.network, self.box, self.hub, chance)

    def play(self) -> Drive:
        drive, network, chance = self.drive, self.network, self._chance
        later = chance.randrange(len(network.links)) if chance.random() < 0.3 else -1
        for number in range(len(network.links)):
            at = START + chance.uniform(0.5, 2.0) if number == later else START
            attach = partial(self._attach, number)
            network.at(at, partial(network.when_run, "up", attach))
        for source in self._sources:
            begin = START + chance.uniform(0.0, LEAD_S)
            network.at(begin, partial(self._emit, source))
        self._faults.plan(START + LEAD_S, FAULTS_S)
        network.at(START + LEAD_S + FAULTS_S, self._end_bursts)
        drive.faults = self._faults.names
        try:
            network.run_until(self._end + 0.3)
            self._finish()
        except (WireError, StateError) as error:
            raise self._broken(str(error)) from error
        drive.packets = sum(network.sent_packets.values())
        return drive

    def _end_bursts(self) -> None:
        """Losses come one by one from now on.

        A lane counts a burst in packets: an end that sends a ping a second to a silent link would
        sit in one of twenty packets for longer than RECOVERY_S.
        """
        for link in self.network.links:
            for direction in link.lanes:
                link.change(direction, self.network.now, loss_burst=1.0)

    def _broken(self, what: str) -> BrokenError:
        at = self.network.now - START
        seed = self.drive.seed
        return BrokenError(
            f"vehicle {seed} at {at:.3f} s: {what}. Faults: {', '.join(self._faults.names)}. "
            f"Again: make simulate SEED={seed}"
        )

    def _attach(self, number: int) -> None:
        self.box.attach_path(number, number, self.network.clock("up"))

    # Traffic

    def _emit(self, source: Source) -> None:
        network = self.network
        now = network.clock(source.direction)
        if network.now > self._end:
            return
        network.at(network.now + source.period_s, lambda: self._emit(source))
        if network.is_frozen(source.direction):
            return
        if source.direction == "down" and source.flow not in self._known_flows:
            return
        if source.follows_target:
            source.rate_bps = min(self.box.tell_target(now), 8e6)
        end = self._ends[source.direction]
        for payload in source.next(self._chance):
            self._outstanding[source.direction][payload] = source
            self.drive.sent[source.name] += 1
            destination = f"10.0.0.1:{source.flow % 60_000}" if source.direction == "up" else ""
            end.open_flow(source.flow, destination, now)
            end.send_datagram(source.flow, payload, now)
        network.flush()

    def _take(self, direction: str, event: DatagramReceived) -> None:
        source = self._outstanding[direction].pop(event.payload, None)
        if source is None:
            twice = event.payload in self._done[direction]
            raise StateError("delivered twice" if twice else "delivered what was never sent")
        if source.flow != event.flow:
            raise StateError(f"flow {source.flow} came out as {event.flow}")
        self._done[direction].add(event.payload)
        self.drive.delivered[source.name] += 1
        self._flowed_at[direction] = self.network.now
        if direction == "up":
            self._known_flows.add(event.flow)

    # Checks

    def _on_send(self, direction: str, packet: bytes) -> None:
        self._taps[direction].see(packet, self.network.clock(direction))

    def _after_step(self) -> None:
        for direction, end in (("up", self.hub), ("down", self.box)):
            while (event := end.next_event()) is not None:
                if isinstance(event, DatagramReceived):
                    self._take(direction, event)
            check_always(end)
        self.drive.steps += 1
        if self.drive.steps % THOROUGH_STEPS == 0:
            check_now_and_then(self.box)
            check_now_and_then(self.hub)
            self._check_progress()

    def _check_progress(self) -> None:
        now = self.network.now
        if now > self._last_at:
            self._last_at, self._still = now, 0
            return
        self._still += THOROUGH_STEPS
        if self._still >= STANDSTILL_STEPS:
            raise StateError("an end wants to be woken again and again at the same moment")

    def _finish(self) -> None:
        if self.network.misled:
            raise StateError("something was sent to a stranger's address")
        for end in (self.box, self.hub):
            check_now_and_then(end)
            check_memory(end)
        for direction, at in self._flowed_at.items():
            if at < self._proof_from and self._should_flow(direction):
                last = f"last at {at - START:.2f} s" if at > 0 else "nothing ever did"
                over = f"all faults are over for {RECOVERY_S:g} s"
                raise StateError(f"{over}, and nothing comes {direction} ({last})")

    def _should_flow(self, direction: str) -> bool:
        """Something is sent at least ten times a second, on a flow the far end knows."""
        return any(
            source.direction == direction
            and source.period_s <= 0.1
            and (direction == "up" or source.flow in self._known_flows)
            for source in self._sources
        )


def _link(chance: random.Random) -> NetworkLink:
    up_bps = round(10 ** chance.uniform(5.3, 7.3))
    up = _lane(chance, up_bps)
    down = _lane(chance, round(up_bps * 10 ** chance.uniform(-0.7, 1.0)))
    link = NetworkLink(up, down)
    if chance.random() < 0.3:
        trace = generate_trace(chance.randrange(1 << 30), float(up_bps), 8.0)
        link.up = LaneSettings(
            trace="generated", delay_ms=up.delay_ms, jitter_ms=up.jitter_ms, loss=up.loss,
            queue_bytes=up.queue_bytes,
        )  # fmt: skip
        link.up_trace = trace
    if chance.random() < 0.3:
        link.duplicated = chance.uniform(0, 0.05)
    if chance.random() < 0.3:
        link.damaged = chance.uniform(0, 0.05)
    return link


def _lane(chance: random.Random, rate_bps: int) -> LaneSettings:
    lossy = chance.random() < 0.5
    return LaneSettings(
        rate_bps=rate_bps,
        delay_ms=10 ** chance.uniform(0.3, 2.4),
        jitter_ms=chance.choice((0.0, 2.0, 10.0, 40.0)),
        reorder=chance.random() < 0.3,
        loss=chance.uniform(0, 0.1) if lossy else 0.0,
        loss_burst=chance.choice((1.0, 1.0, 5.0, 20.0)),
        queue_bytes=max(10_000, round(rate_bps / 8 * chance.uniform(0.05, 0.5))),
    )
