"""`edgebox self-test` and `edgebox support-bundle`, for a technician or a script at the box.

The running support service is asked; where it, or the broker, is not there, the command tests by
itself with what it can reach: just then somebody needs to know.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TextIO

import msgspec

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.messages.base import Fault
from edgebox.messages.selftest import RUN_SELF_TEST, SELF_TEST, Finding, RunSelfTest, SelfTest
from edgebox.support.bundle import make_bundle
from edgebox.support.heard import Heard
from edgebox.support.history import History
from edgebox.support.listening import Listening
from edgebox.support.selftest import SelfTester
from edgebox.support.surroundings import Surroundings

ASK_S = 2.0
TEST_S = 45.0
HEAR_S = 1.5
"""Retained states come at once; the bond speaks ten times a second, vitals once."""

Say = Callable[[Finding], list[str]]
"""What people are told of one finding, a line each."""


async def self_test(config: Config) -> SelfTest:
    """By the service, or without it."""
    async with Bus(config.bus.address, "self-test", box=config.box.id) as bus:
        return await _by_service(bus) or await _by_ourselves(config, bus)


async def _by_service(bus: Bus) -> SelfTest | None:
    """None: it is not there, or does not finish."""
    steps: asyncio.Queue[SelfTest] = asyncio.Queue()

    async def take(test: SelfTest, keys: dict[str, str]) -> None:
        steps.put_nowait(test)

    answer = await bus.request(RUN_SELF_TEST, RunSelfTest(reason="command"), timeout_s=ASK_S)
    if isinstance(answer, Fault) and answer.reason != "busy":
        return None
    await bus.subscribe(SELF_TEST, take)
    wanted = None if isinstance(answer, Fault) else answer.id
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TEST_S):
            while True:
                test = await steps.get()
                if test.state == "done" and wanted in {None, test.id}:
                    return test
    return None


async def _by_ourselves(config: Config, bus: Bus) -> SelfTest:
    async def tell(test: SelfTest) -> None:
        """Nobody listens."""

    async with _hearing(bus) as heard:
        tester = SelfTester(Surroundings(config, bus, heard), tell)
        return await tester.run(tester.begin("command"))


async def bundle(config: Config, path: Path) -> int:
    """Write one to `path`, for its owner's eyes only; its size. Raises OSError."""
    async with (
        Bus(config.bus.address, "bundle", box=config.box.id) as bus,
        _hearing(bus) as heard,
    ):
        history = History(Path(config.directory) / config.support.store)
        try:
            content = await make_bundle(Surroundings(config, bus, heard), history)
        finally:
            history.close()
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    return len(content)


@contextlib.asynccontextmanager
async def _hearing(bus: Bus) -> AsyncIterator[Heard]:
    """Of what is on the bus, as much as comes in HEAR_S, and on."""
    heard = Heard()
    listening = Listening(bus, heard)
    await listening.start()
    follow = asyncio.create_task(listening.run())
    try:
        await asyncio.sleep(HEAR_S)
        yield heard
    finally:
        follow.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await follow


MARKS = {"fault": "[X]", "attention": "[!]", "untested": "[ ]", "good": "[v]"}
WORDS = {
    "fault": "FAULT: something people need does not work",
    "attention": "ATTENTION: it works, somebody should look after it",
    "good": "GOOD: everything that was tested works",
    "untested": "NOT TESTED: nothing could be tried",
}


def show(test: SelfTest, say: Say, *, as_json: bool, out: TextIO = sys.stdout) -> int:
    """Print the result. The exit code: 0 the box can be used, 1 something does not work, 2 nothing
    could be tried."""
    if as_json:
        out.write(msgspec.json.encode(test).decode() + "\n")
    else:
        out.writelines(f"{line}\n" for line in lines(test, say))
    return {"fault": 1, "untested": 2}.get(test.grade, 0)


def lines(test: SelfTest, say: Say) -> list[str]:
    """One line on all, then each finding, worst first."""
    took_s = max(0.0, test.finished_utc - test.started_utc)
    done = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(test.finished_utc))
    found = [f"{MARKS[test.grade]} {WORDS[test.grade]}", f"    {done}, {took_s:.0f} s"]
    for one in test.findings:
        name = f"{one.check} {one.subject}".strip()
        found.append(f"{MARKS[one.grade]} {name}: {one.measured}")
        if one.grade in {"fault", "attention"}:
            found += [f"      crew: {line}" for line in say(one)]
            found.append(f"      look at: {one.look_at} ({one.code})")
    return found
