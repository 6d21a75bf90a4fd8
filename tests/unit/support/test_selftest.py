"""The self-test itself: one at a time, never into a mission, and its history."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.errors import RemoteProtocolError
from edgebox.messages.bond import LinkStatus
from edgebox.messages.selftest import Finding, SelfTest
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import MediaSession
from edgebox.messages.vehicle import Modem, Modems
from edgebox.support import history as history_module
from edgebox.support.checks.check import AnyCheck, Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good, untested
from edgebox.support.heard import Heard
from edgebox.support.history import History, LinkMinute
from edgebox.support.selftest import BusyError, SelfTester, worst
from edgebox.support.service import link_minutes
from edgebox.support.surroundings import Surroundings
from tests.unit.support.facts import NOW, a_bond, a_link


def session(state: Any) -> MediaSession:
    return MediaSession(id="s", state=state, since_utc=0, instance="m", cameras=(), sent=())


def surroundings(sending: Any = None) -> Surroundings:
    heard = Heard()
    if sending is not None:
        heard.receive_session(session(sending))
    return Surroundings(Config(), Bus("/nowhere", "test"), heard)


def check(name: str, *verdicts: Any, **more: Any) -> AnyCheck:
    async def read(here: Surroundings) -> None:
        """Nothing to read."""

    def judge(facts: None, now_utc: float) -> Verdicts:
        return verdicts

    return Check(name, read, judge, **more)


def a_tester(here: Surroundings, *checks: AnyCheck) -> tuple[SelfTester, list[SelfTest]]:
    told: list[SelfTest] = []

    async def tell(test: SelfTest) -> None:
        told.append(test)

    return SelfTester(here, tell, checks), told


GOOD, POOR, BAD = good("1"), attention("low", "2", "look"), fault("gone", "3", "look")


async def test_worst_first_and_every_step_told() -> None:
    one, told = a_tester(surroundings(), check("a", GOOD), check("b", POOR, BAD), check("c", GOOD))
    test = await one.run(one.begin("crew"))
    assert [finding.code for finding in test.findings] == ["b.gone", "b.low", "good", "good"]
    assert test.grade == "fault"
    assert [step.checks_done for step in told] == [0, 1, 2, 3, 3]
    assert told[-1].state == "done"


async def test_a_check_alone_mends_the_last_result() -> None:
    verdicts: list[Any] = [BAD]

    async def read(here: Surroundings) -> None:
        """Nothing to read."""

    mended: AnyCheck = Check("b", read, lambda facts, now_utc: tuple(verdicts))
    one, _ = a_tester(surroundings(), check("a", GOOD), mended)
    first = await one.run(one.begin("boot"))
    assert first.grade == "fault"
    verdicts[:] = [GOOD]
    again = await one.run(one.begin("technician", ("b",)), ("b",))
    assert (again.id, again.grade, len(again.findings)) == (first.id, "good", 2)
    with pytest.raises(KeyError):
        one.begin("technician", ("nonsense",))


async def test_one_at_a_time() -> None:
    release = asyncio.Event()

    async def read(here: Surroundings) -> None:
        await release.wait()

    waiting: AnyCheck = Check("a", read, lambda facts, now_utc: (GOOD,))
    one, _ = a_tester(surroundings(), waiting)
    running = asyncio.create_task(one.run(one.begin("crew")))
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        one.begin("boot")
    release.set()
    assert (await running).grade == "good"


@pytest.mark.parametrize("sending", ["live", None])
async def test_nothing_is_sent_during_a_mission_or_while_nobody_can_tell(sending: Any) -> None:
    sender = check("turn", GOOD, takes_uplink=True)
    one, _ = a_tester(surroundings(sending), sender, check("a", GOOD))
    test = await one.run(one.begin("crew"))
    assert {(f.check, f.code) for f in test.findings} == {("a", "good"), ("turn", "sending")}
    assert test.live == (sending == "live")


async def test_a_mission_that_begins_ends_what_sends() -> None:
    here, ended = surroundings("idle"), asyncio.Event()

    async def read(here: Surroundings) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
            raise

    sender: AnyCheck = Check("turn", read, lambda facts, now_utc: (GOOD,), takes_uplink=True)
    one, _ = a_tester(here, sender)
    running = asyncio.create_task(one.run(one.begin("crew")))
    await asyncio.sleep(0.01)
    here.heard.receive_session(session("live"))
    test = await asyncio.wait_for(running, 1)
    assert [finding.code for finding in test.findings] == ["sending"]
    assert ended.is_set()


@pytest.mark.parametrize("error", [OSError("no"), RemoteProtocolError("no"), TimeoutError()])
async def test_what_cannot_be_read_is_untested(error: Exception) -> None:
    async def read(here: Surroundings) -> None:
        raise error

    one, _ = a_tester(surroundings(), Check("a", read, lambda facts, now_utc: (BAD,)))
    test = await one.run(one.begin("crew"))
    assert [finding.grade for finding in test.findings] == ["untested"]
    assert test.grade == "untested"


def test_what_was_not_tested_makes_nothing_better_or_worse() -> None:
    def of(*verdicts: Any) -> list[Finding]:
        return [check("a").finding(one, NOW) for one in verdicts]

    missing = untested("absent", "")
    assert worst(of(missing)) == "untested"
    assert worst(of(missing, GOOD)) == "good"
    assert worst(of(missing, GOOD, POOR)) == "attention"
    assert worst(of(POOR, BAD)) == "fault"


def has_session(heard: Heard) -> bool:
    return heard.session is not None


def test_what_was_heard_lasts_no_longer_than_it_is_true() -> None:
    heard = Heard()
    heard.receive_bond(a_bond())
    assert heard.bond(NOW + 1) is not None
    assert heard.bond(NOW + 10) is None
    heard.receive_session(session("live"))
    assert not has_session(heard), "no media that said so"
    media = ServiceStatus(service="media", instance="m", state="running", since_utc=0)
    heard.receive_service(media)
    assert has_session(heard)
    heard.forget()
    assert not has_session(heard)
    assert heard.sending == "live", "pictures need no broker"


def test_a_row_for_each_link_with_its_signal() -> None:
    heard = Heard()
    assert link_minutes(heard, NOW) == []
    links: tuple[LinkStatus, ...] = (a_link(name="wwan0"), a_link(name="eth0"))
    heard.receive_bond(a_bond(*links))
    heard.receive_modems(Modems(modems=(Modem(interface="wwan0", state="connected", signal=44),)))
    assert [(row.name, row.signal) for row in link_minutes(heard, NOW)] == [
        ("wwan0", 44),
        ("eth0", None),
    ]


def a_test(number: int) -> SelfTest:
    return SelfTest(id=f"t{number}", state="done", reason="boot", started_utc=float(number))


def minute(at_utc: float) -> LinkMinute:
    return LinkMinute(
        at_utc=at_utc, name="l", state="up", rtt_ms=None, loss=0.0, sent_bps=0, received_bps=0,
        capacity_bps=0, signal=None,
    )  # fmt: skip


def test_history_is_bounded_and_outlives_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "TESTS_MAX", 5)
    path = tmp_path / "deep" / "support.db"
    history = History(path)
    for number in range(9):
        history.keep_test(a_test(number), f"boot-{number}")
    history.keep_links([minute(NOW - 15 * 86_400)])
    history.keep_links([minute(NOW)])
    history.close()
    history = History(path)
    assert [test.id for test in history.tests(9)] == ["t8", "t7", "t6", "t5", "t4"]
    assert [row.at_utc for row in history.links(0)] == [NOW]
    assert history.tested_boot("boot-8")
    assert not history.tested_boot("boot-1")
    history.close()


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0 and then nonsense" * 200, b"\xff" * 9]
)
def test_a_damaged_history_is_put_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "support.db"
    path.write_bytes(content)
    history = History(path)
    history.keep_test(a_test(1), "b")
    assert [test.id for test in history.tests()] == ["t1"]
    history.close()


def test_a_disk_that_takes_nothing_is_survived(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    history = History(blocked / "support.db")
    history.keep_test(a_test(1), "b")
    assert len(history.tests()) == 1, "in memory"
    history.close()


async def test_endless_and_hanging_programs_are_ended(tmp_path: Path) -> None:
    for name, body in (("flood", "exec cat /dev/zero"), ("hang", "exec sleep 60")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    here = Surroundings(Config(), Bus("/nowhere", "test"), Heard(), search=str(tmp_path))
    began_at = time.monotonic()
    said = await here.run("flood", most=100_000)
    assert said is not None
    assert (len(said.output), said.cut) == (100_000, True)
    assert await here.run("hang", limit_s=0.2) is None
    assert await here.run("nowhere") is None
    assert time.monotonic() - began_at < 5
