"""The self-test: all checks at once, its result on the bus and in the history.

Who may ask: the crew by a tap, the box itself once after each boot, `edgebox self-test`, a
technician the crew let in. One runs at a time. A check run again alone replaces its own findings in
the last result, so that what was repaired is seen to be good again.

Nothing here touches a picture, and while pictures are sent (or while nobody can tell) a check that
sends anything of its own is left out; one that runs when a mission begins is ended.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from edgebox.messages.selftest import Finding, Grade, Reason, SelfTest
from edgebox.support.checks import CHECKS
from edgebox.support.checks.check import AnyCheck
from edgebox.support.checks.verdict import untested
from edgebox.support.surroundings import Surroundings

logger = logging.getLogger(__name__)

ORDER: dict[Grade, int] = {"fault": 0, "attention": 1, "untested": 2, "good": 3}

Tell = Callable[[SelfTest], Awaitable[None]]


class BusyError(Exception):
    """Another test runs."""


class SelfTester:
    """Runs tests; `last` is the newest result, `tell` gets every step of it."""

    def __init__(self, here: Surroundings, tell: Tell, checks: Sequence[AnyCheck] = CHECKS) -> None:
        self._here = here
        self._tell = tell
        self._checks = tuple(checks)
        self._running = asyncio.Lock()
        self.last: SelfTest | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all checks."""
        return tuple(check.name for check in self._checks)

    def begin(self, reason: Reason, names: Sequence[str] = ()) -> SelfTest:
        """What a test looks like at its start. Raises BusyError, KeyError for an unknown check."""
        if self._running.locked():
            raise BusyError
        if unknown := set(names) - set(self.names):
            raise KeyError(", ".join(sorted(unknown)))
        now_utc = time.time()
        if names and self.last is not None:
            return replace(self.last, state="running", checks_done=0, checks_total=len(names))
        return SelfTest(
            id=secrets.token_hex(8),
            state="running",
            reason=reason,
            started_utc=now_utc,
            checks_total=len(names) or len(self._checks),
        )

    async def run(self, test: SelfTest, names: Sequence[str] = ()) -> SelfTest:
        """Carry out what `begin` gave. Raises BusyError."""
        if self._running.locked():
            raise BusyError
        async with self._running:
            chosen = [one for one in self._checks if not names or one.name in names]
            self.last = test
            await self._tell(test)
            for done in asyncio.as_completed([self._carry_out(one) for one in chosen]):
                name, findings = await done
                self.last = test = _with(test, name, findings, self._here.heard.sending == "live")
                await self._tell(test)
            self.last = test = replace(test, state="done", finished_utc=time.time())
            await self._tell(test)
        _log(test)
        return test

    async def _carry_out(self, check: AnyCheck) -> tuple[str, tuple[Finding, ...]]:
        if not check.takes_uplink:
            return check.name, await check.carry_out(self._here)
        work = asyncio.ensure_future(check.carry_out(self._here))
        mission = asyncio.ensure_future(self._here.heard.mission.wait())
        try:
            await asyncio.wait((work, mission), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return check.name, work.result()
            left_out = untested("sending", "pictures were sent from here on")
            return check.name, (check.finding(left_out, time.time()),)
        finally:
            for one in (work, mission):
                one.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await one


def worst(findings: Sequence[Finding]) -> Grade:
    """What people are told of all together. What was not tested makes nothing better or worse."""
    grades = {one.grade for one in findings}
    if "fault" in grades:
        return "fault"
    if "attention" in grades:
        return "attention"
    return "good" if "good" in grades else "untested"


def _with(test: SelfTest, check: str, findings: tuple[Finding, ...], live: bool) -> SelfTest:
    kept = tuple(one for one in test.findings if one.check != check)
    every = tuple(sorted((*kept, *findings), key=_place))
    return replace(
        test,
        findings=every,
        grade=worst(every),
        checks_done=test.checks_done + 1,
        live=test.live or live,
    )


def _place(finding: Finding) -> tuple[int, str, str]:
    return ORDER[finding.grade], finding.check, finding.subject


def _log(test: SelfTest) -> None:
    """One line in the journal, and one for each thing that is wrong."""
    logger.info("self-test (%s): %s", test.reason, test.grade)
    for one in test.findings:
        if one.grade in {"fault", "attention"}:
            words = (one.grade, one.code, one.subject, one.measured, one.look_at)
            logger.warning("self-test: %s", "; ".join(filter(None, words)))
