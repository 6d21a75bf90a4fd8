"""Removes each rule of a table, in a copy of the tree, and sees that a test of it fails.

    python -m tests.mutation.run [--only TEXT]

Ends with 1 if the tests of a rule pass without it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from msgspec import Struct, convert

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).parent / "headset.toml"
PARTS = ("edgebox", "tests", "config", "systemd", "pyproject.toml")
LIMIT_S = 180


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule; `line` stands once in its file."""

    name: str
    line: str
    instead: str


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of one file, and the tests of them."""

    name: str
    file: str
    tests: tuple[str, ...]
    rule: tuple[Rule, ...]


def table() -> tuple[Part, ...]:
    """All of it."""
    return convert(tomllib.loads(TABLE.read_text()), dict[str, tuple[Part, ...]])["part"]


def removed(rule: Rule, text: str) -> str:
    """The file without the rule. Raises ValueError unless it stands there once."""
    if text.count(rule.line) != 1:
        raise ValueError(f"{rule.name}: stands there {text.count(rule.line)} times")
    return text.replace(rule.line, rule.instead)


def is_noticed(part: Part, rule: Rule, tree: Path) -> bool:
    """Whether its tests fail without it, in this copy, which is whole again afterwards."""
    path = tree / part.file
    whole = path.read_text()
    path.write_text(removed(rule, whole))
    words = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *part.tests)
    try:
        done = subprocess.run(
            words, cwd=tree, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    finally:
        path.write_text(whole)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{rule.name}: pytest ended with {done.returncode}\n{done.stdout}")
    return done.returncode == 1


def copy_to(tree: Path) -> None:
    """What the tests need of our own."""
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(source, tree / name, ignore=ignore)
        else:
            shutil.copy(source, tree / name)


def main() -> int:
    """Go through the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rules whose name holds this")
    only = parser.parse_args().only
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    found: list[bool] = []
    with tempfile.TemporaryDirectory(prefix="edgebox-mutation-") as name:
        tree = Path(name)
        copy_to(tree)
        for part in table():
            for rule in part.rule:
                title = f"{part.name}: {rule.name}"
                if only in title:
                    found.append(is_noticed(part, rule, tree))
                    sys.stdout.write(f"{'noticed' if found[-1] else 'MISSED '} {title}\n")
                    sys.stdout.flush()
    sys.stdout.write(f"{found.count(False)} of {len(found)} missed\n")
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
