"""What a page is told, from what is known."""

from typing import Any

import msgspec
import pytest

from edgebox.hub.box import Box
from edgebox.hub.room import Person, Room
from edgebox.hub.snapshot import snapshot
from edgebox.hub.tokens import make_peer
from edgebox.messages import CameraStatus, MediaSession, Role, Watcher

KARI, OLA = "00000000000000aa", "00000000000000bb"


def _box(role: Role = "doctor", **change: Any) -> tuple[Box, Room]:
    room = Room("r", "b1", "s1")
    room.people[KARI] = Person(KARI, "Kari", role, 1.0)
    room.people[OLA] = Person(OLA, "Ola", "observer", 2.0)
    cameras = tuple(
        CameraStatus(id=name, name=name, kind="pattern", state="live", since_utc=0)
        for name in ("front", "rear", "side")
    )
    page = "0" * 16
    watchers = (
        Watcher(peer=make_peer(KARI, page), name="", role="doctor", state="connected", since_utc=0),
        Watcher(peer=make_peer(OLA, page), name="", role="doctor", state="lost", since_utc=0),
    )
    session = MediaSession(
        id="s1",
        state="live",
        since_utc=0,
        instance="i1",
        cameras=cameras,
        sent=("rear", "front", "gone"),
        watchers=watchers,
    )
    box = Box("b1", vehicle="A 1", session=msgspec.structs.replace(session, **change), room=room)
    box.bridge = True
    box.refresh(True, 50.0)
    return box, room


def test_cameras_that_are_sent_stand_main_picture_first() -> None:
    state = snapshot(*_box(), KARI, 60.0)
    assert [camera.id for camera in state.cameras] == ["rear", "front"]
    assert state.camera_count == 3
    assert (state.session, state.instance, state.reachable) == ("live", "i1", True)
    assert state.you.pictures


def test_who_gets_pictures_is_what_the_box_says() -> None:
    box, room = _box()
    assert [one.watching for one in snapshot(box, room, KARI, 60.0).people] == [True, False]


def test_nobody_is_said_to_get_pictures_while_the_box_is_away() -> None:
    box, room = _box()
    box.bridge = False
    assert box.refresh(True, 70.0)
    state = snapshot(box, room, KARI, 80.0)
    assert not any(one.watching for one in state.people)
    assert (state.reachable, state.reachable_since_utc) == (False, 70.0)


@pytest.mark.parametrize("role", ["pilot", "interpreter", "technician", "bystander"])
def test_other_roles_are_not_told_of_cameras(role: Role) -> None:
    state = snapshot(*_box(role), KARI, 60.0)
    assert state.cameras == ()
    assert not state.you.pictures


def test_session_of_another_room_is_unknown() -> None:
    state = snapshot(*_box(id="s2"), KARI, 60.0)
    assert (state.session, state.cameras, state.camera_count) == ("unknown", (), 0)


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
