"""`make simulate`: the bond in virtual time, without a camera, a network or waiting.

    python -m bench.simulate --seed 7           each fixed scenario and the random vehicle of seed 7
    python -m bench.simulate --vehicles 1000    the random vehicles of seeds 1 to 1000

The same seed gives the same run, bit for bit. A vehicle that breaks an invariant is named with its
seed; how to drive it again stands beside it. Of the scenarios figures are printed: delays are from
capture to the last packet at the hub. `>150`, `>400`: share of frames that took longer or never
came. `gap`: longest time without a new frame. `extra`: what was no first copy. On the right what
nobody could have beaten (edgebox/sim/bound.py).
"""

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from dataclasses import dataclass

from edgebox.sim.bond_run import HEADINGS, BrokenError, run
from edgebox.sim.scenarios import SCENARIOS
from edgebox.sim.vehicle import drive

CHUNK = 8
TOLD_EVERY = 500
SHOWN_MAX = 20
"""Broken seeds told in full."""


def play_seed(seed: int, only: str) -> int:
    """Print a table; 1 when an invariant broke."""
    print(f"{'seed ' + str(seed):<28} {HEADINGS}")
    broken = 0
    for scenario in SCENARIOS:
        if only not in scenario.name:
            continue
        began_at = time.process_time()
        try:
            line = run(scenario, seed).line()
        except BrokenError as error:
            broken, line = 1, f"BROKEN: {error}"
        print(f"{scenario.name:<28} {line}   ({time.process_time() - began_at:.1f} s)", flush=True)
    if only not in "random vehicle":
        return broken
    tried = drive_one(seed)
    print(f"{'random vehicle':<28} {tried.line}")
    return broken or int(tried.broken)


@dataclass(frozen=True)
class Tried:
    """One seed."""

    seed: int
    broken: bool
    line: str
    packets: int = 0


def drive_one(seed: int) -> Tried:
    """An exception of any other kind is broken too: a core raises nothing on bytes and time."""
    try:
        done = drive(seed)
    except BrokenError as error:
        return Tried(seed, True, f"BROKEN: {error}")
    except Exception:  # noqa: BLE001 - whatever it is, the seed must be named
        again = f"Again: make simulate SEED={seed}"
        return Tried(seed, True, f"RAISED: vehicle {seed}\n{traceback.format_exc()}{again}")
    return Tried(seed, False, done.line(), done.packets)


def drive_many(first: int, count: int, processes: int) -> int:
    """Print those that break; 1 if there are any."""
    began_at = time.monotonic()
    broken = packets = done = 0
    seeds = range(first, first + count)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for tried in pool.imap_unordered(drive_one, seeds, CHUNK):
            packets += tried.packets
            done += 1
            if done % TOLD_EVERY == 0 and done < count:
                print(f"{done} of {count}: {broken} broken", flush=True)
            if tried.broken:
                broken += 1
                if broken <= SHOWN_MAX:
                    print(tried.line, flush=True)
    print(
        f"{count} random vehicles, seeds {first} to {first + count - 1}: {broken} broken; "
        f"{packets} packets audited, {time.monotonic() - began_at:.0f} s on {processes} processes"
    )
    return int(broken > 0)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    parser.add_argument("--vehicles", type=int, default=0, help="how many random vehicles")
    parser.add_argument("--first", type=int, default=1, help="seed of the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.vehicles:
        return drive_many(options.first, options.vehicles, options.jobs)
    return play_seed(options.seed, options.only)


if __name__ == "__main__":
    sys.exit(main())
