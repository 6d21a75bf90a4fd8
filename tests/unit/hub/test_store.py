"""The hub's database, on a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebox.hub.store import ParticipantRow, RoomRow, Store

ROOM = RoomRow("r1", "b1", "s1")
KARI = ParticipantRow("k", "r1", "hash-k", "Kari", "doctor", 101.0)
OLA = ParticipantRow("o", "r1", "hash-o", "Ola", "doctor", 101.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(f"sqlite:///{tmp_path}/hub.db")
    one.set_up()
    one.open_room(ROOM, 100.0)
    yield one
    one._engine.dispose()


def test_link_is_spent_once(store: Store) -> None:
    store.add_invite("t", ROOM, "doctor", "", 60, 100.0)
    assert store.use_invite("t", "b1", KARI, 101.0)
    assert not store.use_invite("t", "b1", OLA, 101.0)
    invite = store.find_invite("t")
    assert invite is not None
    assert (invite.used_utc, invite.participant) == (101.0, "k")
    assert store.load() == ([ROOM], [KARI])


def test_expired_link_lets_nobody_in(store: Store) -> None:
    store.add_invite("t", ROOM, "doctor", "", 60, 100.0)
    assert not store.use_invite("t", "b1", KARI, 160.0)
    assert store.load() == ([ROOM], [])


def test_unused_links_are_counted_and_forgotten_in_time(store: Store) -> None:
    store.add_invite("t1", ROOM, "doctor", "", 60, 100.0)
    store.add_invite("t2", ROOM, "doctor", "", 60, 110.0)
    assert store.count_open_invites("r1", 120.0) == 2
    assert store.count_open_invites("r1", 165.0) == 1
    store.add_invite("t3", ROOM, "doctor", "", 60, 165.0)
    assert store.find_invite("t1") is None


def test_closed_room_leaves_nothing_but_the_audit_trail(store: Store) -> None:
    store.add_invite("t1", ROOM, "doctor", "", 60, 100.0)
    store.add_invite("t2", ROOM, "doctor", "", 60, 100.0)
    store.use_invite("t1", "b1", KARI, 101.0)
    store.close_room(ROOM, 102.0)
    assert store.load() == ([], [])
    assert store.find_invite("t1") is None
    assert store.find_invite("t2") is None


def test_who_left_is_gone(store: Store) -> None:
    store.add_invite("t1", ROOM, "doctor", "", 60, 100.0)
    store.use_invite("t1", "b1", KARI, 101.0)
    store.remove_participant("b1", KARI, "left", 102.0)
    assert store.load() == ([ROOM], [])
