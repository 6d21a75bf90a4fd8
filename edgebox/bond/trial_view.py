"""`edgebox bond test LINK`: ask the running bond, and its answer as lines of text."""

from collections.abc import Iterator

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.errors import DeviceError
from edgebox.messages.base import Fault
from edgebox.messages.link_test import (
    RESULT_S,
    TRY_LINK,
    LinkSpeed,
    LinkTestResult,
    TryLink,
    WhyNot,
)

WHY_TEXT: dict[WhyNot, str] = {
    "": "",
    "carrying": "video is on, or pictures or sound have the links now",
    "cap": "its monthly cap is nearly used",
    "absent": "the link is not there now",
    "no-answer": "the hub did not answer over it",
    "silent": "the link went silent",
    "refused": "the hub sends no more for tests now",
    "stopped": "the test was stopped",
    "little": "too little came through",
}


async def ask(config: Config, link: str) -> LinkTestResult:
    """Have the link tested. Raises DeviceError: nobody answers, a test runs, no such link."""
    async with Bus(config.bus.address, "bond-test", box=config.box.id) as bus:
        answer = await bus.request(TRY_LINK, TryLink(link=link), timeout_s=RESULT_S + 2)
    if isinstance(answer, Fault):
        raise DeviceError(f"not tested: {answer.text or answer.reason}")
    return answer


def lines(result: LinkTestResult) -> Iterator[str]:
    """What is known, and why the rest is not."""
    if result.loss_up is None or result.loss_down is None:
        yield f"loss         not measured: {WHY_TEXT[result.why]}"
    else:
        losses = f"{result.loss_up:.1%} up, {result.loss_down:.1%} down"
        yield f"loss         {losses}, of {result.probes} small packets{_because(result.why)}"
    if result.rtt_p50_ms is not None:
        usual = f"{result.rtt_p50_ms:.0f} ms, 95 of 100 within {result.rtt_p95_ms:.0f} ms"
        yield f"round trip   {usual}, jitter {result.jitter_ms:.1f} ms"
    yield f"speed up     {_speed(result.up)}"
    yield f"speed down   {_speed(result.down)}"
    yield f"it took      {result.carried_bytes / 1e6:.2f} MB of the link's month"


def _speed(speed: LinkSpeed) -> str:
    if speed.bps is None:
        return f"not measured: {WHY_TEXT[speed.why]}"
    least = "at least " if speed.at_least else ""
    return f"{least}{speed.bps / 1e6:.2f} Mbit/s{_because(speed.why)}"


def _because(why: WhyNot) -> str:
    return f" ({WHY_TEXT[why]})" if why else ""
