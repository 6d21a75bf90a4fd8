"""Do simulation and real sockets agree? `python -m bench.bond_netns` prints both, side by side.

The same links, rates, pictures and faults: once in virtual time with two protocol cores, once with
two real processes, kernel sockets and interfaces in network namespaces, whose frames pass through
the simulator's own lanes in user space. Needs root. Tolerances: docs/bond-operations.md.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from edgebox.sim import bond_run
from edgebox.sim.network import Network, NetworkLink
from edgebox.sim.scenario import Scenario, cut_busiest, cut_busiest_reverse, steady
from tests.namespaces.world import World, why_not

SHARE_TOLERANCE = 0.03
"""Of frames within 400 ms."""
GAP_TOLERANCE_S = 0.10
WARM_S = 6.0
SECONDS = 8.0
FAULT_S = 2.0


def three(_: random.Random) -> list[NetworkLink]:
    """4 + 3 + 2 Mbit/s."""
    return [steady(4_000_000, 20.0), steady(3_000_000, 30.0), steady(2_000_000, 40.0)]


class Case(NamedTuple):
    """The same situation in both worlds."""

    name: str
    bitrate_bps: float
    simulated: Callable[[Network], None] | None
    real: Callable[[World], None] | None


def _step(network: Network) -> None:
    for link in network.links:
        link.change("up", network.now, rate_bps=1_200_000)


def _step_real(world: World) -> None:
    for name in world.families:
        world.change(name, "up", rate_bps=1_200_000)


CASES = (
    Case("steady 4+3+2", 4e6, None, None),
    Case(
        "best link cut",
        2.7e6,
        cut_busiest,
        lambda world: world.change(world.busiest(), cut=True),
    ),
    Case(
        "reverse only dies",
        2.7e6,
        cut_busiest_reverse,
        lambda world: world.change(world.busiest(), "down", cut=True),
    ),
    Case("9 to 3.6 Mbit/s", 2.7e6, _step, _step_real),
)


def simulate(case: Case, seed: int) -> tuple[float, float]:
    """Share of frames within 400 ms after the fault's start, and the longest gap in seconds."""
    script = ((WARM_S + FAULT_S, case.simulated),) if case.simulated else ()
    scenario = Scenario(
        case.name, three, script, duration_s=WARM_S + SECONDS, bitrate_bps=case.bitrate_bps,
        audio=False,
    )  # fmt: skip
    result = bond_run.run(scenario, seed)
    result.start += WARM_S
    return 1 - result.late(400), result.gap_ms() / 1e3


def really(case: Case) -> tuple[float, float]:
    """The same with real processes."""
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name, World(Path(name)) as world:
        for number, link in enumerate(three(random.Random())):
            world.plug(f"lte{number}", link)
        world.start_ends()
        world.watch(case.bitrate_bps, WARM_S - 1.0)
        act = case.real
        script = {FAULT_S: lambda: act(world)} if act else {}
        figures = world.watch(case.bitrate_bps, SECONDS, script)
        return figures.within(0.4), figures.gap_s()


def main() -> None:
    """Print a table; exit code 1 when the two worlds differ by more than the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each kind")
    runs = parser.parse_args().seeds
    if why_not():
        sys.exit(why_not())
    print(f"{'':20} {'frames within 400 ms':>28}  {'longest gap, ms':>28}")
    print(f"{'':20} {'simulated':>14}{'real':>14}  {'simulated':>14}{'real':>14}")
    apart = False
    for case in CASES:
        simulated = [simulate(case, seed) for seed in range(1, runs + 1)]
        real = [really(case) for _ in range(runs)]
        shares = [_median(run[0] for run in world) for world in (simulated, real)]
        gaps = [_median(run[1] for run in world) for world in (simulated, real)]
        agrees = (
            abs(shares[0] - shares[1]) <= SHARE_TOLERANCE
            and abs(gaps[0] - gaps[1]) <= GAP_TOLERANCE_S
        )
        apart = apart or not agrees
        print(
            f"{case.name:20} {shares[0]:14.1%}{shares[1]:14.1%}  "
            f"{gaps[0] * 1e3:14.0f}{gaps[1] * 1e3:14.0f}  {'' if agrees else 'APART'}"
        )
    sys.exit(1 if apart else 0)


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


if __name__ == "__main__":
    main()
