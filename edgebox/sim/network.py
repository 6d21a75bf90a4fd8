"""A bonded network in virtual time: two protocol cores, simulated links, one seed.

Nothing here reads a clock or waits: the same seed gives the same run, bit for bit. Each link is
two lanes (edgebox.sim.lane) with the faults a real path adds: copies, damage, and either
direction cut alone. The two ends have different clocks, as in life.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import msgspec

from edgebox.bond.wire import HEADER_SIZE
from edgebox.sim.lane import Lane, LaneSettings
from edgebox.sim.traces import Trace

HUB_CLOCK_AHEAD_S = 4_000.0
"""The hub's monotonic clock started at another time: 2^32 us are passed within a long run."""


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
    timeline: tuple[tuple[float, str, dict[str, Any]], ...] = ()
    """What changes by itself: seconds from the start of the picture, direction, settings."""
    lanes: dict[str, Lane[bytes]] = field(default_factory=dict)
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


class Network:
    """`box` and `hub` joined by links. Link numbers are the addresses on both sides."""

    def __init__(
        self, box: End, hub: End, links: list[NetworkLink], seed: int, *, now: float = 1000.0
    ):
        self.now = now
        self.links = links
        self.chance = random.Random(seed)
        self.sent_bytes = {"up": 0, "down": 0}
        self.captured: list[tuple[str, int, bytes]] = []
        """The first packets on the wire, for replaying them: direction, link, packet."""
        self.reused = 0
        """Packets whose clear header, and with it the nonce, had been used before."""
        self.after_step: Callable[[], None] = lambda: None
        self._headers: set[tuple[str, bytes]] = set()
        self._ends: dict[str, End] = {"up": box, "down": hub}
        self._plan: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        for number, link in enumerate(links):
            link.open(f"{seed} {number}", now)

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

    def clock(self, direction: str) -> float:
        """Time of the end that sends in this direction."""
        return self.now + (HUB_CLOCK_AHEAD_S if direction == "down" else 0.0)

    def run_until(self, end: float) -> None:
        """Let time pass."""
        while (at := self._next_at()) <= end:
            self.now = max(self.now, at)
            self._step()
        self.now = end

    def flush(self) -> None:
        """Take what the ends want to send now."""
        for direction, end in self._ends.items():
            for address, packet in end.datagrams_to_send(self.clock(direction)):
                if isinstance(address, int):
                    self._offer(direction, address, packet)

    def inject(self, direction: str, link: int, packet: bytes) -> None:
        """Let a datagram of a stranger arrive."""
        other = "down" if direction == "up" else "up"
        self._ends[other].receive_datagram(link, packet, self.clock(other))

    def _next_at(self) -> float:
        times = [self._ends["up"].next_timeout()]
        times.append(self._ends["down"].next_timeout() - HUB_CLOCK_AHEAD_S)
        times += [
            at
            for link in self.links
            for lane in link.lanes.values()
            if (at := lane.next_at()) is not None
        ]
        if self._plan:
            times.append(self._plan[0][0])
        return min(times)

    def _step(self) -> None:
        while self._plan and self._plan[0][0] <= self.now:
            heapq.heappop(self._plan)[2]()
        for direction in ("up", "down"):
            other = "down" if direction == "up" else "up"
            for number, link in enumerate(self.links):
                for packet in link.lanes[direction].take(self.now):
                    self._ends[other].receive_datagram(number, packet, self.clock(other))
        for direction, end in self._ends.items():
            clock = self.clock(direction)
            # Half a microsecond: the two clocks do not round alike.
            if end.next_timeout() <= clock + 5e-7:
                end.handle_timeout(clock + 5e-7)
        self.flush()
        self.after_step()

    def _offer(self, direction: str, number: int, packet: bytes) -> None:
        link = self.links[number]
        self.sent_bytes[direction] += len(packet) + 28
        header = (direction, packet[:HEADER_SIZE])
        self.reused += header in self._headers
        self._headers.add(header)
        if len(self.captured) < 2000:
            self.captured.append((direction, number, packet))
        if link.damaged and self.chance.random() < link.damaged:
            at = self.chance.randrange(len(packet))
            packet = packet[:at] + bytes((packet[at] ^ 0x10,)) + packet[at + 1 :]
        copies = 2 if link.duplicated and self.chance.random() < link.duplicated else 1
        for _ in range(copies):
            link.lanes[direction].offer(packet, len(packet), self.now)
