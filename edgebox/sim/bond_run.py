"""One session in virtual time: a camera, links, a script of faults, two ends, figures.

`run(scenario, seed)` plays one and checks after every step what must never happen
(`BrokenError` says what did). The ends are the bond's unless another contender is given.
"""

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgebox.bond.connection import Connection
from edgebox.bond.events import DatagramReceived, TargetFell
from edgebox.bond.seal import Keys
from edgebox.sim.bound import Bound, Load, percentile_s
from edgebox.sim.invariants import (
    THOROUGH_STEPS,
    StateError,
    check_always,
    check_now_and_then,
)
from edgebox.sim.lane import HEADER_BYTES
from edgebox.sim.network import HUB_CLOCK_AHEAD_S, End, Network, NetworkLink
from edgebox.sim.rtp_stream import RtpStream, percentile
from edgebox.sim.scenario import Scenario

FLOW = 77
DESTINATION = "127.0.0.1:3478"
TOLD_S = 0.1
"""The encoder hears the target this often, and at once when it falls."""
START = 1000.0
"""The box's clock when the links are attached."""
LEAD_S = 1.0
"""The picture begins so much later."""
TAIL_S = 2.0
HORIZON_S = 60.0
"""What is possible is looked for so far beyond the end of the picture."""


class BrokenError(AssertionError):
    """An invariant does not hold."""


class BoxEnd(End, Protocol):
    """The end in the vehicle."""

    def attach_path(self, link: int, address: Hashable, now: float) -> None:
        """The link can send."""

    def open_flow(self, flow: int, destination: str, now: float) -> None:
        """Where a flow goes."""

    def send_datagram(self, flow: int, payload: bytes, now: float) -> None:
        """Take a datagram."""

    def tell_target(self, now: float) -> float:
        """What the encoder may produce, bits per second."""

    def next_event(self) -> Any:
        """The oldest event not yet taken."""


class HubEnd(End, Protocol):
    """The end at the hospital."""

    def next_event(self) -> Any:
        """The oldest event not yet taken."""


@dataclass(frozen=True)
class Contender:
    """A way to use the links."""

    name: str
    ends: Callable[[list[NetworkLink], random.Random, float, float], tuple[BoxEnd, HubEnd]]
    """From links, chance, and the clocks of box and hub."""
    first_bytes: Callable[[Any], int]
    """Outer payload bytes of the first copies of datagrams that a box end has sent."""
    links: tuple[int, ...] | None = None
    """The links it uses; None: all."""


def _bond_ends(
    links: list[NetworkLink], chance: random.Random, box_now: float, hub_now: float
) -> tuple[Connection, Connection]:
    keys = Keys(7, "chacha20-poly1305", chance.randbytes(32), chance.randbytes(32))
    return Connection("box", keys, box_now), Connection("hub", keys, hub_now)


def _bond_first_bytes(box: Connection) -> int:
    return box.sender.outlet.bytes_total - box.sender.outlet.bytes_extra


OURS = Contender("ours", _bond_ends, _bond_first_bytes)


@dataclass
class Result:
    """What came of it."""

    video: RtpStream
    start: float
    end: float
    targets: list[tuple[float, float]] = field(default_factory=list)
    audio_sent: int = 0
    audio_late: int = 0
    box: Any = None
    hub: Any = None
    links: list[NetworkLink] = field(default_factory=list)
    extra: float = 0.0
    """Share of what went up that was no datagram's first copy: copies, parity, probes, control."""

    def delays_ms(self) -> list[float]:
        """Frame delays."""
        return [1e3 * frame.delay_s for frame in self.video.window(self.start, self.end)]

    def late(self, limit_ms: float = 150.0) -> float:
        """Share of frames that took longer, or never came."""
        delays = self.delays_ms()
        return sum(delay > limit_ms for delay in delays) / max(1, len(delays))

    def gap_ms(self) -> float:
        """Longest time without a new picture."""
        return 1e3 * self.video.longest_gap_s(self.start, self.end)

    def rate_bps(self) -> float:
        """Of complete frames."""
        done = [frame.size for frame in self.video.window(self.start, self.end) if
                frame.arrived == frame.packets]  # fmt: skip
        return sum(done) * 8 / (self.end - self.start)

    def bound(self) -> Bound:
        """What was possible for these frames over these links."""
        frames = self.video.window(self.start, self.end)
        cells = [link.cell for link in self.links]
        histories = [
            link.history["up"]
            for number, link in enumerate(self.links)
            if link.cell is None or link.cell not in cells[:number]
        ]
        return Bound([Load.of(frame) for frame in frames], histories, self.end + HORIZON_S)

    def line(self) -> str:
        """One row of figures, and what was possible."""
        delays, bound = self.delays_ms(), self.bound()
        possible = (1000 * percentile_s([bound], share) for share in (0.5, 0.95, 0.99))
        return (
            f"{percentile(delays, 0.5):7.0f} {percentile(delays, 0.95):7.0f} "
            f"{percentile(delays, 0.99):7.0f} {100 * self.late():6.1f}% "
            f"{100 * self.late(400):6.1f}% {self.gap_ms():7.0f} {self.rate_bps() / 1e6:7.2f} "
            f"{100 * self.extra:6.1f}%  |{''.join(f'{value:6.0f}' for value in possible)}"
            f" {100 * (1 - bound.share_within(0.15)):5.1f}%"
        )


HEADINGS = (
    f"{'p50 ms':>7} {'p95':>7} {'p99':>7} {'>150':>7} {'>400':>7} {'gap ms':>7} "
    f"{'Mbit/s':>7} {'extra':>7}  |{'p50':>6}{'p95':>6}{'p99':>6} {'>150':>6} possible"
)


def run(scenario: Scenario, seed: int, contender: Contender = OURS) -> Result:
    """Play it. Raises BrokenError with the seed.

    Links, faults, losses of time and frames are those of scenario and seed, whoever plays.
    """
    return _Run(scenario, seed, contender).play()


class _Run:
    def __init__(self, scenario: Scenario, seed: int, contender: Contender):
        self._scenario = scenario
        self._contender = contender
        self._name = f"{scenario.name}, seed {seed}"
        links = scenario.links(random.Random(f"{self._name} links"))
        chance = random.Random(f"{self._name} ends")
        self._box, self._hub = contender.ends(links, chance, START, START + HUB_CLOCK_AHEAD_S)
        self._is_ours = isinstance(self._box, Connection)
        self._network = Network(self._box, self._hub, links, seed, now=START)
        self._network.after_step = self._after_step
        for number in contender.links or range(len(links)):
            self._box.attach_path(number, number, START)
        self._box.open_flow(FLOW, DESTINATION, START)
        begin = START + LEAD_S
        video = RtpStream(random.Random(f"{self._name} video"))
        self._result = Result(video, begin, begin + scenario.duration_s)
        self._result.box, self._result.hub = self._box, self._hub
        self._result.links = links
        self._steps = 0
        self._told_bps = 300_000.0
        self._audio: dict[int, float] = {}

    def play(self) -> Result:
        scenario, network, begin = self._scenario, self._network, self._result.start
        network.at(START, self._tell)
        network.at(begin, self._picture)
        if scenario.audio:
            network.at(begin, self._sound)
        for offset_s, action in scenario.script:
            network.at(begin + offset_s, lambda action=action: action(network))  # type: ignore[misc]
        network.follow_timelines(begin)
        network.run_until(self._result.end + TAIL_S)
        sent_bytes = network.sent_bytes["up"] - HEADER_BYTES * network.sent_packets["up"]
        self._result.extra = 1 - self._contender.first_bytes(self._box) / max(1, sent_bytes)
        self._result.audio_late += len(self._audio)
        if network.reused and self._is_ours:
            raise BrokenError(f"{self._name}: a nonce was used twice")
        if self._result.video.twice:
            raise BrokenError(f"{self._name}: something came out twice")
        return self._result

    # Sources

    def _tell(self) -> None:
        now = self._network.now
        self._network.at(now + TOLD_S, self._tell)
        if self._network.is_frozen("up"):
            return
        self._told_bps = self._box.tell_target(self._network.clock("up"))
        self._result.targets.append((now, self._told_bps))

    def _picture(self) -> None:
        now, scenario = self._network.now, self._scenario
        if now >= self._result.end:
            return
        self._network.at(now + 1 / self._result.video.fps, self._picture)
        if self._network.is_frozen("up"):
            return
        clock = self._network.clock("up")
        bitrate_bps = scenario.bitrate_bps or min(self._told_bps, scenario.bitrate_max_bps)
        for packet in self._result.video.capture(bitrate_bps, now):
            self._box.send_datagram(FLOW, packet, clock)
        self._network.flush()

    def _sound(self) -> None:
        now = self._network.now
        if now >= self._result.end:
            return
        self._network.at(now + 0.02, self._sound)
        if self._network.is_frozen("up"):
            return
        number = self._result.audio_sent
        self._result.audio_sent += 1
        self._audio[number] = now
        rtp = b"\x80\x6f" + number.to_bytes(2, "big") + (number * 960).to_bytes(4, "big")
        payload = rtp + b"snd!" + number.to_bytes(4, "big") * 20
        self._box.send_datagram(FLOW, payload, self._network.clock("up"))
        self._network.flush()

    # Sink

    def _after_step(self) -> None:
        now = self._network.now
        while (event := self._hub.next_event()) is not None:
            if isinstance(event, DatagramReceived):
                self._take(event, now)
        while (event := self._box.next_event()) is not None:
            if isinstance(event, TargetFell):
                self._told_bps = event.bps
                self._result.targets.append((now, event.bps))
        if self._is_ours:
            self._check()

    def _take(self, event: DatagramReceived, now: float) -> None:
        if event.destination != DESTINATION:
            raise BrokenError(f"{self._name}: came out at {event.destination}")
        if event.payload[8:12] == b"snd!":
            sent_at = self._audio.pop(int.from_bytes(event.payload[12:16], "big"), None)
            if sent_at is None:
                raise BrokenError(f"{self._name}: sound came out twice")
            self._result.audio_late += now - sent_at > 0.15
        else:
            self._result.video.arrive(event.payload, now)

    def _check(self) -> None:
        self._steps += 1
        try:
            for end in (self._box, self._hub):
                check_always(end)  # type: ignore[arg-type]
                if self._steps % THOROUGH_STEPS == 0:
                    check_now_and_then(end)  # type: ignore[arg-type]
        except StateError as error:
            raise BrokenError(f"{self._name}: {error}") from error
