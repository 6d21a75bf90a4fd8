"""Is there memory left, and did the kernel have to end a process for want of it? proc(5)."""

import re
from dataclasses import dataclass

from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

LITTLE, NONE = 0.10, 0.03
"""Shares of all that are available."""


@dataclass(frozen=True)
class Facts:
    """None: not told. `killed`: processes the kernel ended since the boot."""

    total_kb: int | None
    available_kb: int | None
    killed: int


async def read(here: Surroundings) -> Facts:
    """From /proc."""
    info, counters = here.read("/proc/meminfo") or "", here.read("/proc/vmstat") or ""
    return Facts(
        _number(r"^MemTotal: +(\d{1,15}) kB$", info),
        _number(r"^MemAvailable: +(\d{1,15}) kB$", info),
        _number(r"^oom_kill (\d{1,15})$", counters) or 0,
    )


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else None


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """Enough available, nobody killed."""
    if not facts.total_kb or facts.available_kb is None:
        return (untested("absent", "/proc/meminfo tells nothing"),)
    share = facts.available_kb / facts.total_kb
    measured = f"{facts.available_kb / 1e3:.0f} of {facts.total_kb / 1e3:.0f} MB ({share:.0%})"
    look_at = "systemd-cgtop -m: which service grew? journal: oom-kill"
    if share < NONE:
        return (fault("none", measured, look_at),)
    if share < LITTLE:
        return (attention("little", measured, look_at),)
    if facts.killed:
        killed = f"{measured}; {facts.killed} processes ended for want of memory"
        return (attention("killed", killed, look_at),)
    return (good(measured),)


MEMORY = Check("memory", read, judge)
