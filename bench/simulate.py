"""`make simulate SEED=n`: every bond scenario once in virtual time, with its figures.

The same seed gives the same figures. Without a camera, a network or waiting; delays are from
capture to the last packet at the hub. `>150`, `>400`: share of frames that took longer or never
came. `gap`: longest time without a new frame. `extra`: datagrams sent again for each one sent.
"""

import argparse
import sys
import time

from edgebox.sim.bond_run import HEADINGS, BrokenError, run
from edgebox.sim.scenarios import SCENARIOS


def main() -> int:
    """Print a table; 1 when an invariant broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    arguments = parser.parse_args()
    print(f"{'seed ' + str(arguments.seed):<28} {HEADINGS}")
    broken = 0
    for scenario in SCENARIOS:
        if arguments.only not in scenario.name:
            continue
        began_at = time.process_time()
        try:
            line = run(scenario, arguments.seed).line()
        except BrokenError as error:
            broken, line = 1, f"BROKEN: {error}"
        print(f"{scenario.name:<28} {line}   ({time.process_time() - began_at:.1f} s)", flush=True)
    return broken


if __name__ == "__main__":
    sys.exit(main())
