"""Who is with us and what they get, who waits, and names from outside."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgebox.messages.room import Participant
from edgebox.messages.session import MediaSession
from edgebox.panel.people import find_guest, plain, waiting, with_us
from tests.unit.panel.heard import admitted, live, participant, room, sound, watcher


def us(session: MediaSession, *people: Participant) -> list[tuple[str, str]]:
    return [(one.name, one.state) for one in with_us(session, room(*people))]


def names(session: MediaSession, *people: Participant) -> list[str]:
    return [one.name for one in waiting(session, room(*people))]


# With us


def test_connections_of_one_person_are_one() -> None:
    session = live(
        watchers=(
            watcher("Kari", peer="r1", state="lost"),
            watcher("Kari", peer="r2", shows=True),
            watcher("Ola", "interpreter"),
        )
    )
    kari, ola = with_us(session, room())
    assert (kari.name, kari.state, kari.sees, kari.hears, kari.shows) == (
        "Kari", "connected", True, True, "r2",
    )  # fmt: skip
    assert (ola.sees, ola.hears, ola.speaks, ola.shows) == (False, True, True, "")


def test_admitted_who_have_no_connection_follow() -> None:
    session = live(
        watchers=(watcher("Kari"),),
        admitted=(admitted("Kari"), admitted("Ola"), admitted("Gone")),
    )
    people = (participant("Kari"), replace(participant("Ola"), state="away"))
    assert us(session, *people) == [("Kari", "connected"), ("Ola", "away")]


def test_admitted_are_named_although_nobody_knows_whether_they_are_here() -> None:
    session = live(admitted=(admitted("Kari"),))
    assert [(one.name, one.state) for one in with_us(session, None)] == [("Kari", "unknown")]


def test_admitted_are_called_what_they_were_let_in_as() -> None:
    session = live(admitted=(admitted("Kari", "observer"),))
    renamed = replace(participant("Kari", "observer"), name="Chief")
    assert us(session, renamed) == [("Kari", "present")]


@pytest.mark.parametrize(
    ("cabin", "hears"),
    [
        (sound(), True),
        (sound("ready"), True),
        (sound(muted=True), False),
        (sound("absent"), False),
        (sound("failed"), False),
        (sound("none"), False),
    ],
)
def test_nobody_hears_a_cabin_without_sound(cabin: Any, hears: bool) -> None:
    """They may hear each other all the same."""
    session = live(watchers=(watcher("Kari"),), sound=cabin)
    assert [one.hears for one in with_us(session, None)] == [hears]


# Waiting


def test_who_is_neither_let_in_nor_turned_away_waits() -> None:
    session = live(admitted=(admitted("Kari"),), refused=("idPer",))
    people = [participant(name) for name in ("Kari", "Ola", "Per")]
    assert names(session, *people) == ["Ola"]


def test_who_closed_their_page_does_not_wait() -> None:
    assert names(live(), replace(participant("Ola"), state="away")) == []


def test_who_was_let_in_as_something_else_waits_again() -> None:
    session = live(admitted=(admitted("Kari", "observer"),))
    assert names(session, participant("Kari", "doctor")) == ["Kari"]


def test_guest_is_found_with_the_role_the_crew_was_shown_only() -> None:
    guests = waiting(live(), room(participant("Ola", "observer")))
    assert find_guest(guests, "idOla", "observer") == guests[0]
    assert find_guest(guests, "idOla", "doctor") is None
    assert find_guest(guests, "idKari", "observer") is None


# Names


def test_name_cannot_be_disguised() -> None:
    assert plain("Kari\u202enam\nrodN\t ") == "Kari nam rodN"


@given(st.text(max_size=50))
def test_any_name_becomes_one_plain_line(name: str) -> None:
    shown = plain(name)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} for c in shown)
    assert shown == plain(shown)
