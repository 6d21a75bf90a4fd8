"""Which boxes a release is for, how far it has come, and when it stops by itself. Pure.

A published release is for nobody. Staff name vehicles that go first, then widen it to a share of
the fleet; which boxes a share means follows from the hash of release and box, so that growing it
only ever adds boxes. It stops by itself as soon as more than one box in STOP_ONE_IN came to a bad
end: before ten are well, the first one that falls back stops it. A box that lies can stop a release
and nothing else.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from edgebox.hub.update_files import Published
from edgebox.messages.update import State, UpdateStatus
from edgebox.update.version import key

STOP_ONE_IN = 10
Group = Literal["waiting", "downloading", "installed", "good", "fell-back", "failed"]
GROUPS: tuple[Group, ...] = (
    "waiting",
    "downloading",
    "installed",
    "good",
    "fell-back",
    "failed",
)
GROUP_OF: dict[State, Group] = {
    "downloading": "downloading",
    "checking": "downloading",
    "ready": "downloading",
    "installing": "installed",
    "installed": "installed",
    "restarting": "installed",
    "trying": "installed",
    "good": "good",
    "fell-back": "fell-back",
    "refused": "failed",
    "failed": "failed",
}
"""Everything else is waiting."""


class Rollout(Struct, frozen=True, kw_only=True):
    """What staff want of one release."""

    sha256: str
    share: int = 0
    """Percent of the fleet."""
    first: tuple[str, ...] = ()
    """Boxes that have it whatever the share."""
    turn: int = 1
    stopped: Literal["", "staff", "boxes"] = ""
    changed_utc: float = 0.0


class Report(Struct, frozen=True, kw_only=True):
    """What a box last said of one release."""

    state: State
    reason: str = ""
    turn: int = 0
    at_utc: float = 0.0


def is_for(rollout: Rollout, box: str) -> bool:
    """Whether the release is this box's."""
    return box in rollout.first or _place(rollout.sha256, box) < rollout.share


def _place(sha256: str, box: str) -> int:
    """0 to 99, the same for ever."""
    return int.from_bytes(hashlib.sha256(f"{sha256} {box}".encode()).digest()[:8]) % 100


def offered(
    box: str,
    status: UpdateStatus,
    published: Iterable[Published],
    rollouts: Mapping[str, Rollout],
) -> Published | None:
    """The newest release for it. One that was stopped is offered to nobody."""
    fit = [
        one
        for one in published
        if one.compatible == status.compatible
        and (rollout := rollouts.get(one.sha256)) is not None
        and not rollout.stopped
        and is_for(rollout, box)
    ]
    return max(fit, key=lambda one: key(one.version), default=None)


def group(report: Report | None, rollout: Rollout) -> Group:
    """Where a box stands. How it ended in an earlier turn is over."""
    if report is None:
        return "waiting"
    found = GROUP_OF.get(report.state, "waiting")
    if found in {"fell-back", "failed"} and report.turn < rollout.turn:
        return "waiting"
    return found


def figures(
    rollout: Rollout, boxes: Iterable[str], reports: Mapping[str, Report]
) -> dict[Group, int]:
    """How many of `boxes` stand where: those it is for, and those that have it anyway. Nobody waits
    for one that was stopped."""
    counted = dict.fromkeys(GROUPS, 0)
    for box in boxes:
        found = group(reports.get(box), rollout)
        if found != "waiting" or (is_for(rollout, box) and not rollout.stopped):
            counted[found] += 1
    return counted


def must_stop(counted: Mapping[Group, int]) -> bool:
    """Whether it does more harm than staff should have to notice by themselves."""
    bad = counted["fell-back"] + counted["failed"]
    return bad * STOP_ONE_IN > counted["good"] and bad > 0
