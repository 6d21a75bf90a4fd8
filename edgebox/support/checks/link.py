"""Each link on its own: does it reach the hub, how well, and may it still be used this month?"""

import time
from dataclasses import dataclass

from edgebox.messages.bond import BondStatus, LinkStatus
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, good, untested
from edgebox.support.surroundings import Surroundings

CALM_S = 5.0
"""What lasts no longer than this is a mobile network's ordinary day."""
LOSSY, QUEUE_MS = 0.15, 1500.0


@dataclass(frozen=True)
class Facts:
    """`status`: None if the bond said nothing lately."""

    status: BondStatus | None


async def read(here: Surroundings) -> Facts:
    """What was heard: the bond probes each link all the time."""
    return Facts(here.heard.bond(time.time()))


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One for each link."""
    if facts.status is None:
        return (untested("unheard", "the bond says nothing"),)
    if facts.status.state == "connecting":
        return (untested("no-keys", "without session keys no link is tried"),)
    links = tuple(_judge_one(link, now_utc) for link in facts.status.links)
    return links or (untested("absent", "no link is configured"),)


def _judge_one(link: LinkStatus, now_utc: float) -> Verdict:
    rtt = "?" if link.rtt_ms is None else f"{link.rtt_ms:.0f} ms"
    measured = f"{link.name} {link.state}, round trip {rtt}, loss {link.loss:.0%}"
    if link.state == "absent":
        look_at = "ip link: is there such an interface? the modem's cable and supply"
        return attention("absent", measured, look_at, link.label)
    if link.state == "down":
        look_at = "its modem's state and data; ip route; does the hub's UDP port get through?"
        return attention("down", measured, look_at, link.label)
    if link.use == "closed":
        return attention("spent", measured, "monthly_cap_mb, the subscription", link.label)
    if now_utc - link.since_utc > CALM_S and (link.loss > LOSSY or link.queue_ms > QUEUE_MS):
        measured += f", queue {link.queue_ms:.0f} ms"
        return attention("poor", measured, "coverage here, antenna; other traffic", link.label)
    return good(measured, link.label)


LINK = Check("link", read, judge)
