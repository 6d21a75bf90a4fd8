"""A bonded network in virtual time: two ends, simulated links, one seed.

Nothing here reads a clock or waits: the same seed gives the same run, bit for bit. Each link is
two lanes (edgebox.sim.lane) with the faults a real path adds: copies, damage, datagrams above a
size that vanish, a carrier's NAT that changes its mind, and either direction cut alone.

Clocks. The ends have different clocks, as in life. A monotonic clock never goes back, and the
wall clock is never asked, so three things can happen to one end's time: it is not run for a
while (a stopped process; its clock runs on), it is suspended (its clock stands still and the
world goes on), or its clock jumps ahead (a virtual machine that was moved).
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

import msgspec

from edgebox.bond.wire import HEADER_SIZE
from edgebox.sim.lane import HEADER_BYTES, Lane, LaneSettings
from edgebox.sim.traces import Trace

HUB_CLOCK_AHEAD_S = 4_000.0
"""The hub's monotonic clock started at another time: 2^32 us are passed within a long run."""
SOCKET_BYTES = 212_992
"""What a socket holds for an end that is not run (net.core.rmem_default)."""
CAPTURED_MAX = 2000
OTHER = {"up": "down", "down": "up"}


class End(Protocol):
    """One end of a bond: a Connection, or something to compare it with."""

    def receive_datagram(self, address: Hashable, packet: bytes, now: float) -> None:
        """An outer datagram has come over a link."""

    def datagrams_to_send(self, now: float) -> list[tuple[Hashable, bytes]]:
        """Outer datagrams and the links they shall go over."""

    def next_timeout(self) -> float:
        """When it wants to be woken."""

    def handle_timeout(self, now: float) -> None:
        """It is woken."""


class NatAddress(NamedTuple):
    """A link as the hub sees it: another port after each rebinding."""

    link: int
    port: int


class Stranger(NamedTuple):
    """Where injected packets come from; nothing may ever be sent there."""

    link: int


@dataclass
class NetworkLink:
    """One link of the network, both directions."""

    up: LaneSettings
    down: LaneSettings
    up_trace: Trace | None = None
    down_trace: Trace | None = None
    duplicated: float = 0.0
    """Share of datagrams that arrive twice."""
    damaged: float = 0.0
    """Share of datagrams with a flipped bit."""
    mtu: dict[str, int] = field(default_factory=dict)
    """IP packets of a direction larger than this vanish; none: all pass."""
    timeline: tuple[tuple[float, str, dict[str, Any]], ...] = ()
    """What changes by itself: seconds from the start of the picture, direction, settings."""
    cell: int | None = None
    """Links of one cell share what the first of them carries, as long as no rate changes; each has
    a queue of its own. The first must be the one of least delay (Result.bound counts it alone)."""
    port: int = 0
    """Of the carrier's NAT."""
    lanes: dict[str, Lane[tuple[Hashable, bytes]]] = field(default_factory=dict)
    history: dict[str, list[tuple[float, LaneSettings, Trace | None]]] = field(default_factory=dict)
    """Settings of each direction over time, with the moment they began."""

    def open(self, name: str, now: float) -> None:
        """Build the two lanes. Each draws from a sequence of its own, whatever others carry."""
        for direction, settings, trace in (
            ("up", self.up, self.up_trace),
            ("down", self.down, self.down_trace),
        ):
            chance = random.Random(f"{name} {direction}")
            self.lanes[direction] = Lane(settings, chance, now, trace)
            self.history[direction] = [(now, settings, trace)]

    def change(self, direction: str, now: float, **settings: Any) -> None:
        """Change settings of one direction (`up`, `down`)."""
        lane = self.lanes[direction]
        replaced = msgspec.structs.replace(lane.settings, **settings)
        lane.change(replaced, now)
        self.history[direction].append((now, replaced, None))


class Side:
    """An end, its clock and its socket. `direction` is the one it sends in."""

    def __init__(self, direction: str, end: End, ahead_s: float):
        self.direction = direction
        self.end = end
        self.ahead_s = ahead_s
        """Its clock less the network's."""
        self.frozen_until = -math.inf
        """It is not run before."""
        self.socket: deque[tuple[int, Hashable, bytes]] = deque()
        self.socket_bytes = 0

    def hold(self, link: int, address: Hashable, packet: bytes) -> None:
        """It is not run: the system keeps what arrives while there is room."""
        if self.socket_bytes + len(packet) <= SOCKET_BYTES:
            self.socket.append((link, address, packet))
            self.socket_bytes += len(packet)


class Network:
    """`box` and `hub` joined by links. Link numbers are the box's addresses of them."""

    def __init__(
        self, box: End, hub: End, links: list[NetworkLink], seed: int, *, now: float = 1000.0
    ):
        self.now = now
        self.links = links
        self.chance = random.Random(seed)
        self.sent_bytes = {"up": 0, "down": 0}
        """With IP and UDP headers."""
        self.sent_packets = {"up": 0, "down": 0}
        self.captured: list[tuple[str, int, bytes]] = []
        """The first packets an end has had, for replaying them: direction, link, packet."""
        self.reused = 0
        """Packets whose clear header, and with it the nonce, had been used before."""
        self.misled = 0
        """Packets sent to a stranger."""
        self.after_step: Callable[[], None] = lambda: None
        self.on_send: Callable[[str, bytes], None] | None = None
        """Sees every packet an end sends: direction, packet."""
        self.sides = {"up": Side("up", box, 0.0), "down": Side("down", hub, HUB_CLOCK_AHEAD_S)}
        self._headers: set[tuple[str, bytes]] = set()
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._due: list[tuple[Side, int, Lane[tuple[Hashable, bytes]]]] = []
        for number, link in enumerate(links):
            link.open(f"{seed} {number}", now)
            if link.cell is not None:
                first = next(one for one in links if one.cell == link.cell)
                for direction, lane in link.lanes.items():
                    lane.share(first.lanes[direction])
        self._lanes = [
            (self.sides[OTHER[direction]], number, link.lanes[direction])
            for direction in ("up", "down")
            for number, link in enumerate(links)
        ]

    # What happens to it

    def follow_timelines(self, begin: float) -> None:
        """Let the links' own timelines happen, counted from `begin`."""
        for link in self.links:
            for offset_s, direction, settings in link.timeline:
                self.at(begin + offset_s, partial(self._change, link, direction, settings))

    def _change(self, link: NetworkLink, direction: str, settings: dict[str, Any]) -> None:
        link.change(direction, self.now, **settings)

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Do something at this time."""
        heapq.heappush(self._plan, (time, next(self._count), action))

    def rebind(self, link: int) -> None:
        """The carrier's NAT gives the link another port; the old one leads nowhere."""
        self.links[link].port += 1

    def jump(self, direction: str, seconds: float) -> None:
        """The clock of the end that sends in this direction jumps ahead."""
        self.sides[direction].ahead_s += seconds

    def freeze(self, direction: str, seconds: float, *, suspended: bool) -> None:
        """The end that sends in this direction is not run; suspended, its clock stands still.

        One that is not run already stays as it is.
        """
        side = self.sides[direction]
        if self.is_frozen(direction):
            return
        side.frozen_until = self.now + seconds
        if suspended:
            self.at(side.frozen_until, partial(self.jump, direction, -seconds))
        self.at(side.frozen_until, partial(self._thaw, side))

    def _thaw(self, side: Side) -> None:
        side.frozen_until = -math.inf
        held, side.socket, side.socket_bytes = side.socket, deque(), 0
        for number, address, packet in held:
            self._deliver(side, number, address, packet)

    def _deliver(self, side: Side, number: int, address: Hashable, packet: bytes) -> None:
        if len(self.captured) < CAPTURED_MAX:
            self.captured.append((OTHER[side.direction], number, packet))
        side.end.receive_datagram(address, packet, self.now + side.ahead_s)

    def when_run(self, direction: str, action: Callable[[], None]) -> None:
        """Call the end that sends in this direction: now, or as soon as it is run again."""
        if self.is_frozen(direction):
            again = partial(self.when_run, direction, action)
            self.at(self.sides[direction].frozen_until, again)
        else:
            action()

    def inject(self, direction: str, link: int, packet: bytes) -> None:
        """Let a datagram of a stranger arrive."""
        other = OTHER[direction]
        self.sides[other].end.receive_datagram(Stranger(link), packet, self.clock(other))

    # Time

    def clock(self, direction: str) -> float:
        """Time of the end that sends in this direction."""
        return self.now + self.sides[direction].ahead_s

    def is_frozen(self, direction: str) -> bool:
        """The end is not run now; what happens at the moment it is run again comes after that."""
        return self.sides[direction].frozen_until >= self.now

    def run_until(self, end: float) -> None:
        """Let time pass."""
        while (at := self._look_ahead()) <= end:
            self.now = max(self.now, at)
            self._step()
        self.now = end

    def _look_ahead(self) -> float:
        """When the next thing happens; notes the lanes it happens in."""
        soonest = self._plan[0][0] if self._plan else math.inf
        for side in self.sides.values():
            if not self.is_frozen(side.direction):
                soonest = min(soonest, side.end.next_timeout() - side.ahead_s)
        soonest = max(soonest, self.now)
        due = self._due
        due.clear()
        for entry in self._lanes:
            at = entry[2].next_at()
            if at is None or at > soonest:
                continue
            if at < soonest:
                soonest = max(at, self.now)
                due = [one for one in due if (one[2].next_at() or math.inf) <= soonest]
            due.append(entry)
        self._due = due
        return soonest

    def _step(self) -> None:
        now = self.now
        while self._plan and self._plan[0][0] <= now:
            heapq.heappop(self._plan)[2]()
        for side, number, lane in self._due:
            frozen = side.frozen_until > now
            for source, packet in lane.take(now):
                address = source if side.direction == "down" else number
                if frozen:
                    side.hold(number, address, packet)
                else:
                    self._deliver(side, number, address, packet)
        for side in self.sides.values():
            # Half a microsecond: the two clocks do not round alike.
            clock = now + side.ahead_s + 5e-7
            if side.frozen_until <= now and side.end.next_timeout() <= clock:
                side.end.handle_timeout(clock)
        self.flush()
        self.after_step()

    # Packets

    def flush(self) -> None:
        """Take what the ends want to send now."""
        for direction, side in self.sides.items():
            if side.frozen_until > self.now:
                continue
            for address, packet in side.end.datagrams_to_send(self.now + side.ahead_s):
                self._send(direction, address, packet)

    def _send(self, direction: str, address: Hashable, packet: bytes) -> None:
        if isinstance(address, Stranger):
            self.misled += 1
        elif isinstance(address, NatAddress):
            if self.links[address.link].port == address.port:
                self._offer(direction, address.link, address, packet)
        elif isinstance(address, int):
            source = NatAddress(address, self.links[address].port)
            self._offer(direction, address, source, packet)

    def _offer(self, direction: str, number: int, source: NatAddress, packet: bytes) -> None:
        link = self.links[number]
        self.sent_bytes[direction] += len(packet) + HEADER_BYTES
        self.sent_packets[direction] += 1
        header = (direction, packet[:HEADER_SIZE])
        self.reused += header in self._headers
        self._headers.add(header)
        if self.on_send is not None:
            self.on_send(direction, packet)
        if link.mtu and len(packet) + HEADER_BYTES > link.mtu.get(direction, 1 << 16):
            return
        if link.damaged and self.chance.random() < link.damaged:
            at = self.chance.randrange(len(packet))
            packet = packet[:at] + bytes((packet[at] ^ 0x10,)) + packet[at + 1 :]
        copies = 2 if link.duplicated and self.chance.random() < link.duplicated else 1
        for _ in range(copies):
            link.lanes[direction].offer((source, packet), len(packet), self.now)
