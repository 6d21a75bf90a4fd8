"""Updates: is the other image fit to fall back to, and did the last update take?

RAUC: `rauc status --output-format=json` names the booted slot, the one that is to be booted, and
for each slot whether the bootloader calls it good or bad (rauc(1)). A system that was installed and
waits for a quiet moment to be started is how it should be.
"""

from dataclasses import dataclass

from edgebox.host.rauc import Slot, parse_status
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, good, untested
from edgebox.support.surroundings import Surroundings


@dataclass(frozen=True)
class Facts:
    """None: no RAUC here. `primary`: name of the slot that is booted next. `pending`: by the word
    of the update service, an update waits for its restart."""

    slots: tuple[Slot, ...] | None
    primary: str = ""
    pending: bool = False


async def read(here: Surroundings) -> Facts:
    """Ask RAUC, and the update service."""
    said = await here.run("rauc", "status", "--output-format=json")
    if said is None or said.code != 0:
        return Facts(None)
    status, update = parse_status(said.output), here.heard.update
    pending = update is not None and update.state in {"installed", "restarting"}
    return Facts(status.slots, status.primary, pending)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """Booted is what is to be booted, and both are good."""
    if facts.slots is None:
        return (untested("absent", "no RAUC: this machine has no second image"),)
    booted = next((slot for slot in facts.slots if slot.booted), None)
    measured = ", ".join(f"{slot.bootname} {slot.boot_status}" for slot in facts.slots)
    if booted is None:
        return (untested("unbooted", f"no slot is booted: {measured}"),)
    measured = f"booted {booted.bootname}; {measured}"
    return (_judge_booted(facts, booted, measured),)


def _judge_booted(facts: Facts, booted: Slot, measured: str) -> Verdict:
    if booted.boot_status == "bad":
        look_at = "why was it never marked good? rauc status, journal of the first boot"
        return attention("unconfirmed", measured, look_at)
    if facts.pending:
        return good(f"{measured}; an update waits for its restart")
    if facts.primary and facts.primary not in {booted.name, "None"}:
        look_at = "an update that waits for a restart, or one that did not start and fell back"
        return attention("other-next", f"{measured}; next {facts.primary}", look_at)
    others = [slot for slot in facts.slots or () if not slot.booted]
    if any(slot.boot_status == "bad" for slot in others):
        return attention("no-way-back", measured, "install the update again: rauc install")
    return good(measured)


UPDATE = Check("update", read, judge)
