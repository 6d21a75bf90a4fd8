"""Who gets what, proved where it leaves the box: real broker, TURN server, Chromium."""

import asyncio
import time
from pathlib import Path
from typing import get_args

import pytest
from playwright.async_api import Page

from edgebox.config.media import Camera
from edgebox.messages.base import Done, Fault, Role
from edgebox.messages.session import (
    HIDE_PICTURES,
    HIDE_WISH,
    MUTE_WISH,
    REFUSE,
    REFUSE_WISH,
    START_VIDEO,
    STOP_VIDEO,
    STOP_WISH,
    HidePictures,
    HideWish,
    MuteWish,
    Refuse,
    RefuseWish,
    StartVideo,
    StopVideo,
    StopWish,
    WatchAnswer,
)
from edgebox.roles import RIGHTS
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import (
    FRONT,
    Observer,
    admit,
    chromium_page,
    configuration,
    frames_seen,
    media_process,
    media_running,
    observing,
    watch,
)

pytestmark = pytest.mark.browser

OUTSIDE = Camera(id="outside", name="Ute", kind="pattern", view="outside", width=320, height=180)
CAMERAS: dict[Role, list[str]] = {
    "doctor": ["front", "outside"],
    "observer": ["front", "outside"],
    "pilot": ["outside"],
    "interpreter": [],
    "bystander": [],
    "technician": [],
}
"""Written out once more, so that a change of the rights is noticed here."""


async def live(box: Observer) -> None:
    assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
    await box.until(lambda s: s.state == "live")


async def test_each_role_sees_its_cameras_and_no_other(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, FRONT, OUTSIDE)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)
        assert set(CAMERAS) == set(get_args(Role)) == set(RIGHTS)
        for role, cameras in CAMERAS.items():
            answer = await watch(box, page, turn_server, peer=role, participant=role, role=role)
            if not RIGHTS[role].sees and not isinstance(answer, WatchAnswer):
                assert answer.reason in {"refused", "invalid"}, role
                continue
            assert isinstance(answer, WatchAnswer), (role, answer)
            assert [stream.camera for stream in answer.streams] == cameras, role
            if cameras:
                seen = {stream.mid for stream in answer.streams}
                counts = await frames_seen(page, role, seen)
                assert not any(count for mid, count in counts.items() if mid not in seen), role
        session = await box.until(
            lambda s: [w.state for w in s.watchers if w.sees] == ["connected"] * 3
        )
        sees = {w.role: list(w.sees) for w in session.watchers if w.sees}
        assert sees == {role: cameras for role, cameras in CAMERAS.items() if cameras}
        named = {(w.participant, w.name) for w in session.watchers}
        assert named <= {(role, "Dr. Test") for role in CAMERAS}


async def test_only_whom_the_crew_let_in_and_only_as_that(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, FRONT, OUTSIDE)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)

        async def tries(participant: str, role: Role) -> WatchAnswer | Fault:
            return await watch(
                box, page, turn_server, peer="p", participant=participant, role=role, admitted=True
            )

        nobody = await tries("p", "doctor")
        assert isinstance(nobody, Fault)
        assert nobody.reason == "refused"
        assert isinstance(await tries("", "doctor"), Fault)
        await admit(box, "p", "pilot")
        for role in get_args(Role):
            if role != "pilot":
                more = await tries("p", role)
                assert isinstance(more, Fault), role
                assert more.reason == "refused"
        assert isinstance(await tries("p", "pilot"), WatchAnswer)
        await frames_seen(page, "p", {"0"})
        # Another role: what was opened with the old one ends.
        await admit(box, "p", "observer")
        await box.until(lambda s: not s.watchers)
        assert isinstance(await tries("p", "pilot"), Fault)


async def still_pictures(page: Page, peer: str) -> None:
    """Nothing new is decoded any more, once what was under way has been shown."""
    await asyncio.sleep(0.4)
    before = await frames_seen(page, peer, {"0"}, 0)
    await asyncio.sleep(0.5)
    assert await frames_seen(page, peer, {"0"}, 0) == before


async def test_turned_away_at_once_and_others_go_on(
    broker: Broker, turn_server: TurnServer
) -> None:
    config = configuration(broker, turn_server.address, FRONT)
    async with media_running(config) as box, chromium_page() as page:
        await live(box)
        for person in ("a", "b"):
            answer = await watch(
                box, page, turn_server, peer=person, participant=person, sections=1
            )
            assert isinstance(answer, WatchAnswer)
            await frames_seen(page, person, {"0"})
        wrong = await box.bus.request(REFUSE, Refuse(session="old", participant="a"))
        assert isinstance(wrong, Fault)
        wish = Refuse(session=box.sessions[-1].id, participant="a")
        assert await box.bus.request(REFUSE, wish) == Done()
        session = await box.until(lambda s: s.refused == ("a",))
        assert [one.participant for one in session.watchers] == ["b"]
        assert [one.participant for one in session.admitted] == ["b"]
        await still_pictures(page, "a")
        count = (await frames_seen(page, "b", {"0"}))["0"]
        await frames_seen(page, "b", {"0"}, count + 5)
        again = await watch(box, page, turn_server, peer="a", participant="a", admitted=True)
        assert isinstance(again, Fault)


async def test_a_stop_that_nobody_heard_outlives_a_dead_media(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = configuration(broker, turn_server.address, FRONT)
    process = await media_process(config, tmp_path)
    try:
        async with observing(config) as box:
            await box.until(lambda s: all(c.state == "ready" for c in s.cameras))
            await live(box)
            await admit(box)
            before = await box.until(lambda s: bool(s.admitted))
            process.kill()
            await process.wait()
            assert await box.bus.publish(STOP_WISH, StopWish(session=before.id))
            process = await media_process(config, tmp_path)
            after = await box.until(lambda s: s.instance != before.instance)
            assert (after.state, after.admitted) == ("idle", ())
            assert after.id != before.id
            assert not [
                s for s in box.sessions if s.instance == after.instance and s.state != "idle"
            ]
            # The wish is still there, and means the old session only.
            await live(box)
            process.kill()
            await process.wait()
            process = await media_process(config, tmp_path)
            again = await box.until(lambda s: s.instance not in {before.instance, after.instance})
            assert again.state == "live"
            assert await box.bus.publish(STOP_WISH, StopWish(session=again.id))
            await box.until(lambda s: s.state == "idle")
    finally:
        process.terminate()
        await process.wait()


async def test_what_the_crew_tapped_while_media_was_dead_holds_when_it_is_back(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = configuration(broker, turn_server.address, FRONT)
    process = await media_process(config, tmp_path)
    try:
        async with observing(config) as box:
            await box.until(lambda s: all(c.state == "ready" for c in s.cameras))
            await live(box)
            await admit(box, "a")
            await admit(box, "b")
            before = await box.until(lambda s: len(s.admitted) == 2)
            process.kill()
            await process.wait()
            assert await box.bus.publish(HIDE_WISH, HideWish(session=before.id, hidden=True))
            assert await box.bus.publish(MUTE_WISH, MuteWish(session=before.id, muted=True))
            wish = RefuseWish(session=before.id, participants=("a",))
            assert await box.bus.publish(REFUSE_WISH, wish)
            process = await media_process(config, tmp_path)
            after = await box.until(lambda s: s.instance != before.instance)
            first = next(s for s in box.sessions if s.instance == after.instance)
            assert (first.state, first.hidden, first.sound.muted) == ("live", True, True)
            assert (first.refused, [one.participant for one in first.admitted]) == (("a",), ["b"])
            # What is tapped later counts, and what was meant for this session no other hears.
            assert await box.bus.publish(HIDE_WISH, HideWish(session=before.id, hidden=False))
            await box.until(lambda s: not s.hidden)
            assert await box.bus.request(STOP_VIDEO, StopVideo()) == Done()
            await live(box)
            session = box.sessions[-1]
            assert (session.hidden, session.sound.muted, session.refused) == (False, False, ())
    finally:
        process.terminate()
        await process.wait()


async def test_hidden_pictures_stay_hidden_over_a_kill_and_end_with_the_session(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = configuration(broker, turn_server.address, FRONT)
    process = await media_process(config, tmp_path)
    try:
        async with observing(config) as box, chromium_page() as page:
            await box.until(lambda s: all(c.state == "ready" for c in s.cameras))
            await live(box)
            assert isinstance(await watch(box, page, turn_server, sections=1), WatchAnswer)
            await frames_seen(page, "p1", {"0"})
            await box.until(lambda s: [w.sees for w in s.watchers] == [("front",)])
            asked_at = time.monotonic()
            assert await box.bus.request(HIDE_PICTURES, HidePictures(hidden=True)) == Done()
            assert time.monotonic() - asked_at < 0.3
            hidden = await box.until(lambda s: s.hidden)
            assert [w.sees for w in hidden.watchers] == [()]
            assert [c.state for c in hidden.cameras] == ["ready"]
            await still_pictures(page, "p1")
            process.kill()
            await process.wait()
            process = await media_process(config, tmp_path)
            after = await box.until(lambda s: s.instance != hidden.instance)
            assert (after.state, after.hidden) == ("live", True)
            assert after.admitted == hidden.admitted
            # Whoever was in needs no second tap of the crew; there is nothing to see yet.
            answer = await watch(box, page, turn_server, sections=1, admitted=True)
            assert isinstance(answer, WatchAnswer), answer
            await box.until(lambda s: [w.state for w in s.watchers] == ["connected"])
            assert await frames_seen(page, "p1", {"0"}, -1) == {"0": 0}
            assert await box.bus.request(HIDE_PICTURES, HidePictures(hidden=False)) == Done()
            await frames_seen(page, "p1", {"0"})
            await box.bus.request(HIDE_PICTURES, HidePictures(hidden=True))
            assert await box.bus.request(STOP_VIDEO, StopVideo()) == Done()
            idle = await box.until(lambda s: s.state == "idle")
            assert (idle.hidden, idle.admitted, idle.refused) == (False, (), ())
            await live(box)
            refused = await watch(box, page, turn_server, sections=1, admitted=True)
            assert isinstance(refused, Fault)
    finally:
        process.terminate()
        await process.wait()
