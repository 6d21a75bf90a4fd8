"""Tests of the box's links, asked for over the local bus: one at a time, within each link's month.

What a test takes is counted like all that goes over the link (spending.py); one whose month is
nearly used has none. Whoever asks, what the bond carries goes first: trial.py.
"""

import asyncio
import time

from edgebox.bond.box_link import BoxLink
from edgebox.bond.box_sessions import BoxSession, BoxSessions
from edgebox.bond.path import Use
from edgebox.bond.spending import MEGABYTE, Spending
from edgebox.bond.trial import Plan, Trial, plan_for
from edgebox.messages.base import Done, Fault
from edgebox.messages.link_test import (
    RESULT_S,
    LinkSpeed,
    LinkTestResult,
    StopTrying,
    TryLink,
    WhyNot,
)


class BoxTests:
    """Of one box."""

    def __init__(self, links: list[BoxLink], spending: Spending, sessions: BoxSessions):
        self._sessions = sessions
        self._links = {link.config.name: link for link in links}
        self._spending = spending
        self._running: BoxSession | None = None
        self._over: asyncio.Future[Trial] | None = None

    async def run(self, question: TryLink) -> LinkTestResult | Fault:
        """Test a link in the bond's session in use."""
        link = self._links.get(question.link)
        if link is None:
            return Fault(reason="not-found", text=f"no link {question.link}"[:200])
        if self._over is not None:
            return Fault(reason="busy", text="a link is tested already")
        plan = self._plan(link, speed=question.speed)
        if isinstance(plan, str):
            return nothing_known(question.link, plan)
        session = self._sessions.current
        if link.sock is None or session is None:
            return nothing_known(question.link, "absent")
        return await self._test(link, plan, session)

    def stop(self, question: StopTrying) -> Done:
        """End the test that runs, if one does."""
        if self._running is not None:
            self._running.connection.stop_test(asyncio.get_running_loop().time())
            self._running.driver.flush()
        return Done()

    def on_ended(self, trial: Trial) -> None:
        """The connection says that it is over."""
        if self._over is not None and not self._over.done():
            self._over.set_result(trial)

    async def _test(self, link: BoxLink, plan: Plan, session: BoxSession) -> LinkTestResult:
        loop = asyncio.get_running_loop()
        self._over, self._running = loop.create_future(), session
        try:
            trial = session.connection.test_link(link.number, plan, loop.time())
            session.driver.flush()
            async with asyncio.timeout(RESULT_S):
                await self._over
        except TimeoutError:
            # The session ended under it: what it had found out stands.
            trial.stop(loop.time())
        finally:
            self._over = self._running = None
        return trial.result(link.config.name, time.time())

    def _plan(self, link: BoxLink, *, speed: bool) -> Plan | WhyNot:
        if self._spending.uses[link.number] is Use.CLOSED:
            return "cap"
        used_bytes = self._spending.used_bytes(link.config)
        cap_bytes = link.config.monthly_cap_mb * MEGABYTE
        return plan_for(used_bytes, cap_bytes, speed=speed) or "cap"


def nothing_known(link: str, why: WhyNot) -> LinkTestResult:
    """Of a link that could not be tested at all."""
    nothing = LinkSpeed(why=why)
    return LinkTestResult(link=link, at_utc=time.time(), why=why, up=nothing, down=nothing)
