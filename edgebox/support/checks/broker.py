"""Does the box's own broker carry a message? Every service speaks and listens through it."""

import time
from dataclasses import dataclass

from edgebox.messages.base import Fault
from edgebox.messages.selftest import ECHO, Echo
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good
from edgebox.support.surroundings import Surroundings

SLOW_S = 1.0
WAIT_S = 3.0


@dataclass(frozen=True)
class Facts:
    """`round_s`: from a question of ours to our own answer, both through it; None: none came."""

    address: str
    round_s: float | None


async def read(here: Surroundings) -> Facts:
    """Ask ourselves."""
    asked_at = time.monotonic()
    answer = await here.bus.request(ECHO, Echo(), timeout_s=WAIT_S)
    came = not isinstance(answer, Fault)
    return Facts(here.config.bus.address, time.monotonic() - asked_at if came else None)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """It is there and quick."""
    if facts.round_s is None:
        look_at = "systemctl status edgebox-bus, journalctl -u edgebox-bus, space on /run"
        return (fault("away", f"no answer through {facts.address}", look_at),)
    measured = f"question and answer in {facts.round_s * 1e3:.0f} ms"
    if facts.round_s > SLOW_S:
        look_at = "processor load (top), a client that floods the broker, its queues"
        return (attention("slow", measured, look_at),)
    return (good(measured),)


BROKER = Check("broker", read, judge)
