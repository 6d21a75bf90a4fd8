"""`make bench-bond`: the bond against its rivals and the bound, in every regime.

    python -m bench.bond_matrix [--split development] [--only TEXT] [--group TEXT] [--seeds N]
                                [--ours] [--traces DIR|none] [--jobs N] [--write FILE]

Same frames, links and faults for all in a table; delays are from capture to the last packet at the
hub, all seeds of a regime taken together. `<=400 ms`: share of frames complete by then. `>150 ms`:
share later than that, or never complete. `gap`: longest time without a newer picture. `extra`:
share of what went up that was no datagram's first copy (copies, parity, probes, control). The bound
is for the frames ours sent; with an adaptive rate those are not the rivals'.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import bond_goals
from bench.bond_play import Outcome, as_ms, as_share, play
from bench.report import machine, table
from edgebox.sim.regimes import Split, find_traces, regimes, seeds_of

TRACES = Path(__file__).resolve().parents[2] / "shared" / "traces"
"""Recorded traces beside the project, if there are any."""
SEEDS = 2
SAME_MS = 1.0
SAME_PART = 0.03
SAME_SHARE = 0.001
"""Differences up to these are none: our packets alone are sealed and numbered, 3 % larger."""
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
HEADER = ["", "<=400 ms", "p50", "p95", "p99", ">150 ms", "gap", "extra", "Mbit/s"]


def show(outcome: Outcome) -> str:
    """One regime as text."""
    rows = [outcome.bound.cells(), outcome.ours().cells()]
    best = outcome.best_single()
    if best is not None:
        rows.append([f"best single link ({best.name.split()[1]})", *best.cells()[1:]])
    rows += [row.cells() for row in outcome.rivals()]
    kind = f", {outcome.traces} traces" if outcome.traces else ""
    return f"### {outcome.regime}{kind}\n\n" + table(HEADER, rows)


def worse(outcome: Outcome) -> list[list[str]]:
    """Where ours is behind the best single link: regime, figure, ours, theirs."""
    best = outcome.best_single()
    if best is None or outcome.group == "adaptive rate":
        return []  # with an adaptive rate each sends other frames
    ours = outcome.ours()
    found = []
    for share in (0.5, 0.95, 0.99):
        mine, theirs = ours.percentile_ms(share), best.percentile_ms(share)
        if mine > theirs + max(SAME_MS, SAME_PART * theirs):
            found.append([outcome.regime, f"p{100 * share:.0f}", as_ms(mine), as_ms(theirs)])
    mine, theirs = 1 - ours.within(150), 1 - best.within(150)
    if mine > theirs + SAME_SHARE:
        found.append([outcome.regime, ">150 ms", as_share(mine), as_share(theirs)])
    return found


def summary(outcomes: Sequence[Outcome]) -> str:
    """Goals, and where a single link does better."""
    lost = [row for outcome in outcomes for row in worse(outcome)]
    return (
        "### Goals\n\n"
        + table(bond_goals.HEADER, bond_goals.verdicts(outcomes))
        + "\n\n### Worse than the best single link\n\n"
        + f"Differences up to {SAME_MS:g} ms or {as_share(SAME_PART)}, and {as_share(SAME_SHARE)} "
        + "of frames, are none: our packets alone are sealed, and so 3 % larger. "
        + "Adaptive rates are left out.\n\n"
        + (table(["regime", "figure", "ours", "single"], lost) if lost else "Nowhere.")
    )


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


def played(jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    """In order, as they are done."""
    if processes <= 1:
        yield from map(work, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(work, jobs)


def main() -> int:
    """Print the matrix as it comes."""
    options = _options()
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
    for outcome in played(jobs, options.jobs):
        outcomes.append(outcome)
        parts.append(show(outcome))
        print(f"\n{parts[-1]}\n({outcome.seconds:.0f} s)", flush=True)
    parts.insert(1, summary(outcomes))
    print(f"\n{parts[1]}")
    print(f"\n{time.monotonic() - began_at:.0f} s on {options.jobs} of {os.cpu_count()} cores")
    if options.write:
        write(options.write, "\n\n".join(parts))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("report", "development"), default="report")
    parser.add_argument("--only", default="", help="regimes whose name holds this")
    parser.add_argument("--group", default="", help="regimes of a group whose name holds this")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--ours", action="store_true", help="without rivals, for tuning")
    parser.add_argument("--traces", default=str(TRACES), help="directory, or none: generated")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", type=Path, help="put the tables between the file's markers")
    return parser.parse_args()


def write(file: Path, text: str) -> None:
    """Between the markers of a document."""
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{file}: no lines {BEGIN} and {END}")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
