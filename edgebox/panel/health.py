"""What the panel knows of the box's health: folds the last self-test into a HealthView. Pure."""

from msgspec import Struct

from edgebox.messages.selftest import Grade, SelfTest

OLD_S = 14 * 3600.0
"""One shift and a little: after it a test says nothing of this one."""
SHOWN_MAX = 3
"""What there is room for on the small panel."""


class FindingView(Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be. `code` names its sentences."""

    check: str
    code: str
    grade: Grade
    subject: str


class HealthView(Struct, frozen=True, kw_only=True):
    """The last self-test, or the one that runs. `grade` holds for `at_utc`, not for now."""

    away: bool
    """The support service cannot be heard: nothing can be tested."""
    running: bool = False
    old: bool = False
    grade: Grade = "untested"
    """`untested` without a test of this shift."""
    at_utc: float | None = None
    """When it was done; None: never."""
    done: int = 0
    total: int = 0
    live: bool = False
    found: tuple[FindingView, ...] = ()
    """Worst first."""
    well: int = 0
    """Things that are good."""
    untried: tuple[str, ...] = ()
    """Names of checks of which nothing could be tried."""


def health_view(test: SelfTest | None, now_utc: float, *, away: bool) -> HealthView:
    """`away`: the support service has stopped, or was never heard."""
    if test is None:
        return HealthView(away=away)
    running = test.state == "running" and not away
    at_utc = test.finished_utc or None
    old = not running and (at_utc is None or now_utc - at_utc > OLD_S)
    found = tuple(
        FindingView(check=one.check, code=one.code, grade=one.grade, subject=one.subject)
        for one in test.findings
        if one.grade in {"fault", "attention"}
    )
    tried = {one.check for one in test.findings if one.grade != "untested"}
    untried = {one.check for one in test.findings} - tried
    return HealthView(
        away=away,
        running=running,
        old=old,
        grade="untested" if old or away or running else test.grade,
        at_utc=at_utc,
        done=test.checks_done if running else 0,
        total=test.checks_total if running else 0,
        live=test.live,
        found=found,
        well=sum(one.grade == "good" for one in test.findings),
        untried=tuple(sorted(untried)),
    )
