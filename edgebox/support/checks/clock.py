"""Is the clock right? Certificates, the times of values and the audit trail hang on it.

Two witnesses: whether the system's clock is synchronised, and from where (timedatectl(1),
chronyc(1) `-c tracking`: fields 2 and 5 are the source's name and how far the system is off, in s);
and what the hub's clock shows, to within half of the answer's way.
"""

import time
from dataclasses import dataclass

from edgebox.messages.base import Fault
from edgebox.messages.services import ASK_HUB, AskHub
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

OFF_S, WRONG_S = 2.0, 60.0
"""Off: values of one patient no longer fit in time. Wrong: credentials fail."""
EARLIEST_UTC = 1_767_225_600.0
"""2026-01-01: before it this box was not made. A clock without a battery begins at 1970."""
HUB_S = 4.0


@dataclass(frozen=True)
class Facts:
    """None: nobody tells. `ahead_s`: how far we are ahead of the hub, give or take `unsure_s`."""

    synchronised: bool | None
    source: str
    ahead_s: float | None
    unsure_s: float = 0.0


async def read(here: Surroundings) -> Facts:
    """Ask the system and the hub."""
    said = await here.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    words = {"yes": True, "no": False}
    synchronised = words.get(said.text.strip()) if said is not None and said.code == 0 else None
    ahead_s, unsure_s = await _compare(here)
    return Facts(synchronised, await _source(here), ahead_s, unsure_s)


async def _compare(here: Surroundings) -> tuple[float | None, float]:
    asked_utc, asked_at = time.time(), time.monotonic()
    answer = await here.bus.request(ASK_HUB, AskHub(), timeout_s=HUB_S)
    if isinstance(answer, Fault) or not answer.at_utc:
        return None, 0.0
    half_s = (time.monotonic() - asked_at) / 2
    return asked_utc + half_s - answer.at_utc, half_s


async def _source(here: Surroundings) -> str:
    said = await here.run("chronyc", "-c", "-n", "tracking")
    fields = said.text.strip().split(",") if said is not None and said.code == 0 else []
    if len(fields) >= 5:
        return f"chrony, {fields[1]}, off by {fields[4]} s"[:80]
    said = await here.run("timedatectl", "show-timesync", "--property=ServerName", "--value")
    name = said.text.strip() if said is not None and said.code == 0 else ""
    return f"timesyncd, {name}"[:80] if name else "no time source known"


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """Right by the hub, or at least synchronised."""
    if now_utc < EARLIEST_UTC:
        shown = time.strftime("%Y-%m-%d", time.gmtime(now_utc))
        return (fault("reset", f"it shows {shown}", "clock battery; time source: " + facts.source),)
    if facts.ahead_s is None:
        return _judge_alone(facts)
    off_s = max(0.0, abs(facts.ahead_s) - facts.unsure_s)
    measured = f"{facts.ahead_s:+.1f} s against the hub (± {facts.unsure_s:.1f}), {facts.source}"
    look_at = "which is wrong: box or hub? chronyc tracking on both; is UDP 123 let through?"
    if off_s > WRONG_S:
        return (fault("wrong", measured, look_at),)
    if off_s > OFF_S:
        return (attention("off", measured, look_at),)
    return (good(measured),)


def _judge_alone(facts: Facts) -> Verdicts:
    if facts.synchronised is None:
        return (untested("unheard", "neither the system nor the hub tells"),)
    if not facts.synchronised:
        look_at = "chronyc tracking / timedatectl; is UDP 123 let through? GNSS as a source"
        return (attention("unsynchronised", facts.source, look_at),)
    return (good(f"synchronised, {facts.source}; the hub could not be asked"),)


CLOCK = Check("clock", read, judge, limit_s=14)
