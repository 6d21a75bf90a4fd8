"""The coverage-guided fuzzer against every parser: `make fuzz`, `make fuzz ARGS="--runs 1000 bus"`.

Needs atheris, which exists for x86-64 alone: `make fuzz` installs it beside, not into .venv. An
input that breaks something is left in the working directory as libFuzzer does (crash-...).
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMORY_MIB = 1024
ONE_INPUT_S = 5


def main() -> None:
    """Run each parser in a process of its own; exit code 1 when one was broken."""
    if sys.argv[1:2] == ["--child"]:
        _fuzz(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions of each parser")
    parser.add_argument("names", nargs="*", help="parsers; none: all")
    chosen = parser.parse_args()
    from tests.fuzz.targets import TARGETS

    broken = [name for name in chosen.names or TARGETS if not _run(name, chosen.runs)]
    sys.exit(f"broken: {', '.join(broken)}" if broken else 0)


def _run(name: str, runs: int) -> bool:
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory(prefix="edgebox-corpus-") as corpus:
        for number, seed in enumerate(TARGETS[name].seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        began_at = time.monotonic()
        limits = (
            f"-max_len={TARGETS[name].size_max}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-timeout={ONE_INPUT_S}",
        )
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.run", "--child", name, f"-runs={runs}", *limits,
             "-verbosity=0", "-print_final_stats=1", corpus],
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        executed = [line for line in done.stderr.splitlines() if "executed_units" in line]
        spent_s = time.monotonic() - began_at
        verdict = "clean" if done.returncode == 0 else f"BROKEN\n{done.stderr}"
        count = executed[-1].split()[-1] if executed else "?"
        print(f"{name:14} {count:>9} executions {spent_s:6.0f} s  {verdict}", flush=True)  # noqa: T201
        return done.returncode == 0


def _fuzz(name: str, options: list[str]) -> None:
    """Does not return: libFuzzer ends the process, with a code other than 0 for a finding."""
    import atheris

    with atheris.instrument_imports(include=["edgebox"]):
        from tests.fuzz.targets import TARGETS
    logging.disable(logging.CRITICAL)
    atheris.Setup([sys.argv[0], *options], TARGETS[name].take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
