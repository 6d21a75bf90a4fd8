"""Does the box keep what it is given? On an image, /data is mounted before anything runs.

image-build/overlay/usr/sbin/init leaves one line: `good`, or why the box runs from memory and
forgets everything when it is switched off: `missing`, `damaged`, `cannot be made`.
"""

from dataclasses import dataclass

from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, fault, good, untested
from edgebox.support.surroundings import Surroundings

STATE = "/run/edgebox-boot/data"


@dataclass(frozen=True)
class Facts:
    """None: not an image."""

    state: str | None


async def read(here: Surroundings) -> Facts:
    """As it was at the start."""
    return Facts(here.read(STATE))


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """Nothing in between: it is mounted or not."""
    if facts.state is None:
        return (untested("absent", "no image with a partition of its own for data"),)
    if facts.state == "good":
        return (good("/data is mounted"),)
    look_at = "journalctl -b -k -g edgebox; e2fsck on another machine, or a new card or SSD"
    return (fault("lost", f"/data: {facts.state}", look_at),)


STORAGE = Check("storage", read, judge)
