"""Updates: is the other image fit to fall back to, and did the last update take?

RAUC: `rauc status --output-format=json` names the booted slot, the one that is to be booted, and
for each slot whether the bootloader calls it good or bad (rauc(1)).
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from edgebox.errors import RemoteProtocolError
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, good, untested
from edgebox.support.surroundings import Surroundings

SLOTS_MAX = 16


@dataclass(frozen=True)
class Slot:
    """One that can be booted."""

    name: str
    bootname: str
    booted: bool
    boot_status: str


@dataclass(frozen=True)
class Facts:
    """None: no RAUC here. `primary`: name of the slot that is booted next."""

    slots: tuple[Slot, ...] | None
    primary: str = ""


async def read(here: Surroundings) -> Facts:
    """Ask RAUC."""
    said = await here.run("rauc", "status", "--output-format=json")
    return Facts(None) if said is None or said.code != 0 else parse_status(said.output)


def parse_status(output: bytes) -> Facts:
    """Raises RemoteProtocolError for what is no such status."""
    try:
        said = msgspec.json.decode(output, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"rauc: no status: {error}") from error
    slots = said.get("slots")
    found = []
    for entry in slots[:SLOTS_MAX] if isinstance(slots, list) else []:
        for name, slot in entry.items() if isinstance(entry, dict) else ():
            if isinstance(slot, dict) and slot.get("bootname"):
                booted = slot.get("state") == "booted"
                status = str(slot.get("boot_status"))
                found.append(Slot(name, str(slot["bootname"]), booted, status))
    return Facts(tuple(found), str(said.get("boot_primary")))


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
    if facts.primary and facts.primary not in {booted.name, "None"}:
        look_at = "an update that waits for a restart, or one that did not start and fell back"
        return attention("other-next", f"{measured}; next {facts.primary}", look_at)
    others = [slot for slot in facts.slots or () if not slot.booted]
    if any(slot.boot_status == "bad" for slot in others):
        return attention("no-way-back", measured, "install the update again: rauc install")
    return good(measured)


UPDATE = Check("update", read, judge)
