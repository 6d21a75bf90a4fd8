"""The technician's session at the level of the bus: what is done, what is refused, what is written.

The hub is played by the test, so that each refusal is the box's own.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Any, get_args

import aiomqtt
import msgspec
import pytest

from edgebox.messages.base import Done, Fault
from edgebox.messages.bond import BondCounters, BondStatus
from edgebox.messages.link_test import (
    STOP_TRYING,
    TRY_LINK,
    LinkTestResult,
    RunLinkTest,
    StopTrying,
    TryLink,
)
from edgebox.messages.session import MediaSession
from edgebox.messages.support import (
    ADMIT_TECHNICIAN,
    CREW_SAYS,
    END_SUPPORT,
    REQUEST_SUPPORT,
    RESTART_SERVICE,
    AdmitTechnician,
    BundlePart,
    CrewSays,
    Deed,
    EffectiveConfiguration,
    EndSupport,
    Leave,
    LinkHistory,
    Look,
    Outlook,
    ReadBundle,
    ReadConfiguration,
    ReadHistory,
    ReadJournal,
    RequestSupport,
    Restart,
    RestartService,
    RunCheck,
    Say,
)
from edgebox.messages.support_still import AskStill, TakeStill, TestCamera
from edgebox.messages.vehicle import SEND_INVITE, SendInvite
from edgebox.support import refusals, session
from edgebox.support.history import LinkMinute
from tests.conftest import Broker
from tests.integration.support_rig import BOX, KARI, OLA, rig, running

PHONE = "+4790012345"
DEEDS: tuple[Deed, ...] = (
    Look(),
    ReadHistory(),
    ReadJournal(),
    ReadConfiguration(),
    RunCheck(check="disk"),
    Restart(service="panel"),
    ReadBundle(),
    RunLinkTest(link="lte-1"),
    Say(text="hi"),
    TestCamera(camera="front"),
    AskStill(camera="front"),
    TakeStill(camera="front"),
    Leave(),
)


def is_refused(answer: object, why: str) -> bool:
    return answer == Fault(reason="refused", text=why)


async def test_a_whole_session_is_done_shown_and_written(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        link = await box.ask()
        assert link.url.startswith(f"https://desk.test/desk/join/{BOX}#")
        await box.until(state="asked", asked_by="crew")
        assert await box.open(link.url.partition("#")[2]) == Done()
        await box.until(state="active", technician="Kari", serial=KARI)
        assert 1790 < box.session.left_s <= session.GRANT_S
        assert isinstance(await box.order(Look()), Outlook)
        assert await box.order(RunCheck(check="disk")) == Done()
        await box.until(doing="check", subject="disk")
        assert box.tests_asked == [("disk",)]
        assert await box.crew.request(END_SUPPORT, EndSupport()) == Done()
        await box.until(state="off", ended="crew")
        what = [entry.what for entry in box.written()]
        assert what == [
            *("service-started", "crew-asked", "link-opened", "look", "check", "ended: crew"),
        ]
        assert box.written()[-1].who == "Kari"
        last = box.written()[-1]
        async with asyncio.timeout(5):
            while not box.heads or box.heads[-1].hash != last.hash:
                await asyncio.sleep(0.01)
        assert (box.heads[-1].entries, box.heads[-1].technician) == (len(what), "Kari")


async def test_every_deed_is_refused_before_and_after_the_session(
    broker: Broker, tmp_path: Path
) -> None:
    async with rig(broker, tmp_path) as box:
        for deed in DEEDS:
            assert is_refused(await box.order(deed, session="s1"), "no-session")
        await box.ask()
        await box.until(state="asked")
        for deed in DEEDS:
            assert is_refused(await box.order(deed), "no-session")
        await box.grant()
        was = box.session.id
        await box.crew.request(END_SUPPORT, EndSupport())
        for deed in DEEDS[:2]:
            assert is_refused(await box.order(deed, session=was), "no-session")
        refused = [entry for entry in box.written() if entry.what == "refused"]
        assert len(refused) == refusals.REFUSALS_MAX
        assert {entry.serial for entry in refused} == {KARI}


async def test_another_technician_or_session_gets_nothing(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        for deed in DEEDS:
            assert is_refused(await box.order(deed, serial=OLA), "other-technician")
        assert is_refused(await box.order(Look(), session="other"), "other-session")
        assert box.session.state == "active"


async def test_a_link_works_once_and_only_the_newest(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        old = (await box.ask()).url.partition("#")[2]
        new = (await box.ask()).url.partition("#")[2]
        assert is_refused(await box.open(old), "wrong-link")
        assert await box.open(new) == Done()
        assert is_refused(await box.open(new, serial=OLA), "used-link")
        await box.crew.request(END_SUPPORT, EndSupport())
        assert is_refused(await box.open(new), "used-link")
        details = [entry.detail for entry in box.written() if entry.what == "refused"]
        assert details == ["wrong-link: link", "used-link: link", "used-link: link"]


async def test_the_link_goes_to_who_is_on_duty(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path, phone=PHONE) as box:
        sent: list[SendInvite] = []
        answers: list[Done | Fault] = [Done(), Fault(reason="failed")]

        async def send(question: SendInvite, keys: dict[str, str]) -> Done | Fault:
            sent.append(question)
            return answers.pop(0)

        await box.crew.serve(SEND_INVITE, send)
        link = await box.ask()
        await box.until(state="asked", texted="sent")
        assert sent == [SendInvite(url=link.url, phone=PHONE, purpose="help")]
        await box.ask()
        await box.until(state="asked", texted="failed")
        await box.crew.request(END_SUPPORT, EndSupport())
        await box.until(state="off", texted="")
        what = [entry.what for entry in box.written()]
        assert [one for one in what if "texted" in one] == ["link-texted", "link-not-texted"]
        trail = box.audit.read_text()
        assert PHONE[3:] not in trail
        assert link.url.partition("#")[2] not in trail


async def test_guessed_links_end_the_ask(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.ask()
        for _ in range(session.GUESSES_MAX):
            assert is_refused(await box.open("x" * 32, serial=OLA), "wrong-link")
        await box.until(state="off", ended="guessed")
        assert "ended: guessed" in [entry.what for entry in box.written()]


async def test_a_technician_who_asks_waits_for_the_crew(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        question = RequestSupport(technician="Kari", serial=KARI)
        assert await box.hub.request(REQUEST_SUPPORT, question) == Done()
        await box.until(state="asked", asked_by="technician", technician="Kari")
        assert is_refused(await box.order(Look()), "no-session")
        wrong = AdmitTechnician(id=box.session.id, serial=OLA)
        assert isinstance(await box.crew.request(ADMIT_TECHNICIAN, wrong), Fault)
        right = AdmitTechnician(id=box.session.id, serial=KARI)
        assert await box.crew.request(ADMIT_TECHNICIAN, right) == Done()
        await box.until(state="active")
        assert isinstance(await box.order(Look()), Outlook)


async def test_the_crew_turns_a_technician_away(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.hub.request(REQUEST_SUPPORT, RequestSupport(technician="Kari", serial=KARI))
        await box.until(state="asked")
        await box.crew.request(END_SUPPORT, EndSupport())
        await box.until(state="off", ended="refused")


async def test_it_ends_by_time(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "GRANT_S", 0.5)
    async with rig(broker, tmp_path) as box:
        await box.grant()
        was = box.session.id
        await box.until(state="off", ended="time")
        assert is_refused(await box.order(Look(), session=was), "no-session")
        assert box.written()[-2].what == "ended: time"


async def test_a_new_process_knows_no_session(broker: Broker, tmp_path: Path) -> None:
    """A reboot, a crash: access is gone."""
    async with rig(broker, tmp_path) as box:
        await box.grant()
        was = box.session.id
    async with rig(broker, tmp_path) as box:
        await box.until(state="off")
        assert is_refused(await box.order(Look(), session=was), "no-session")
        assert [entry.what for entry in box.written()].count("service-started") == 2


async def test_a_trail_that_cannot_be_written_ends_it(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        box.audit.unlink()
        box.audit.mkdir()
        answer = await box.order(ReadConfiguration())
        assert answer == Fault(reason="failed", text="the audit trail cannot be written")
        await box.until(state="off", ended="audit")


async def test_what_is_asked_ends_with_the_session(broker: Broker, tmp_path: Path) -> None:
    """A deed under way when the crew ends gives nothing back."""
    async with rig(broker, tmp_path) as box:
        await box.grant()
        box.heard.receive_service(running("panel"))
        asked = asyncio.create_task(box.order(Restart(service="panel")))
        await box.until(doing="restart")
        await box.crew.request(END_SUPPORT, EndSupport())
        box.heard.receive_service(running("panel", "i2"))
        assert is_refused(await asked, "no-session")


async def test_a_service_is_restarted_by_its_own_leave(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        asked: list[tuple[RestartService, str]] = []

        async def come_back(message: RestartService, keys: dict[str, str]) -> None:
            asked.append((message, keys["service"]))
            box.heard.receive_service(running(keys["service"], "i2"))

        await box.crew.subscribe(RESTART_SERVICE, come_back)
        await box.grant()
        box.heard.receive_service(running("vitals"))
        assert await box.order(Restart(service="vitals")) == Done()
        assert asked == [(RestartService(instance="i1"), "vitals")]


@pytest.mark.parametrize("name", ["media", "bond"])
async def test_what_keeps_a_video_up_is_not_restarted(
    broker: Broker, tmp_path: Path, name: Any
) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        box.heard.receive_service(running(name))
        for state in ("live", None):
            if state is not None:
                box.heard.receive_session(_media(state))
            answer = await box.order(Restart(service=name))
            assert (answer.reason, answer.text) == (
                "refused",
                "video is being sent, or may be: ask the crew",
            )


async def test_the_session_does_not_restart_itself_or_what_is_dead(
    broker: Broker, tmp_path: Path
) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        assert (await box.order(Restart(service="support"))).reason == "refused"
        assert (await box.order(Restart(service="vitals"))).reason == "not-found"


@pytest.mark.parametrize(
    "deed",
    [
        {"type": "restart", "service": "ssh; reboot"},
        {"type": "restart", "service": "edgebox-media.service"},
        {"type": "check", "check": "../../etc/passwd"},
        {"type": "journal", "service": "$(id)"},
        {"type": "shell", "command": "id"},
        {"type": "WatchOffer", "peer": "x"},
        {"type": "bundle", "offset": -1},
        {"type": "chat", "text": ""},
    ],
)
async def test_anything_but_a_deed_is_dropped(
    broker: Broker, tmp_path: Path, deed: dict[str, Any]
) -> None:
    """Words for a shell, another message, a deed there is not: not even an answer."""
    async with rig(broker, tmp_path) as box:
        await box.grant()
        before = len(box.written())
        order = {"type": "Order", "session": box.session.id, "serial": KARI, "deed": deed}
        async with aiomqtt.Client(
            broker.address, port=1, transport="unix", protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await client.publish(f"box/{BOX}/down/support/order", json.dumps(order), qos=1)
        assert isinstance(await box.order(Look()), Outlook)
        assert [entry.what for entry in box.written()[before:]] == ["look"]


async def test_no_place_in_the_journal_reaches_a_program(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        answer = await box.order(ReadJournal(after="x --output=cat; id"))
        assert (answer.lines, answer.missing) == ((), "no such place in the journal")


async def test_no_deed_and_no_answer_has_room_for_patients(broker: Broker, tmp_path: Path) -> None:
    """The role has no rights to pictures: the one a crew allows is no patient's, and not live."""
    names = {type_.__struct_config__.tag for type_ in get_args(Deed)}
    assert names == {
        *("look", "history", "journal", "configuration", "check"),
        *("restart", "bundle", "chat", "leave", "shell-ask", "shell"),
        *("call-ask", "call", "call-end", "link-test"),
        # Of cameras: figures, and a still that media gives by the crew's own word alone.
        *("camera", "still-ask", "still"),
    }
    async with rig(broker, tmp_path) as box:
        await box.grant()
        box.heard.receive_session(_media("live"))
        outlook = msgspec.json.encode(await box.order(Look()))
        assert b"secret-patient" not in outlook


async def test_the_configuration_comes_without_secrets(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        answer = await box.order(ReadConfiguration())
        assert isinstance(answer, EffectiveConfiguration)
        assert "hunter2" not in answer.text
        assert "rtsp://(struck out)@10.0.0.5/1" in answer.text


async def test_history_and_bundle(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        now_utc = box.written()[0].at_utc
        minutes = [
            LinkMinute(
                at_utc=now_utc - 60 * (2000 - number),
                name=name,
                state="up",
                rtt_ms=40.0,
                loss=0.0,
                sent_bps=1,
                received_bps=1,
                capacity_bps=4_000_000,
                signal=None,
            )
            for number in range(2000)
            for name in ("lte-1", "lte-2")
        ]
        box.history.keep_links(minutes)
        rows = await box.order(ReadHistory(hours=48))
        assert isinstance(rows, LinkHistory)
        assert 900 < len(rows.rows) <= 1200
        assert {row.name for row in rows.rows} == {"lte-1", "lte-2"}
        got = b""
        while True:
            part = await box.order(ReadBundle(offset=len(got)))
            assert isinstance(part, BundlePart)
            got += part.data
            if len(got) == part.size:
                break
        assert got == b"bundle" * 50_000
        assert [entry.what for entry in box.written()].count("bundle") == 1


async def test_crew_and_technician_write_to_each_other(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        nobody = await box.crew.request(CREW_SAYS, CrewSays(text="hei"))
        assert isinstance(nobody, Fault)
        await box.grant()
        assert await box.crew.request(CREW_SAYS, CrewSays(text="hei")) == Done()
        assert await box.order(Say(text="hallo")) == Done()
        async with asyncio.timeout(5):
            while len(box.chat) < 2:
                await asyncio.sleep(0.01)
        assert [(line.by, line.text) for line in box.chat] == [
            ("crew", "hei"),
            ("technician", "hallo"),
        ]
        assert "hallo" not in box.audit.read_text()


async def test_what_says_nothing_is_said_to_be_missing(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        outlook: Outlook = await box.order(Look())
        assert "media: the service is not running" in outlook.missing
        assert "crew: without the panel they do not see that you are here" in outlook.missing
        assert outlook.links == ()
        box.heard.receive_service(running("media"))
        box.heard.bridge = False
        outlook = await box.order(Look())
        assert "media: the service is not running" not in outlook.missing
        assert any(one.startswith("bridge: ") for one in outlook.missing)


async def test_the_technician_leaves(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await box.grant()
        assert await box.order(Leave()) == Done()
        await box.until(state="off", ended="technician")


def _media(state: Any) -> MediaSession:
    return MediaSession(
        id="secret-patient", state=state, since_utc=0.0, instance="m1", cameras=(), sent=()
    )


def _bond() -> BondStatus:
    return BondStatus(
        at_utc=time.time(), state="up", since_utc=0.0, links=(), capacity_bps=0, target_bps=0,
        rtt_ms=None, redundancy=0.0, counters=BondCounters(),
    )  # fmt: skip


async def test_a_link_is_tested_by_the_bond_and_not_its_speed_while_video_is_on(
    broker: Broker, tmp_path: Path
) -> None:
    async with rig(broker, tmp_path) as box:
        asked: list[TryLink] = []

        async def test(question: TryLink, keys: dict[str, str]) -> LinkTestResult:
            asked.append(question)
            return LinkTestResult(link=question.link, at_utc=1.0, probes=300, loss_up=0.05)

        await box.crew.serve(TRY_LINK, test)
        await box.grant()
        deed = RunLinkTest(link="lte-1")
        assert (await box.order(deed)).reason == "unreachable"
        for state, speed in ((None, True), ("live", False), ("idle", True)):
            box.heard.receive_bond(_bond())
            if state is not None:
                box.heard.receive_session(_media(state))
            result = await box.order(deed)
            assert (result.probes, result.loss_up, result.loss_down) == (300, 0.05, None)
            assert asked[-1] == TryLink(link="lte-1", speed=speed)
        await box.until(doing="link-test", subject="lte-1")
        written = [(entry.what, entry.detail) for entry in box.written()]
        assert written.count(("link-test", "lte-1")) == 4


async def test_a_test_ends_with_the_session(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        stopped = asyncio.Event()

        async def test(question: TryLink, keys: dict[str, str]) -> LinkTestResult:
            await stopped.wait()
            return LinkTestResult(link=question.link, at_utc=1.0, why="stopped")

        async def stop(question: StopTrying, keys: dict[str, str]) -> Done:
            stopped.set()
            return Done()

        await box.crew.serve(TRY_LINK, test)
        await box.crew.serve(STOP_TRYING, stop)
        await box.grant()
        box.heard.receive_bond(_bond())
        asked = asyncio.create_task(box.order(RunLinkTest(link="lte-1")))
        await box.until(doing="link-test")
        await box.crew.request(END_SUPPORT, EndSupport())
        assert is_refused(await asked, "no-session")
        assert stopped.is_set()
