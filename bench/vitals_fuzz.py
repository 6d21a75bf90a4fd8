"""Seeded mutations against every parser of vitals: `python -m bench.vitals_fuzz --runs 1000000`.

The inputs are those of the coverage-guided fuzzer (`make fuzz`, which needs x86-64); this one needs
nothing and repeats itself exactly: a failure prints its seed, and `--seed N --runs 1` repeats it.
"""

import argparse
import random
import sys
import time

from tests.fuzz.vitals_targets import VITALS_TARGETS


def mutated(seeds: tuple[bytes, ...], rng: random.Random) -> bytes:
    """A seed with pieces changed, cut out, doubled, moved or taken from another."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 4, 16))
        match rng.randrange(7):
            case 0:
                data[at : at + length] = rng.randbytes(length)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = rng.randbytes(length)
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                data = data[:at] if rng.random() < 0.3 else data
            case 5:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at:at] = other[start : start + length * 4]
            case _:
                if at < len(data):
                    data[at] = rng.choice(
                        (0, 1, 0x7F, 0x80, 0xFF, data[at] ^ 1 << rng.randrange(8))
                    )
    return bytes(data)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=100_000, help="of all parsers together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or list(VITALS_TARGETS)
    share = max(1, options.runs // len(names))
    for name in names:
        take, seeds = VITALS_TARGETS[name]
        began_at = time.monotonic()
        for number in range(options.seed, options.seed + share):
            data = mutated(seeds, random.Random(number))
            try:
                take(data)
            except BaseException:
                print(f"{name} broke at --seed {number} --runs 1: {data.hex()}")
                raise
        print(f"{name:18} {share:>9} inputs {time.monotonic() - began_at:6.0f} s  clean")
    sys.exit(0)


if __name__ == "__main__":
    main()
