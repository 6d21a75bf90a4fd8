"""One check: a thin function that reads facts, and a pure judge over them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edgebox.errors import EdgeboxError
from edgebox.messages.selftest import Finding
from edgebox.support.checks.verdict import Verdict, Verdicts, untested
from edgebox.support.surroundings import Surroundings

F = TypeVar("F")
LIMIT_S = 6.0
TEXT_MAX = 200
SHARED = frozenset({"good", "sending", "slow", "unreadable", "absent"})


@dataclass(frozen=True)
class Check(Generic[F]):
    """`judge` is told facts and the time (seconds since 1970); nothing else counts."""

    name: str
    read: Callable[[Surroundings], Awaitable[F]]
    judge: Callable[[F, float], Verdicts]
    takes_uplink: bool = False
    """Sends something of its own: not while pictures are sent."""
    limit_s: float = LIMIT_S

    async def carry_out(self, here: Surroundings) -> tuple[Finding, ...]:
        """Read and judge. What cannot be read is untested."""
        if self.takes_uplink and here.heard.sending != "idle":
            return self._found((untested("sending", "pictures may be on the air"),))
        try:
            async with asyncio.timeout(self.limit_s):
                facts = await self.read(here)
        except TimeoutError:
            verdicts: Verdicts = (untested("slow", f"no result within {self.limit_s:g} s"),)
        except (OSError, EdgeboxError) as error:
            verdicts = (untested("unreadable", str(error)),)
        else:
            verdicts = self.judge(facts, time.time())
        return self._found(verdicts)

    def _found(self, verdicts: Verdicts) -> tuple[Finding, ...]:
        now_utc = time.time()
        return tuple(self.finding(one, now_utc) for one in verdicts)

    def finding(self, verdict: Verdict, at_utc: float) -> Finding:
        """As it is published. Codes that all checks share stand alone: none of them is a fault."""
        shared = verdict.grade in {"good", "untested"} and verdict.code in SHARED
        return Finding(
            check=self.name,
            grade=verdict.grade,
            code=verdict.code if shared else f"{self.name}.{verdict.code}",
            at_utc=at_utc,
            subject=verdict.subject[:TEXT_MAX],
            measured=verdict.measured[:TEXT_MAX],
            look_at=verdict.look_at[:TEXT_MAX],
        )


AnyCheck = Check[Any]
