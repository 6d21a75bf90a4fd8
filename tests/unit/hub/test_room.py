"""Who is in a room, without I/O."""

import pytest

from edgebox.hub import room
from edgebox.hub.room import Person, Room
from edgebox.hub.tokens import make_peer
from edgebox.messages.base import Role
from edgebox.messages.session import Admitted, MediaSession

KARI = "00000000000000aa"
PAGE = "0" * 16


def _room() -> Room:
    one = Room("r", "b1", "s1")
    one.people[KARI] = Person(KARI, "Kari", "doctor", 5.0)
    return one


def test_person_is_present_while_their_page_is_open() -> None:
    one = _room()
    assert one.participants()[0].state == "away"
    assert one.open_page(KARI, "p1") is None
    assert one.open_page(KARI, "p1") is None
    assert one.open_page(KARI, "p2") == "p1"
    one.close_page(KARI, "p1")
    assert one.participants()[0].state == "present"
    one.close_page(KARI, "p2")
    assert one.participants()[0].state == "away"


def _session(*admitted: Admitted, refused: tuple[str, ...] = (), name: str = "s1") -> MediaSession:
    return MediaSession(
        id=name,
        state="idle",
        since_utc=0,
        instance="i",
        cameras=(),
        sent=(),
        admitted=admitted,
        refused=refused,
    )


def test_person_is_let_in_once_and_has_no_rights_before() -> None:
    one = _room()
    assert not one.people[KARI].rights.sees
    entry = Admitted(participant=KARI, role="doctor", name="Kari")
    assert one.heed(_session(entry)) == ([one.people[KARI]], [])
    assert one.heed(_session(entry)) == ([], [])
    assert one.people[KARI].rights.sees
    one.heed(_session())
    assert not one.people[KARI].rights.sees


@pytest.mark.parametrize(
    ("participant", "role", "session"),
    [("other", "doctor", "s1"), (KARI, "observer", "s1"), (KARI, "doctor", "s2")],
)
def test_nobody_is_let_in_as_somebody_else(participant: str, role: Role, session: str) -> None:
    one = _room()
    entry = Admitted(participant=participant, role=role, name="Kari")
    assert one.heed(_session(entry, name=session)) == ([], [])
    assert not one.people[KARI].admitted


def test_refused_person_is_to_be_put_out() -> None:
    one = _room()
    assert one.heed(_session(refused=("other", KARI))) == ([], [one.people[KARI]])


def test_people_stand_in_the_order_they_joined() -> None:
    one = _room()
    one.people["first"] = Person("first", "Ola", "observer", 4.0)
    assert [person.name for person in one.participants()] == ["Ola", "Kari"]


def test_people_are_bounded() -> None:
    one = _room()
    for number in range(room.PEOPLE_MAX - 1):
        assert not one.is_full
        one.people[str(number)] = Person(str(number), "x", "observer", 1.0)
    assert one.is_full


def test_peer_without_a_page_is_closed_after_a_while_and_again_if_need_be() -> None:
    one, peer = _room(), make_peer(KARI, PAGE)
    assert one.peers_to_close([peer], 100.0) == []
    assert one.peers_to_close([peer], 109.9) == []
    assert one.peers_to_close([peer], 110.0) == [peer]
    assert one.peers_to_close([peer], 115.0) == []
    assert one.peers_to_close([peer], 120.0) == [peer]


def test_page_that_comes_back_in_time_keeps_its_peer() -> None:
    one, peer = _room(), make_peer(KARI, PAGE)
    one.peers_to_close([peer], 100.0)
    one.open_page(KARI, peer)
    assert one.peers_to_close([peer], 111.0) == []
    one.close_page(KARI, peer)
    assert one.peers_to_close([peer], 112.0) == []
    assert one.peers_to_close([peer], 122.0) == [peer]


def test_connections_the_hub_did_not_make_are_left_alone() -> None:
    one = _room()
    one.peers_to_close(["cabin", "preview-1"], 0.0)
    assert one.peers_to_close(["cabin", "preview-1"], 1000.0) == []


def test_peer_of_somebody_who_left_is_closed_too() -> None:
    one, peer = _room(), make_peer("00000000000000bb", PAGE)
    one.peers_to_close([peer], 0.0)
    assert one.peers_to_close([peer], 10.0) == [peer]
