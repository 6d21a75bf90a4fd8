"""The regimes of the bond's matrix: every kind of network it must do well in, in one list.

`regimes(split, traces)` gives them for one of two splits that share no second of any trace:

    development   slices 1, 3, 5, 7 of 8 of each recorded trace, even seeds
    report        slices 2, 4, 6, 8, odd seeds

Tuning looks at the first only. Recorded traces are files of a directory (Mahimahi's format);
without one the same regimes run on generated traces of the same mean rates. A regime's `traces`
says which it was.
"""

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from edgebox.errors import ConfigError
from edgebox.sim.lane import LaneSettings
from edgebox.sim.network import NetworkLink
from edgebox.sim.scenario import (
    Action,
    Links,
    Scenario,
    cut,
    cut_busiest_reverse,
    mend,
    rate,
    steady,
    together,
)
from edgebox.sim.traces import Trace, generate_trace, read_trace

Split = Literal["development", "report"]
Timeline = list[tuple[float, str, dict[str, Any]]]

LTE_QUEUE_BYTES = 250_000
VIDEO_BPS = 4e6
ADAPTIVE_MAX_BPS = 8e6
GENERATED_S = 120.0
SLICES = 8
"""Of a recorded trace, in turn for one split and the other: both see all of the road."""
LONG_S = 60.0
SHORT_S = 30.0


@dataclass(frozen=True)
class Regime:
    """A scenario with what it is measured against."""

    scenario: Scenario
    group: Literal["targets", "fixed rate", "adaptive rate", "other networks", "a link dies"]
    traces: Literal["", "recorded", "generated"]
    """Which kind of trace its links follow; empty: constant rates."""
    weights: tuple[float, ...]
    """Mean Mbit/s of each link, as somebody would set static weights."""

    @property
    def name(self) -> str:
        """Of the scenario."""
        return self.scenario.name


@dataclass(frozen=True)
class _Road:
    """One mobile network along one road."""

    stem: str
    """Of the file's name."""
    up_bps: float
    down_bps: float
    delay_ms: float
    up_end: str = "up"
    """The file whose capacity serves upwards; the other one serves downwards."""

    @property
    def down_end(self) -> str:
        """The other."""
        return "down" if self.up_end == "up" else "up"


# Mean rates are those of the recorded traces; delays are set here, traces hold none.
VERIZON = _Road("verizon-lte-dev", 7.6e6, 5.4e6, 25.0)
ATT = _Road("att-lte-dev", 1.0e6, 7.7e6, 30.0)
SLOWER = _Road("verizon-lte-dev", 5.4e6, 7.6e6, 25.0, up_end="down")
"""The same road the other way round: upwards what was measured downwards."""
UMTS = _Road("tmobile-umts-dev", 0.9e6, 1.6e6, 45.0)


class _Roads:
    """Where traces come from, and the half of them that this split may use."""

    def __init__(self, split: Split, directory: Path | None):
        self._split = split
        self._directory = directory
        self.kind: Literal["recorded", "generated"] = "recorded" if directory else "generated"
        self._known: dict[str, Trace] = {}

    def link(self, road: _Road, chance: random.Random) -> NetworkLink:
        """A link along this road, entered at a random place."""
        return NetworkLink(
            self._settings(road, road.up_end),
            self._settings(road, road.down_end),
            self._trace(road, road.up_end, road.up_bps, chance),
            self._trace(road, road.down_end, road.down_bps, chance),
        )

    def _settings(self, road: _Road, end: str) -> LaneSettings:
        return LaneSettings(
            trace=f"{road.stem}.{end}", delay_ms=road.delay_ms, jitter_ms=4.0,
            queue_bytes=LTE_QUEUE_BYTES,
        )  # fmt: skip

    def _trace(self, road: _Road, end: str, mean_bps: float, chance: random.Random) -> Trace:
        name = f"{road.stem}.{end}"
        if self._directory is None:
            return generate_trace(chance.randrange(1 << 30), mean_bps, GENERATED_S)
        if name not in self._known:
            whole = read_trace(self._directory / name)
            self._known[name] = whole.slices(SLICES, odd=self._split == "report")
        trace = self._known[name]
        begin_ms = chance.randrange(trace.period_ms)
        return trace.window(begin_ms, begin_ms + trace.period_ms)


def find_traces(directory: Path) -> Path | None:
    """The directory if it holds every trace the regimes want, else None."""
    names = [f"{road.stem}.{end}" for road in (VERIZON, ATT, UMTS) for end in
             ("up", "down")]  # fmt: skip
    try:
        for name in names:
            read_trace(directory / name)
    except ConfigError:
        return None
    return directory


def seeds_of(split: Split, count: int) -> list[int]:
    """Even ones are for development, odd ones for the report."""
    return [2 * number + (2 if split == "development" else 1) for number in range(count)]


def _bursts(chance: random.Random, until_s: float, every_s: float) -> Timeline:
    """Now and then nothing gets through upwards for 40 to 250 ms."""
    timeline: Timeline = []
    at = chance.expovariate(1 / every_s)
    while at < until_s:
        length_s = chance.uniform(0.04, 0.25)
        timeline += [(at, "up", {"loss": 1.0}), (at + length_s, "up", {"loss": 0.0})]
        at += length_s + chance.expovariate(1 / every_s)
    return timeline


def _handovers(chance: random.Random, until_s: float, loss: float) -> Timeline:
    """Every 15 s another satellite: 60 to 160 ms of nothing, then another delay and rate."""
    timeline: Timeline = []
    at = chance.uniform(3.0, 15.0)
    while at < until_s:
        length_s = chance.uniform(0.06, 0.16)
        delay_ms = chance.uniform(20.0, 45.0)
        for end, rate_bps in (("up", chance.uniform(6e6, 12e6)), ("down", 6e7)):
            timeline.append((at, end, {"loss": 1.0}))
            timeline.append(
                (at + length_s, end,
                 {"loss": loss, "delay_ms": delay_ms, "rate_bps": round(rate_bps)})
            )  # fmt: skip
        at += 15.0
    return timeline


def steady_three(chance: random.Random) -> list[NetworkLink]:
    """Exactly 4 + 3 + 2 Mbit/s."""
    return [steady(4_000_000, 20.0), steady(3_000_000, 30.0), steady(2_000_000, 40.0)]


def _fibre(chance: random.Random) -> list[NetworkLink]:
    return [steady(50_000_000, 4.0, jitter_ms=0.5, queue_ms=50.0),
            steady(20_000_000, 9.0, jitter_ms=0.5, queue_ms=50.0)]  # fmt: skip


def _satellites(chance: random.Random) -> list[NetworkLink]:
    first = steady(9_000_000, 30.0, loss=0.005, jitter_ms=8.0, queue_ms=200.0)
    second = steady(2_500_000, 40.0, jitter_ms=6.0)
    first.timeline = tuple(_handovers(chance, LONG_S, 0.005))
    return [first, second]


def _wifi(chance: random.Random) -> list[NetworkLink]:
    first = steady(15_000_000, 3.0, loss=0.01, burst=3.0, jitter_ms=20.0, queue_ms=150.0,
                   reorder=True)  # fmt: skip
    second = steady(3_000_000, 35.0, jitter_ms=6.0)
    first.timeline = tuple(_bursts(chance, SHORT_S, 3.0))
    return [first, second]


def _lossy(chance: random.Random) -> list[NetworkLink]:
    return [
        steady(one, delay, loss=0.03, duplicated=0.01, damaged=0.002, jitter_ms=6.0, reorder=True)
        for one, delay in ((4_000_000, 20.0), (3_000_000, 30.0), (2_000_000, 40.0))
    ]


def _single(chance: random.Random) -> list[NetworkLink]:
    return [steady(5_000_000, 30.0)]


def _with_bursts(links: Links, chance: random.Random) -> list[NetworkLink]:
    made = links(chance)
    for link in made:
        link.timeline = tuple(_bursts(chance, LONG_S, 4.0))
    return made


def _die(number: int) -> Regime:
    """One of three dies at 60 % of what the other two can carry."""
    rates = (4e6, 3e6, 2e6)
    load_bps = 0.6 * (sum(rates) - rates[number])
    scenario = Scenario(
        f"link {number + 1} of 3 dies, 60 % load", steady_three, ((10.0, cut(number)),),
        duration_s=20.0, bitrate_bps=load_bps, audio=False,
    )  # fmt: skip
    return Regime(scenario, "a link dies", "", FOUR_THREE_TWO)


FOUR_THREE_TWO = (4.0, 3.0, 2.0)


def regimes(split: Split, directory: Path | None) -> list[Regime]:
    """All of them. `directory`: recorded traces, as from find_traces."""
    roads = _Roads(split, directory)
    driving = partial(_along, roads, (SLOWER, ATT, UMTS))
    urban = partial(_along, roads, (VERIZON, ATT, UMTS))
    weak = partial(_along, roads, (ATT, UMTS))
    kind = roads.kind
    four = FOUR_THREE_TWO

    def fixed(name: str, links: Links, *script: tuple[float, Action], seconds: float = LONG_S,
              bps: float | None = VIDEO_BPS) -> Scenario:  # fmt: skip
        return Scenario(name, links, script, seconds, bps, ADAPTIVE_MAX_BPS, audio=False)

    dead, alive = together(cut(0), cut(1), cut(2)), together(mend(0), mend(1), mend(2))
    thin = together(cut(0), cut(1), rate(2, 400_000))
    wide = together(mend(0), mend(1), rate(2, 2_000_000))
    return [
        Regime(fixed("steady 4+3+2", steady_three, seconds=SHORT_S), "targets", "", four),
        Regime(
            fixed("best link cut for 15 s", steady_three, (15.0, cut(0)), (30.0, mend(0))),
            "targets", "", four,
        ),
        Regime(fixed("LTE driving", driving), "targets", kind, (5.4, 1.0, 0.9)),
        Regime(
            fixed("LTE driving, bursts, blackout", partial(_with_bursts, driving),
                  (30.0, dead), (31.0, alive)),
            "targets", kind, (5.4, 1.0, 0.9),
        ),
        Regime(
            fixed("400 kbit/s left for 10 s", steady_three, (15.0, thin), (25.0, wide),
                  seconds=40.0),
            "targets", "", four,
        ),
        Regime(fixed("urban 4 Mbit/s", urban, seconds=90.0), "fixed rate", kind, (7.6, 1.0, 0.9)),
        Regime(fixed("weak 1 Mbit/s", weak, seconds=90.0, bps=1e6), "fixed rate", kind,
               (1.0, 0.9)),
        Regime(fixed("urban, adaptive", urban, bps=None), "adaptive rate", kind,
               (7.6, 1.0, 0.9)),
        Regime(fixed("steady 4+3+2, adaptive", steady_three, bps=None, seconds=SHORT_S),
               "adaptive rate", "", four),
        Regime(fixed("fibre 50+20", _fibre, seconds=SHORT_S), "other networks", "",
               (50.0, 20.0)),
        Regime(fixed("satellite, handover every 15 s", _satellites), "other networks", "",
               (9.0, 2.5)),
        Regime(fixed("Wi-Fi, jitter and bursts", _wifi, seconds=SHORT_S), "other networks", "",
               (15.0, 3.0)),
        Regime(fixed("3 % loss, reordering", _lossy, seconds=SHORT_S), "other networks", "",
               four),
        Regime(fixed("single link", _single, seconds=SHORT_S), "other networks", "", (5.0,)),
        *(_die(number) for number in range(3)),
        Regime(
            fixed("way back of the busiest dies", steady_three, (10.0, cut_busiest_reverse),
                  seconds=20.0, bps=0.6 * 5e6),
            "a link dies", "", four,
        ),
    ]  # fmt: skip


def _along(roads: _Roads, names: tuple[_Road, ...], chance: random.Random) -> list[NetworkLink]:
    return [roads.link(name, chance) for name in names]
