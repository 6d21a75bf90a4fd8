"""The test of one link, box's side: first losses and round trips, then how fast it is each way.

    Echoes  ->  Upwards  ->  Downwards

The speed is left out, or ends at once, while the bond carries pictures or sound: what fills a link
would be taken from them. A link that dies ends the test with what was known. It is over
within RESULT_S of messages.link_test, whatever comes back.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from edgebox.bond.allowance import NEAR_SHARE
from edgebox.bond.control import LinkEcho, LoadState
from edgebox.bond.echoes import CHARGED_BYTES, PROBES, Echoes
from edgebox.bond.path import Path
from edgebox.bond.sender import Sender
from edgebox.bond.speeds import Downwards, Upwards
from edgebox.messages.link_test import LinkSpeed, LinkTestResult, WhyNot

SPEED_BYTES = 2_000_000
"""At most so much each way, IP headers included."""
CAP_PART = 1000
"""Of a link with a cap: at most this part of it each way, which usage.py has stored ahead."""
PROBES_BYTES = 2 * PROBES * CHARGED_BYTES
ENDS: frozenset[WhyNot] = frozenset({"no-answer", "silent", "stopped", "carrying"})
"""After these nothing more is tried."""


class Plan(NamedTuple):
    """What a test may take."""

    speed_bytes: int
    """Each way; 0: no speed is measured."""
    why: WhyNot = ""
    """Why not."""


def plan_for(used_bytes: int, cap_bytes: int, *, speed: bool) -> Plan | None:
    """What this link's month leaves for a test; None: not even probes."""
    size = min(SPEED_BYTES, cap_bytes // CAP_PART) if cap_bytes else SPEED_BYTES
    left = NEAR_SHARE * cap_bytes - used_bytes if cap_bytes else float("inf")
    if left < PROBES_BYTES:
        return None
    if not speed:
        return Plan(0, "carrying")
    return Plan(size) if left >= PROBES_BYTES + 2 * size else Plan(0, "cap")


class _Step(Protocol):
    why: WhyNot

    def handle_timeout(self, now: float) -> float | None:
        """Do what is due; when to be called again, None when it is over."""

    def stop(self, now: float) -> None:
        """It shall end now."""


class Trial:
    """Call `handle_timeout` when it says so, until it says None; `result` says what is known."""

    def __init__(
        self,
        plan: Plan,
        test: int,
        path: Path,
        sender: Sender,
        is_carrying: Callable[[float], bool],
        now: float,
    ):
        """`test`: a number of its own. `is_carrying`: pictures or sound go over the bond now."""
        self.link = path.link
        self._plan = plan
        self._echoes = Echoes(test, path, sender, is_carrying, now)
        self._up = Upwards(plan.speed_bytes, path, sender, is_carrying)
        self._down = Downwards(plan.speed_bytes, test, path, sender, is_carrying)
        self._steps: list[_Step] = [self._echoes]
        if plan.speed_bytes:
            self._steps += [self._up, self._down]

    def handle_timeout(self, now: float) -> float | None:
        """Do what is due; when to be called again, None when it is over."""
        while self._steps:
            at = self._steps[0].handle_timeout(now)
            if at is not None:
                return at
            self._go_on(self._steps.pop(0).why)
        return None

    def stop(self, now: float) -> None:
        """It shall end now."""
        if self._steps:
            self._steps.pop(0).stop(now)
            self._go_on("stopped")

    def on_echo(self, echo: LinkEcho, now: float) -> None:
        """A probe came back."""
        self._echoes.on_echo(echo, now)

    def on_load_state(self, state: LoadState) -> None:
        """What the hub says of its load."""
        self._down.on_state(state)

    def result(self, name: str, at_utc: float) -> LinkTestResult:
        """What is known. `name`: the link's."""
        losses, rtts_ms = self._echoes.losses(), self._echoes.rtts_ms()
        known: dict[str, float] = {}
        if losses is not None:
            known |= {"loss_up": round(losses[0], 4), "loss_down": round(losses[1], 4)}
        if rtts_ms is not None:
            names = ("rtt_p50_ms", "rtt_p95_ms", "jitter_ms")
            known |= {key: round(ms, 1) for key, ms in zip(names, rtts_ms, strict=True)}
        is_planned = self._plan.speed_bytes > 0
        return LinkTestResult(
            link=name,
            at_utc=at_utc,
            probes=self._echoes.counted,
            why=self._echoes.why,
            up=self._up.speed() if is_planned else LinkSpeed(why=self._plan.why),
            down=self._down.speed() if is_planned else LinkSpeed(why=self._plan.why),
            carried_bytes=self._carried_bytes(),
            **known,
        )

    def _carried_bytes(self) -> int:
        probes = (self._echoes.sent + self._echoes.received) * CHARGED_BYTES
        return probes + self._up.carried_bytes + self._down.carried_bytes

    def _go_on(self, why: WhyNot) -> None:
        """After a step that ended so."""
        if why in ENDS:
            for step in self._steps:
                step.why = why
            self._steps.clear()
