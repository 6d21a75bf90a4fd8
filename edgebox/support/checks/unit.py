"""Units that systemd calls failed, and services of ours that it starts again and again.

systemctl(1): `list-units --failed`, `show --property=`.
"""

import re
from dataclasses import dataclass

from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

OURS = "edgebox-"
RESTARTS = 5
NAMED_MAX = 6


@dataclass(frozen=True)
class Facts:
    """`restarts`: our units -> how often they were started again. None: no systemd here."""

    failed: tuple[str, ...] | None
    restarts: dict[str, int]


async def read(here: Surroundings) -> Facts:
    """Ask systemd."""
    if not here.path("/run/systemd/system").exists():
        return Facts(None, {})
    plain = ("--plain", "--no-legend", "--no-pager")
    failed = await here.run("systemctl", "list-units", "--failed", *plain)
    shown = await here.run("systemctl", "show", "--property=Id,NRestarts", f"{OURS}*.service")
    if failed is None or failed.code != 0:
        return Facts(None, {})
    names = tuple(line.split()[0] for line in failed.text.splitlines() if line.split())
    return Facts(names, parse_restarts(shown.text if shown is not None else ""))


def parse_restarts(text: str) -> dict[str, int]:
    """Blocks of `Id=` and `NRestarts=` with an empty line between."""
    found = {}
    for block in text.split("\n\n"):
        pairs = dict(line.partition("=")[::2] for line in block.splitlines())
        count = pairs.get("NRestarts", "")
        if pairs.get("Id") and re.fullmatch(r"[0-9]{1,9}", count):
            found[pairs["Id"]] = int(count)
    return found


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """Ours that failed are faults, others want a look."""
    if facts.failed is None:
        return (untested("absent", "no systemd runs here"),)
    found: list[Verdict] = []
    for name in facts.failed[:NAMED_MAX]:
        say = fault if name.startswith(OURS) else attention
        found.append(say("failed", f"{name} failed", f"systemctl status {name}", name))
    for name, count in facts.restarts.items():
        if count >= RESTARTS:
            measured = f"{name}: started again {count} times"
            found.append(attention("restarts", measured, f"journalctl -u {name}", name))
    return tuple(found) or (good("no failed unit"),)


UNIT = Check("unit", read, judge)
