"""Does the box run with the configuration somebody gave it? A file that did not load was replaced.

edgebox.provision.last_good puts the last good one in its place before services start, and leaves a
line for each file that it refused, `<name>: <why>`.
"""

from dataclasses import dataclass

from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, good
from edgebox.support.surroundings import Surroundings

REFUSED = "/var/lib/edgebox/config/refused"


@dataclass(frozen=True)
class Facts:
    """`refused`: lines as above."""

    refused: tuple[str, ...]


async def read(here: Surroundings) -> Facts:
    """No file: nothing was refused."""
    return Facts(tuple((here.read(REFUSED) or "").splitlines()))


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """It works, as it was before somebody or something changed it."""
    look_at = "FILE.refused in /etc/edgebox; put a good one in its place and restart"
    return tuple(attention("refused", line, look_at) for line in facts.refused) or (
        good("every file loads"),
    )


CONFIGURATION = Check("configuration", read, judge)
