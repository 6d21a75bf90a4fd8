"""What a page is told, from what is known."""

from typing import Any, get_args

import msgspec
import pytest

from edgebox.hub.box import Box
from edgebox.hub.room import Person, Room
from edgebox.hub.snapshot import snapshot
from edgebox.hub.tokens import make_peer
from edgebox.messages.base import Role
from edgebox.messages.session import CameraStatus, MediaSession, Sending, SoundStatus, Watcher
from edgebox.messages.vehicle import Position
from edgebox.roles import RIGHTS

KARI, OLA = "00000000000000aa", "00000000000000bb"
ROLES: tuple[Role, ...] = get_args(Role)


def _box(role: Role = "doctor", admitted: bool = True, **change: Any) -> tuple[Box, Room]:
    room = Room("r", "b1", "s1")
    room.people[KARI] = Person(KARI, "Kari", role, 1.0, admitted=admitted)
    room.people[OLA] = Person(OLA, "Ola", "observer", 2.0, admitted=True)
    cameras = (
        CameraStatus(id="front", name="front", kind="pattern", state="live", since_utc=0),
        CameraStatus(
            id="roof", name="roof", kind="pattern", state="live", since_utc=0, view="outside"
        ),
        CameraStatus(id="side", name="side", kind="pattern", state="live", since_utc=0),
    )
    page = "0" * 16
    watchers = (
        Watcher(
            peer=make_peer(KARI, page),
            name="",
            role="doctor",
            state="connected",
            since_utc=0,
            sees=("roof",),
            hears=True,
        ),
        Watcher(
            peer=make_peer(OLA, page),
            name="",
            role="doctor",
            state="lost",
            since_utc=0,
            sees=("roof",),
        ),
    )
    session = MediaSession(
        id="s1",
        state="live",
        since_utc=0,
        instance="i1",
        cameras=cameras,
        sent=("roof", "front", "gone"),
        watchers=watchers,
        focus_by="Ola",
        hidden=True,
        sound=SoundStatus(microphone="live", loudspeaker="absent", muted=True, detail="secret"),
        sending=Sending(level="reduced", reason="capacity", total_bps=700_000),
    )
    box = Box("b1", vehicle="A 1", session=msgspec.structs.replace(session, **change), room=room)
    box.position = Position(at_utc=40.0, received_utc=41.0, latitude_deg=63.4, longitude_deg=10.4)
    box.bridge = True
    box.refresh(True, 50.0)
    return box, room


def test_cameras_that_are_sent_stand_main_picture_first() -> None:
    state = snapshot(*_box(), KARI, 60.0)
    assert [camera.id for camera in state.cameras] == ["roof", "front"]
    assert state.camera_count == 3
    assert (state.session, state.instance, state.reachable) == ("live", "i1", True)
    assert (state.focus_by, state.hidden, state.sending.level) == ("Ola", True, "reduced")


def test_who_gets_single_pictures_alone_is_told_so_and_nobody_else() -> None:
    box, room = _box()
    assert box.session is not None
    kari, ola = box.session.watchers
    slow = msgspec.structs.replace(kari, slow=True)
    box.session = msgspec.structs.replace(box.session, watchers=(slow, ola))
    hers, others = (snapshot(box, room, one, 60.0) for one in (KARI, OLA))
    assert (hers.slow, hers.sending.level, hers.sending.reason) == (True, "stills", "viewer")
    sending = others.sending
    assert (others.slow, sending.level, sending.reason) == (False, "reduced", "capacity")


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_told_what_it_has_a_right_to_and_no_more(role: Role) -> None:
    state, rights = snapshot(*_box(role), KARI, 60.0), RIGHTS[role]
    views = {"front": "patient", "roof": "outside"}
    wanted = [one for one in ("roof", "front") if views[one] in rights.views]
    assert [camera.id for camera in state.cameras] == wanted
    assert state.camera_count == sum(
        view in rights.views for view in ("patient", "outside", "patient")
    )
    assert (state.where is not None) == rights.position
    assert (state.cabin is not None) == (rights.hears or rights.speaks)
    flows = rights.sees or rights.hears or rights.speaks or rights.shows
    assert (state.sending.level == "reduced") == flows
    assert (state.instance == "i1") == flows
    assert state.hidden == rights.sees
    assert (state.you.gets.guides, state.you.gets.shows) == (rights.guides, rights.shows)


@pytest.mark.parametrize("role", ROLES)
def test_who_waits_is_told_of_nobody_and_nothing(role: Role) -> None:
    state = snapshot(*_box(role, admitted=False), KARI, 60.0)
    assert [one.id for one in state.people] == [KARI]
    assert not state.people[0].sees
    assert (state.cameras, state.camera_count, state.where, state.cabin) == ((), 0, None, None)
    assert (state.sending.level, state.instance, state.focus_by) == ("nothing", "", "")
    assert not state.hidden
    assert not state.you.admitted


def test_who_gets_what_is_what_the_box_says() -> None:
    box, room = _box()
    kari, ola = snapshot(box, room, KARI, 60.0).people
    assert (kari.sees, kari.hears, kari.speaks, kari.shows) == (True, True, False, False)
    assert (ola.sees, ola.hears) == (False, False)


def test_nobody_is_said_to_get_pictures_while_the_box_is_away() -> None:
    box, room = _box()
    box.bridge = False
    assert box.refresh(True, 70.0)
    state = snapshot(box, room, KARI, 80.0)
    assert not any(one.sees for one in state.people)
    assert (state.reachable, state.reachable_since_utc) == (False, 70.0)


def test_sound_of_the_cabin_is_told_without_technical_detail() -> None:
    state = snapshot(*_box(), KARI, 60.0)
    assert state.cabin is not None
    assert (state.cabin.microphone, state.cabin.loudspeaker, state.cabin.muted) == (
        True,
        False,
        True,
    )
    assert b"secret" not in msgspec.json.encode(state)


def test_session_of_another_room_is_unknown() -> None:
    state = snapshot(*_box(id="s2"), KARI, 60.0)
    assert (state.session, state.cameras, state.camera_count) == ("unknown", (), 0)
    assert state.cabin is None


def test_box_is_reachable_by_broker_bridge_and_session() -> None:
    box = Box("b1")
    seen = []
    for session, broker, now_utc in ((None, True, 1.0), (_box()[0].session, True, 2.0)):
        box.session = session
        assert box.refresh(broker, now_utc)
        seen.append(box.reachable)
    assert not box.refresh(True, 3.0)
    assert box.reachable_since_utc == 2.0
    assert box.refresh(False, 4.0)
    assert [*seen, box.reachable] == [False, True, False]
