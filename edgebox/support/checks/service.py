"""Are all services of the box running? By their own word, or the broker's `stopped` for them."""

from dataclasses import dataclass

from edgebox.messages.services import ServiceName, ServiceStatus
from edgebox.support.checks.certificate import is_enrolled
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good
from edgebox.support.surroundings import Surroundings

NEEDED: tuple[ServiceName, ...] = ("bond", "media", "panel", "vitals")
"""Without one of these the crew lacks something it sees."""
EXPECTED: tuple[ServiceName, ...] = (*NEEDED, "vehicle")


@dataclass(frozen=True)
class Facts:
    """`services`: as heard; a service that was never heard is not in it.

    `enrolled`: the bond waits for an identity.
    """

    broker: bool
    services: dict[ServiceName, ServiceStatus]
    enrolled: bool = True


async def read(here: Surroundings) -> Facts:
    """What was heard."""
    return Facts(here.heard.broker, dict(here.heard.services), is_enrolled(here))


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One verdict for each that should run, and for each other that was heard."""
    if not facts.broker:
        return (Verdict("untested", "unheard", measured="the broker is away"),)
    waiting = set() if facts.enrolled else {"bond"}
    others = sorted(set(facts.services) - set(EXPECTED) - {"support"})
    names = [name for name in (*EXPECTED, *others) if name not in waiting]
    return tuple(_judge_one(name, facts.services.get(name)) for name in names)


def _judge_one(name: ServiceName, status: ServiceStatus | None) -> Verdict:
    unit = f"edgebox-{name}.service"
    look_at = f"systemctl status {unit}, journalctl -u {unit}"
    if status is None or status.state == "stopped":
        measured = "never heard" if status is None else "stopped"
        say = fault if name in NEEDED else attention
        return say("stopped", measured, look_at, name)
    if status.state == "degraded":
        return attention("degraded", status.detail or "degraded", look_at, name)
    return good(f"{status.state}, version {status.version}", name)


SERVICE = Check("service", read, judge)
