"""One bonded session in virtual time: a camera, links, a script of faults, figures.

`SCENARIOS` are the situations a vehicle meets; `run(scenario, seed)` plays one and checks after
every step what must never happen (`Broken` says what did). bench/simulate.py prints the figures.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from edgebox.bond.connection import Connection, DatagramReceived, TargetFell
from edgebox.bond.seal import Keys
from edgebox.bond.sender import QUEUE_BYTES
from edgebox.sim.lane import LaneSettings
from edgebox.sim.network import Network, NetworkLink
from edgebox.sim.rtp_stream import RtpStream, percentile

FLOW = 77
DESTINATION = "127.0.0.1:3478"
TOLD_S = 0.1
"""The encoder hears the target this often, and at once when it falls."""


class BrokenError(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Scenario:
    """Links and what happens to them. Times are seconds from the start of the picture."""

    name: str
    links: Callable[[random.Random], list[NetworkLink]]
    script: tuple[tuple[float, Callable[[Network], None]], ...] = ()
    duration_s: float = 20.0
    bitrate_bps: float | None = None
    """Fixed; None follows the bond's target up to `bitrate_max_bps`."""
    bitrate_max_bps: float = 3_000_000.0
    audio: bool = True


@dataclass
class Result:
    """What came of it."""

    video: RtpStream
    start: float
    end: float
    targets: list[tuple[float, float]] = field(default_factory=list)
    audio_sent: int = 0
    audio_late: int = 0
    box: Connection | None = None
    hub: Connection | None = None
    sent_bytes: int = 0

    def delays_ms(self) -> list[float]:
        """Frame delays."""
        return [1e3 * frame.delay_s for frame in self.video.window(self.start, self.end)]

    def late(self, limit_ms: float = 150.0) -> float:
        """Share of frames that took longer, or never came."""
        delays = self.delays_ms()
        return sum(delay > limit_ms for delay in delays) / max(1, len(delays))

    def rate_bps(self) -> float:
        """Of complete frames."""
        done = [frame.size for frame in self.video.window(self.start, self.end) if
                frame.arrived == frame.packets]  # fmt: skip
        return sum(done) * 8 / (self.end - self.start)

    def redundancy(self) -> float:
        """Share of the bytes sent that were copies."""
        sender = self.box.sender if self.box else None
        return sender.bytes_extra / max(1, sender.bytes_total) if sender else 0.0

    def line(self) -> str:
        """One row of figures."""
        delays = self.delays_ms()
        gap_ms = 1e3 * self.video.longest_gap_s(self.start, self.end)
        return (
            f"{percentile(delays, 0.5):7.0f} {percentile(delays, 0.95):7.0f} "
            f"{percentile(delays, 0.99):7.0f} {100 * self.late():6.1f}% "
            f"{100 * self.late(400):6.1f}% {gap_ms:7.0f} {self.rate_bps() / 1e6:7.2f} "
            f"{100 * self.redundancy():6.1f}%"
        )


HEADINGS = (
    f"{'p50 ms':>7} {'p95':>7} {'p99':>7} {'>150':>7} {'>400':>7} {'gap ms':>7} "
    f"{'Mbit/s':>7} {'extra':>7}"
)


def run(scenario: Scenario, seed: int) -> Result:
    """Play it. Raises BrokenError with the seed."""
    return _Run(scenario, seed).play()


class _Run:
    def __init__(self, scenario: Scenario, seed: int):
        self._scenario = scenario
        self._name = f"{scenario.name}, seed {seed}"
        chance = random.Random(f"{scenario.name} {seed}")
        keys = Keys(7, "chacha20-poly1305", chance.randbytes(32), chance.randbytes(32))
        self._start = 1000.0
        links = scenario.links(chance)
        hub_now = self._start + 4_000.0
        self._box = Connection("box", keys, self._start)
        self._hub = Connection("hub", keys, hub_now)
        self._network = Network(self._box, self._hub, links, seed, now=self._start)
        self._network.after_step = self._after_step
        for number in range(len(links)):
            self._box.attach_path(number, number, self._start)
        self._box.open_flow(FLOW, DESTINATION, self._start)
        self._chance = chance
        begin = self._start + 1.0
        self._result = Result(RtpStream(chance), begin, begin + scenario.duration_s)
        self._result.box, self._result.hub = self._box, self._hub
        self._told_bps = 300_000.0
        self._audio: dict[int, float] = {}

    def play(self) -> Result:
        scenario, network, begin = self._scenario, self._network, self._result.start
        network.at(self._start, self._tell)
        network.at(begin, self._picture)
        if scenario.audio:
            network.at(begin, self._sound)
        for offset_s, action in scenario.script:
            network.at(begin + offset_s, lambda action=action: action(network))  # type: ignore[misc]
        network.run_until(self._result.end + 2.0)
        self._result.sent_bytes = network.sent_bytes["up"]
        self._result.audio_late += len(self._audio)
        if network.reused:
            raise BrokenError(f"{self._name}: a nonce was used twice")
        if self._result.video.twice:
            raise BrokenError(f"{self._name}: something came out twice")
        return self._result

    # Sources

    def _tell(self) -> None:
        now = self._network.now
        self._told_bps = self._box.tell_target(now)
        self._result.targets.append((now, self._told_bps))
        self._network.at(now + TOLD_S, self._tell)

    def _picture(self) -> None:
        now, scenario = self._network.now, self._scenario
        if now >= self._result.end:
            return
        bitrate_bps = scenario.bitrate_bps or min(self._told_bps, scenario.bitrate_max_bps)
        for packet in self._result.video.capture(bitrate_bps, now):
            self._box.send_datagram(FLOW, packet, now)
        self._network.flush()
        self._network.at(now + 1 / self._result.video.fps, self._picture)

    def _sound(self) -> None:
        now = self._network.now
        if now >= self._result.end:
            return
        number = self._result.audio_sent
        self._result.audio_sent += 1
        self._audio[number] = now
        rtp = b"\x80\x6f" + number.to_bytes(2, "big") + (number * 960).to_bytes(4, "big")
        self._box.send_datagram(FLOW, rtp + b"snd!" + number.to_bytes(4, "big") * 20, now)
        self._network.flush()
        self._network.at(now + 0.02, self._sound)

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
        self._check(now)

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

    def _check(self, now: float) -> None:
        """What must hold after every step."""
        sender = self._box.sender
        if sender.queued_bytes > 2 * QUEUE_BYTES + 2000:
            raise BrokenError(f"{self._name}: queue grows without bound")
        for path in sender.paths.values():
            if path.in_flight != sum(one.size for one in path.sent.values() if one.eliciting):
                raise BrokenError(f"{self._name}: bytes under way are miscounted")
        if sender.paths and not sender._usable:
            raise BrokenError(f"{self._name}: all links are gated")


# Scenarios ---------------------------------------------------------------------------------------


def steady(
    rate_bps: int, delay_ms: float, *, loss: float = 0.0, burst: float = 1.0,
    jitter_ms: float = 2.0, queue_ms: float = 300.0, duplicated: float = 0.0, damaged: float = 0.0,
) -> NetworkLink:  # fmt: skip
    """A link of constant rate upwards, three times as much downwards."""
    queue_bytes = max(10_000, round(rate_bps / 8 * queue_ms / 1000))
    up = LaneSettings(
        rate_bps=rate_bps, delay_ms=delay_ms, loss=loss, loss_burst=burst, jitter_ms=jitter_ms,
        queue_bytes=queue_bytes,
    )  # fmt: skip
    down = LaneSettings(
        rate_bps=3 * rate_bps, delay_ms=delay_ms, loss=loss, loss_burst=burst,
        jitter_ms=jitter_ms, queue_bytes=3 * queue_bytes,
    )  # fmt: skip
    return NetworkLink(up, down, duplicated=duplicated, damaged=damaged)


def three(chance: random.Random) -> list[NetworkLink]:
    """4 + 3 + 2 Mbit/s, somewhat different from seed to seed."""
    rates = (4_000_000, 3_000_000, 2_000_000)
    return [
        steady(round(rate * chance.uniform(0.9, 1.1)), delay * chance.uniform(0.8, 1.2))
        for rate, delay in zip(rates, (20.0, 30.0, 40.0), strict=True)
    ]


def _cut(link: int, *directions: str) -> Callable[[Network], None]:
    def act(network: Network) -> None:
        for direction in directions or ("up", "down"):
            network.links[link].change(direction, network.now, cut=True)

    return act


def _mend(link: int) -> Callable[[Network], None]:
    def act(network: Network) -> None:
        for direction in ("up", "down"):
            network.links[link].change(direction, network.now, cut=False)

    return act


def _cut_best(network: Network) -> None:
    """Cut the link that has carried most, both ways."""
    best = max(range(len(network.links)), key=lambda one: _passed(network, one))
    _cut(best)(network)


def _passed(network: Network, link: int) -> int:
    return network.links[link].lanes["up"].counters.passed_bytes


def _reverse_best(network: Network) -> None:
    best = max(range(len(network.links)), key=lambda one: _passed(network, one))
    _cut(best, "down")(network)


def _rate(link: int, rate_bps: int) -> Callable[[Network], None]:
    return lambda network: network.links[link].change("up", network.now, rate_bps=rate_bps)


def _replay(network: Network) -> None:
    """A stranger sends what he has overheard, once more."""
    for direction, link, packet in list(network.captured):
        network.inject(direction, link, packet)


def _lossy(chance: random.Random) -> list[NetworkLink]:
    return [
        steady(rate, delay, loss=0.02, duplicated=0.01, damaged=0.002, jitter_ms=6.0)
        for rate, delay in ((4_000_000, 20.0), (3_000_000, 30.0), (2_000_000, 40.0))
    ]


def _bursty(chance: random.Random) -> list[NetworkLink]:
    return [
        steady(rate, delay, loss=0.03, burst=8.0)
        for rate, delay in ((4_000_000, 25.0), (3_000_000, 35.0))
    ]


def _narrow(chance: random.Random) -> list[NetworkLink]:
    return [steady(1_500_000, 25.0), steady(1_000_000, 35.0)]


def _single(chance: random.Random) -> list[NetworkLink]:
    return [steady(3_000_000, 30.0)]


def _satellite(chance: random.Random) -> list[NetworkLink]:
    return [steady(6_000_000, 280.0), steady(800_000, 35.0)]


def _all(*actions: Callable[[Network], None]) -> Callable[[Network], None]:
    def act(network: Network) -> None:
        for action in actions:
            action(network)

    return act


SCENARIOS = (
    Scenario("steady", three),
    Scenario("steady, 4 Mbit/s fixed", three, bitrate_bps=4e6),
    Scenario("best link cut", three, ((8.0, _cut_best),), bitrate_bps=4e6),
    Scenario("best link cut, 60 % load", three, ((8.0, _cut_best),), bitrate_bps=2.7e6),
    Scenario("cut and back", three, ((6.0, _cut(0)), (12.0, _mend(0)))),
    Scenario("reverse only dies", three, ((8.0, _reverse_best),), bitrate_bps=4e6),
    Scenario("forward only dies", three, ((8.0, _cut(0, "up")),), bitrate_bps=4e6),
    Scenario("2 % loss", _lossy),
    Scenario("bursty loss", _bursty),
    Scenario(
        "2.5 to 1 Mbit/s",
        _narrow,
        ((8.0, _all(_rate(0, 600_000), _rate(1, 400_000))),),
    ),
    Scenario(
        "down to 1 and back",
        _narrow,
        (
            (6.0, _all(_rate(0, 600_000), _rate(1, 400_000))),
            (12.0, _all(_rate(0, 1_500_000), _rate(1, 1_000_000))),
        ),
    ),
    Scenario("two of three dead", three, ((6.0, _cut(0)), (8.0, _cut(1)))),
    Scenario(
        "all dead for 10 s",
        three,
        (
            (5.0, _all(_cut(0), _cut(1), _cut(2))),
            (15.0, _all(_mend(0), _mend(1), _mend(2))),
        ),
        duration_s=25.0,
    ),
    Scenario("old packets replayed", three, ((5.0, _replay), (9.0, _replay))),
    Scenario("one link", _single),
    Scenario("satellite and a thin link", _satellite),
)
