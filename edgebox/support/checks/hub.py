"""Does the hub answer through the broker's bridge? Remote help meets there. Is this box alone?

The bridge is a TLS connection of its own, beside the bond. The broker's word on it is believed only
when it is bad: one that died in silence goes on being called up.
"""

import time
from dataclasses import dataclass
from typing import Literal

from edgebox.messages.base import Fault
from edgebox.messages.services import ASK_HUB, AskHub, HubStatus
from edgebox.support.checks.certificate import is_enrolled
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

WAIT_S = 4.0
SLOW_S = 2.0


@dataclass(frozen=True)
class Facts:
    """`round_s`: the hub's answer took so long; None: none came. `bridge`: the broker's word.

    `doubled`: another box uses the same identity.
    """

    broker: bool
    bridge: bool | None
    bond: Literal["up", "connecting", "down", "unknown"]
    round_s: float | None
    enrolled: bool = True
    doubled: bool = False


async def read(here: Surroundings) -> Facts:
    """Ask it."""
    asked_at = time.monotonic()
    answer = await here.bus.request(ASK_HUB, AskHub(), timeout_s=WAIT_S)
    round_s = None if isinstance(answer, Fault) else time.monotonic() - asked_at
    bond = here.heard.bond(time.time())
    state = bond.state if bond else "unknown"
    doubled = isinstance(answer, HubStatus) and answer.doubled
    return Facts(here.heard.broker, here.heard.bridge, state, round_s, is_enrolled(here), doubled)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """It answers; without a link there is nobody to blame here."""
    if facts.doubled:
        look_at = "a copied card? on the hub: edgebox authority replace, which shuts both out"
        return (fault("doubled", "another box uses the same identity", look_at),)
    if facts.round_s is not None:
        measured = f"answers in {facts.round_s * 1e3:.0f} ms"
        if facts.round_s > SLOW_S:
            return (attention("slow", measured, "coverage here; load on the hub"),)
        return (good(measured),)
    if not facts.broker:
        return (untested("unheard", "the box's broker is away"),)
    if not facts.enrolled:
        return (untested("not-enrolled", "this box has no identity"),)
    if facts.bond == "down":
        return (untested("no-link", "no link is up"),)
    bridge = {None: "unknown", True: "up by the broker's word", False: "down"}[facts.bridge]
    look_at = (
        "bridge down: journalctl -u edgebox-bus (TLS, name, port 8883). up: the hub's services"
    )
    return (fault("away", f"no answer; bridge {bridge}, bond {facts.bond}", look_at),)


HUB = Check("hub", read, judge, limit_s=8)
