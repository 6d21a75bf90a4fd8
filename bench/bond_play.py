"""One regime of the bond's matrix, played by all contenders. Used by bench.bond_matrix."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgebox.bond.connection import Connection
from edgebox.bond.path import Use
from edgebox.bond.seal import Keys
from edgebox.sim.bond_run import START, Result, run
from edgebox.sim.bound import Bound, percentile_s
from edgebox.sim.contenders import SINGLE, contenders
from edgebox.sim.lane import HEADER_BYTES
from edgebox.sim.network import HUB_CLOCK_AHEAD_S, Network, NetworkLink
from edgebox.sim.regimes import Regime, steady_three
from edgebox.sim.rtp_stream import PACKET_HEADERS, PACKET_PAYLOAD, percentile

LATE_S = 0.15
SETTLE_S = 10.0


def as_ms(value: float) -> str:
    """Milliseconds for a table."""
    return "never" if math.isinf(value) else f"{value:.0f} ms"


def as_share(value: float) -> str:
    """A share for a table."""
    return f"{100 * value:.1f} %"


@dataclass
class Row:
    """One contender in one regime, all seeds together."""

    name: str
    delays_ms: list[float] = field(default_factory=list)
    gap_ms: float = 0.0
    """The longest of all seeds."""
    extra: list[float] = field(default_factory=list)
    rate_bps: list[float] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Another seed."""
        self.delays_ms += result.delays_ms()
        self.gap_ms = max(self.gap_ms, result.gap_ms())
        self.extra.append(result.extra)
        self.rate_bps.append(result.rate_bps())

    def within(self, limit_ms: float) -> float:
        """Share of frames that took no longer."""
        return sum(delay <= limit_ms for delay in self.delays_ms) / max(1, len(self.delays_ms))

    def percentile_ms(self, share: float) -> float:
        """Delay that this share does not exceed."""
        return percentile(self.delays_ms, share)

    @property
    def mean_extra(self) -> float:
        """Over the seeds."""
        return sum(self.extra) / max(1, len(self.extra))

    @property
    def mean_rate_bps(self) -> float:
        """Over the seeds."""
        return sum(self.rate_bps) / max(1, len(self.rate_bps))

    def cells(self) -> list[str]:
        """For the table."""
        return [
            self.name,
            as_share(self.within(400)),
            *(as_ms(self.percentile_ms(share)) for share in (0.5, 0.95, 0.99)),
            as_share(1 - self.within(150)),
            as_ms(self.gap_ms),
            as_share(self.mean_extra),
            f"{self.mean_rate_bps / 1e6:.2f}",
        ]


@dataclass
class BoundRow:
    """What is possible for the frames ours sent."""

    within_400: float
    within_150: float
    percentiles_ms: dict[float, float]
    rate_bps: float
    """Of an encoder that knows the future, if the rate is adaptive; else 0."""

    def percentile_ms(self, share: float) -> float:
        """One of 0.5, 0.95, 0.99."""
        return self.percentiles_ms[share]

    def cells(self) -> list[str]:
        """For the table."""
        return [
            "bound",
            as_share(self.within_400),
            *(as_ms(value) for value in self.percentiles_ms.values()),
            as_share(1 - self.within_150),
            "",
            "",
            f"{self.rate_bps / 1e6:.2f}" if self.rate_bps else "",
        ]


@dataclass
class Outcome:
    """A regime, played."""

    regime: str
    group: str
    traces: str
    rows: list[Row]
    bound: BoundRow
    seconds: float
    """Processor time."""

    def ours(self) -> Row:
        """The first row."""
        return self.rows[0]

    def best_single(self) -> Row | None:
        """The link that alone has the fewest late frames, then the lowest p99, in hindsight."""
        singles = [row for row in self.rows if row.name in map(SINGLE.format, range(1, 17))]
        if not singles:
            return None
        return min(
            singles,
            key=lambda row: (-row.within(150), row.percentile_ms(0.99), row.percentile_ms(0.95)),
        )

    def rivals(self) -> list[Row]:
        """All that use several links, ours excepted."""
        return [row for row in self.rows[1:] if row.name not in map(SINGLE.format, range(1, 17))]


def play(regime: Regime, seeds: Sequence[int], *, only_ours: bool) -> Outcome:
    """All contenders, all seeds."""
    began_at = time.process_time()
    rows: list[Row] = []
    bounds: list[Bound] = []
    for contender in contenders(regime.weights)[: 1 if only_ours else None]:
        row = Row(contender.name)
        for seed in seeds:
            result = run(regime.scenario, seed, contender)
            row.add(result)
            if not rows:
                bounds.append(result.bound())
        rows.append(row)
    return Outcome(
        regime.name, regime.group, regime.traces, rows, _bound_row(regime, bounds),
        time.process_time() - began_at,
    )  # fmt: skip


def _bound_row(regime: Regime, bounds: list[Bound]) -> BoundRow:
    frames = max(1, sum(len(bound.loads) for bound in bounds))
    return BoundRow(
        sum(bound.within(0.4) for bound in bounds) / frames,
        sum(bound.within(LATE_S) for bound in bounds) / frames,
        {share: 1000 * percentile_s(bounds, share) for share in (0.5, 0.95, 0.99)},
        _rate_bps(regime, bounds) if regime.scenario.bitrate_bps is None else 0.0,
    )


def _rate_bps(regime: Regime, bounds: list[Bound]) -> float:
    """Of frames alone, within 150 ms, none larger than the encoder's most."""
    wire = 1 + (PACKET_HEADERS + HEADER_BYTES) / PACKET_PAYLOAD
    most = regime.scenario.bitrate_max_bps / 8 / 30 * wire
    total = sum(bound.rate_bytes(LATE_S, most) for bound in bounds)
    return total / wire * 8 / (regime.scenario.duration_s * len(bounds))


def idle_bps(*, seconds: float = 60.0) -> list[float]:
    """What each of three metered links carries while nothing is sent, both ways, all headers."""
    keys = Keys(1, "chacha20-poly1305", bytes(32), bytes(range(32)))
    box, hub = Connection("box", keys, START), Connection("hub", keys, START + HUB_CLOCK_AHEAD_S)
    links = steady_three(random.Random(1))
    network = Network(box, hub, links, 1, now=START)
    for link in range(len(links)):
        box.attach_path(link, link, START)
        box.use_path(link, Use.ORDINARY, START, metered=True)
    network.run_until(START + SETTLE_S)
    before = [_carried_bytes(link) for link in links]
    network.run_until(START + SETTLE_S + seconds)
    return [
        8 * (_carried_bytes(link) - one) / seconds for link, one in zip(links, before, strict=True)
    ]


def _carried_bytes(link: NetworkLink) -> int:
    counters = [lane.counters for lane in link.lanes.values()]
    return sum(one.passed_bytes + HEADER_BYTES * one.passed for one in counters)
