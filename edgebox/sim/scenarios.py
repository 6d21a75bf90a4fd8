"""The situations a vehicle meets, small enough to be tests: `make simulate SEED=n` plays them."""

import random

from edgebox.sim.network import NetworkLink
from edgebox.sim.scenario import (
    Scenario,
    cut,
    cut_busiest,
    cut_busiest_reverse,
    jump,
    mend,
    narrow_mtu,
    rate,
    rebind_all,
    replay,
    steady,
    stop,
    suspend,
    together,
)


def three(chance: random.Random) -> list[NetworkLink]:
    """4 + 3 + 2 Mbit/s, somewhat different from seed to seed."""
    rates = (4_000_000, 3_000_000, 2_000_000)
    return [
        steady(round(rate * chance.uniform(0.9, 1.1)), delay * chance.uniform(0.8, 1.2))
        for rate, delay in zip(rates, (20.0, 30.0, 40.0), strict=True)
    ]


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


def _one_cell(chance: random.Random) -> list[NetworkLink]:
    """Two cards of one operator: 3 Mbit/s together, whatever each is thought to carry."""
    links = [steady(3_000_000, 25.0), steady(3_000_000, 30.0), steady(2_000_000, 35.0)]
    links[0].cell = links[1].cell = 0
    return links


def _single(chance: random.Random) -> list[NetworkLink]:
    return [steady(3_000_000, 30.0)]


def _satellite(chance: random.Random) -> list[NetworkLink]:
    return [steady(6_000_000, 280.0), steady(800_000, 35.0)]


def _shuffled(chance: random.Random) -> list[NetworkLink]:
    return [
        steady(rate, delay, jitter_ms=12.0, reorder=True, duplicated=0.02)
        for rate, delay in ((4_000_000, 20.0), (3_000_000, 30.0), (2_000_000, 40.0))
    ]


def _one_way(chance: random.Random) -> list[NetworkLink]:
    """Much up and little down, and the other way round."""
    fast_up, fast_down = steady(5_000_000, 20.0), steady(800_000, 30.0)
    fast_up.down = steady(150_000, 60.0).up
    fast_down.down = steady(20_000_000, 15.0).up
    return [fast_up, fast_down]


_FLAPS = tuple((6.0 + 0.5 * step, mend(0) if step % 2 else cut(0)) for step in range(16))

SCENARIOS = (
    Scenario("steady", three),
    Scenario("steady, 4 Mbit/s fixed", three, bitrate_bps=4e6),
    Scenario("best link cut", three, ((8.0, cut_busiest),), bitrate_bps=4e6),
    Scenario("best link cut, 60 % load", three, ((8.0, cut_busiest),), bitrate_bps=2.7e6),
    Scenario("cut and back", three, ((6.0, cut(0)), (12.0, mend(0)))),
    Scenario("reverse only dies", three, ((8.0, cut_busiest_reverse),), bitrate_bps=4e6),
    Scenario("forward only dies", three, ((8.0, cut(0, "up")),), bitrate_bps=4e6),
    Scenario("2 % loss", _lossy),
    Scenario("bursty loss", _bursty),
    Scenario(
        "2.5 to 1 Mbit/s",
        _narrow,
        ((8.0, together(rate(0, 600_000), rate(1, 400_000))),),
    ),
    Scenario(
        "down to 1 and back",
        _narrow,
        (
            (6.0, together(rate(0, 600_000), rate(1, 400_000))),
            (12.0, together(rate(0, 1_500_000), rate(1, 1_000_000))),
        ),
    ),
    Scenario(
        "two of three die at once", three, ((8.0, together(cut(0), cut(1))),), bitrate_bps=1e6
    ),
    Scenario("two of three dead", three, ((6.0, cut(0)), (8.0, cut(1)))),
    Scenario(
        "all dead for 10 s",
        three,
        (
            (5.0, together(cut(0), cut(1), cut(2))),
            (15.0, together(mend(0), mend(1), mend(2))),
        ),
        duration_s=25.0,
    ),
    Scenario("old packets replayed", three, ((5.0, replay), (9.0, replay))),
    Scenario("all ports rebound", three, ((6.0, rebind_all), (12.0, rebind_all))),
    Scenario("box suspended for 2 s", three, ((8.0, suspend("up", 2.0)),)),
    Scenario("hub suspended for 1 s", three, ((8.0, suspend("down", 1.0)),)),
    Scenario("box stopped for 0.3 s", three, ((8.0, stop("up", 0.3)),)),
    Scenario("hub stopped for 0.5 s", three, ((8.0, stop("down", 0.5)),)),
    Scenario("hub's clock jumps 3 s", three, ((8.0, jump("down", 3.0)),)),
    Scenario("box's clock jumps 20 s", three, ((8.0, jump("up", 20.0)),)),
    Scenario("a link flaps", three, _FLAPS, bitrate_bps=2.7e6),
    Scenario("a link takes small packets only", three, ((8.0, narrow_mtu(0, 1000)),)),
    Scenario("reordering and copies", _shuffled),
    Scenario("asymmetric links", _one_way),
    Scenario("one link", _single),
    Scenario("two links in one cell", _one_cell, bitrate_max_bps=8e6),
    Scenario("two links in one cell, 3.5 Mbit/s", _one_cell, bitrate_bps=3.5e6),
    Scenario("satellite and a thin link", _satellite),
)
