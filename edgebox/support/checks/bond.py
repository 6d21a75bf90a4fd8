"""Do all links together reach the hub, and does the hub's end answer? By the bond's own word."""

import time
from dataclasses import dataclass

from edgebox.messages.bond import BondStatus
from edgebox.support.checks.certificate import is_enrolled
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

SLOW_MS = 400.0
"""Speech both ways becomes laborious (ITU-T G.114: 400 ms one way is the limit, two ways here)."""
LITTLE_BPS = 600_000
"""Below about this there are few pictures a second."""


@dataclass(frozen=True)
class Facts:
    """`status`: None if the bond said nothing lately."""

    broker: bool
    status: BondStatus | None
    enrolled: bool = True


async def read(here: Surroundings) -> Facts:
    """What was heard."""
    return Facts(here.heard.broker, here.heard.bond(time.time()), is_enrolled(here))


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """It is up: what was sent came, and its acknowledgement came back."""
    status = facts.status
    if not facts.broker:
        return (Verdict("untested", "unheard", measured="the broker is away"),)
    if status is None and not facts.enrolled:
        return (untested("not-enrolled", "it starts once this box has an identity"),)
    if status is None:
        look_at = "systemctl status edgebox-bond, journalctl -u edgebox-bond"
        return (fault("away", "the bond says nothing", look_at),)
    if status.state == "connecting":
        look_at = status.problem or "bond.key_exchange of the hub: reachable? certificate, clock"
        return (fault("no-keys", "no session keys from the hub", look_at),)
    if status.state == "down":
        return (fault("down", _up(status), "the links one by one, antenna, the hub's bond"),)
    return (_judge_up(status),)


def _judge_up(status: BondStatus) -> Verdict:
    rtt = "not measured" if status.rtt_ms is None else f"{status.rtt_ms:.0f} ms"
    measured = f"{_up(status)}, round trip {rtt}, {status.capacity_bps / 1e6:.1f} Mbit/s estimated"
    if status.rtt_ms is not None and status.rtt_ms > SLOW_MS:
        return attention("slow", measured, "coverage here; which link answers first")
    known = [one for one in status.links if one.measured_utc is not None]
    if known and len(known) == len(status.links) and status.capacity_bps < LITTLE_BPS:
        return attention("little", measured, "coverage here, antennas, monthly caps")
    return good(measured)


def _up(status: BondStatus) -> str:
    up = sum(link.state == "up" for link in status.links)
    return f"{up} of {len(status.links)} links up"


BOND = Check("bond", read, judge)
