"""`make bench-bond`: the bond against its rivals and the bound, in every regime.

    python -m bench.bond_matrix [--split development] [--only TEXT] [--group TEXT] [--seeds N]
                                [--ours] [--traces DIR|none] [--jobs N] [--write FILE]

Same frames, links and faults for all in a row; delays are from capture to the last packet at the
hub, all seeds of a regime taken together. `<=400 ms`: share of frames complete by then. `>150`:
share later than that, or never complete. `gap`: longest time without a newer picture. `extra`:
share of the bytes sent that were copies or parity. The bound of `ours` is for the frames ours
sent; with an adaptive rate those are not the rivals'.
"""

import argparse
import math
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.report import machine, table
from edgebox.sim.bond_run import Result, run
from edgebox.sim.bound import Bound, Load, percentile_s
from edgebox.sim.contenders import SINGLE, contenders
from edgebox.sim.regimes import Regime, Split, find_traces, regimes, seeds_of
from edgebox.sim.rtp_stream import PACKET_PAYLOAD, percentile

TRACES = Path(__file__).resolve().parents[2] / "shared" / "traces"
"""Recorded traces beside the project, if there are any."""
SEEDS = 2
SAME_MS = 1.0
SAME_SHARE = 0.001
"""Differences up to these are none."""
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"


@dataclass
class Row:
    """One contender in one regime, all seeds together."""

    name: str
    delays_ms: list[float] = field(default_factory=list)
    gap_ms: float = 0.0
    extra: float = 0.0
    rate_bps: float = 0.0
    runs: int = 0

    def add(self, result: Result) -> None:
        """Another seed."""
        self.delays_ms += result.delays_ms()
        self.gap_ms = max(self.gap_ms, result.gap_ms())
        self.extra += result.redundancy()
        self.rate_bps += result.rate_bps()
        self.runs += 1

    def within(self, limit_ms: float) -> float:
        """Share of frames that took no longer."""
        return sum(delay <= limit_ms for delay in self.delays_ms) / max(1, len(self.delays_ms))

    def percentile_ms(self, share: float) -> float:
        """Delay that this share does not exceed."""
        return percentile(self.delays_ms, share)

    def cells(self) -> list[str]:
        """For the table."""
        return [
            self.name,
            f"{100 * self.within(400):.1f} %",
            *(_ms(self.percentile_ms(share)) for share in (0.5, 0.95, 0.99)),
            f"{100 * (1 - self.within(150)):.1f} %",
            _ms(self.gap_ms),
            f"{100 * self.extra / max(1, self.runs):.1f} %",
            f"{self.rate_bps / max(1, self.runs) / 1e6:.2f}",
        ]


@dataclass
class Outcome:
    """A regime, played."""

    regime: str
    group: str
    traces: str
    rows: list[Row]
    bound: list[str]
    """Cells of the bound's row."""
    bound_within_400: float
    bound_rate_bps: float
    seconds: float

    def ours(self) -> Row:
        """The first row."""
        return self.rows[0]

    def best_single(self) -> Row | None:
        """The link that alone has the fewest late frames, then the lowest p99, in hindsight."""
        singles = [row for row in self.rows if row.name.startswith(SINGLE.partition("{")[0])]
        if not singles:
            return None
        return min(
            singles,
            key=lambda row: (-row.within(150), row.percentile_ms(0.99), row.percentile_ms(0.95)),
        )


HEADER = ["", "<=400 ms", "p50 ms", "p95", "p99", ">150", "gap ms", "extra", "Mbit/s"]


def play(regime: Regime, seeds: list[int], *, only_ours: bool) -> Outcome:
    """All contenders, all seeds."""
    began_at = time.process_time()
    rows, bounds = [], []
    field_of = contenders(regime.weights)
    for contender in field_of[:1] if only_ours else field_of:
        row = Row(contender.name)
        for seed in seeds:
            result = run(regime.scenario, seed, contender)
            row.add(result)
            if contender is field_of[0]:
                bounds.append(bound_of(result))
        rows.append(row)
    within = {limit: _share(bounds, limit) for limit in (0.15, 0.4)}
    adaptive = regime.scenario.bitrate_bps is None
    rate_bps = _bound_rate_bps(regime, bounds) if adaptive else rows[0].rate_bps / len(seeds)
    cells = [
        "bound",
        f"{100 * within[0.4]:.1f} %",
        *(_ms(1000 * percentile_s(bounds, share)) for share in (0.5, 0.95, 0.99)),
        f"{100 * (1 - within[0.15]):.1f} %",
        "",
        "",
        f"{rate_bps / 1e6:.2f}" if adaptive else "",
    ]
    return Outcome(
        regime.name, regime.group, regime.traces, rows, cells, within[0.4], rate_bps,
        time.process_time() - began_at,
    )  # fmt: skip


def bound_of(result: Result) -> Bound:
    """For the frames and links of this run."""
    frames = result.video.window(result.start, result.end)
    histories = [link.history["up"] for link in result.links]
    return Bound([Load.of(frame) for frame in frames], histories, result.end + 60.0)


def _share(bounds: list[Bound], limit_s: float) -> float:
    frames = sum(len(bound.loads) for bound in bounds)
    return sum(bound.within(limit_s) for bound in bounds) / max(1, frames)


def _bound_rate_bps(regime: Regime, bounds: list[Bound]) -> float:
    """Of an encoder that knows the future and keeps within 150 ms, without outer headers."""
    wire = (PACKET_PAYLOAD + 44) / PACKET_PAYLOAD
    most = regime.scenario.bitrate_max_bps / 8 / 30 * wire
    total = sum(bound.rate_bytes(0.15, most) for bound in bounds)
    return total / wire * 8 / (regime.scenario.duration_s * len(bounds))


def _ms(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.0f}"


def show(outcome: Outcome) -> str:
    """One regime as text."""
    best = outcome.best_single()
    rows = [outcome.bound, outcome.ours().cells()]
    if best is not None:
        rows.append([f"best single link ({best.name[5:6]})", *best.cells()[1:]])
    rows += [row.cells() for row in outcome.rows[1:] if "alone" not in row.name]
    kind = f", {outcome.traces} traces" if outcome.traces else ""
    return f"### {outcome.regime}{kind}\n\n" + table(HEADER, rows)


def worse(outcome: Outcome) -> list[list[str]]:
    """Where ours is behind the best single link: regime, figure, ours, theirs."""
    best = outcome.best_single()
    if best is None or outcome.group == "adaptive rate":
        return []  # each has chosen a rate of its own
    ours = outcome.ours()
    found = []
    for share in (0.5, 0.95, 0.99):
        mine, theirs = ours.percentile_ms(share), best.percentile_ms(share)
        if mine > theirs + SAME_MS:
            found.append([outcome.regime, f"p{100 * share:.0f}", _ms(mine), _ms(theirs)])
    mine, theirs = 1 - ours.within(150), 1 - best.within(150)
    if mine > theirs + SAME_SHARE:
        found.append([outcome.regime, ">150", f"{100 * mine:.1f} %", f"{100 * theirs:.1f} %"])
    return found


def _commit() -> str:
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@dataclass(frozen=True)
class Job:
    """What a worker needs; regimes themselves cannot be sent."""

    number: int
    split: Split
    traces: Path | None
    seeds: int
    only_ours: bool


def work(job: Job) -> Outcome:
    """In a process of its own."""
    regime = regimes(job.split, job.traces)[job.number]
    return play(regime, seeds_of(job.split, job.seeds), only_ours=job.only_ours)


def main() -> int:
    """Print the matrix as it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("report", "development"), default="report")
    parser.add_argument("--only", default="", help="regimes whose name holds this")
    parser.add_argument("--group", default="", help="regimes of a group whose name holds this")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--ours", action="store_true", help="without rivals, for tuning")
    parser.add_argument("--traces", default=str(TRACES), help="directory, or none: generated")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", type=Path, help="put the tables between the file's markers")
    options = parser.parse_args()
    directory = None if options.traces == "none" else find_traces(Path(options.traces))
    jobs = [
        Job(number, options.split, directory, options.seeds, options.ours)
        for number, regime in enumerate(regimes(options.split, directory))
        if options.only in regime.name and options.group in regime.group
    ]
    seeds = ", ".join(map(str, seeds_of(options.split, options.seeds)))
    kind = "recorded" if directory else "generated"
    about = f"Commit {_commit()}; split: {options.split}; seeds {seeds}; traces: {kind}."
    parts = [f"{machine()}\n\n{about}"]
    print(parts[0], flush=True)
    outcomes = []
    began_at = time.monotonic()
    for outcome in _played(jobs, options.jobs):
        outcomes.append(outcome)
        parts.append(show(outcome))
        print(f"\n{parts[-1]}\n({outcome.seconds:.0f} s)", flush=True)
    if not options.ours:
        lost = [row for outcome in outcomes for row in worse(outcome)]
        parts.append(
            "### Worse than the best single link\n\n"
            f"Differences up to {SAME_MS:g} ms and {100 * SAME_SHARE:g} % of frames are none.\n\n"
            + (
                table(["regime", "figure", "ours", "best single link"], lost)
                if lost
                else "Nowhere."
            )
        )
        print(f"\n{parts[-1]}")
    print(f"\n{time.monotonic() - began_at:.0f} s on {options.jobs} of {os.cpu_count()} cores")
    if options.write:
        write(options.write, "\n\n".join(parts))
    return 0


def _played(jobs: list[Job], processes: int) -> "list[Outcome] | map[Outcome]":
    if processes <= 1:
        return map(work, jobs)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pool.map(work, jobs, chunksize=1)


def write(file: Path, text: str) -> None:
    """Between the markers of a document."""
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{file}: no lines {BEGIN} and {END}")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
