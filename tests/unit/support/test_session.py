"""The technician's session: what the crew grants, and nothing else."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.support.session import ASK_S, GRANT_S, GUESSES_MAX, Session, Technician

KARI = Technician("Kari", "AA")
OLA = Technician("Ola", "BB")


def make() -> Session:
    ids, tokens = itertools.count(1), itertools.count(1)
    return Session(lambda: f"s{next(ids)}", lambda: f"token-{next(tokens)}")


def active(who: Technician = KARI) -> Session:
    session = make()
    assert session.open(who, session.ask(0.0), 1.0) is None
    return session


def test_off_until_the_crew_asks_and_the_link_is_opened() -> None:
    session = make()
    assert (session.state, session.check("s1", "AA", 0.0)) == ("off", "no-session")
    token = session.ask(10.0)
    assert (session.state, session.asked_by, session.left_s(10.0)) == ("asked", "crew", ASK_S)
    assert session.check(session.id, "AA", 10.0) == "no-session"
    assert session.open(KARI, token, 20.0) is None
    assert (session.state, session.technician) == ("active", KARI)
    assert session.left_s(20.0) == GRANT_S
    assert session.check(session.id, "AA", 21.0) is None


def test_the_name_of_the_ask_is_not_the_name_of_the_session() -> None:
    session = make()
    token = session.ask(0.0)
    asked = session.id
    session.open(KARI, token, 1.0)
    assert session.check(asked, "AA", 2.0) == "other-session"


def test_a_request_is_admitted_by_the_crew_and_by_what_they_were_shown() -> None:
    session = make()
    assert session.request(KARI, 0.0) is None
    assert (session.state, session.asked_by, session.technician) == ("asked", "technician", KARI)
    assert session.admit(session.id, "BB", 1.0) == "other-technician"
    assert session.admit("s9", "AA", 1.0) == "other-session"
    assert session.admit(session.id, "AA", 1.0) is None
    assert session.check(session.id, "AA", 2.0) is None


def test_who_answers_the_crews_ask_without_its_link_is_admitted_too() -> None:
    session = make()
    token = session.ask(0.0)
    assert session.request(KARI, 1.0) is None
    assert session.state == "asked"
    assert session.request(OLA, 1.0) == "busy"
    assert session.open(OLA, token, 2.0) is None
    assert session.technician == OLA


def test_a_link_opens_once() -> None:
    session = make()
    token = session.ask(0.0)
    assert session.open(KARI, token, 1.0) is None
    assert session.open(KARI, token, 2.0) == "used-link"
    assert session.open(OLA, token, 2.0) == "used-link"
    assert session.technician == KARI
    session.end("crew")
    assert session.open(KARI, token, 3.0) == "used-link"


def test_a_replayed_link_of_an_older_ask_opens_nothing() -> None:
    session = make()
    old = session.ask(0.0)
    new = session.ask(1.0)
    assert session.open(KARI, old, 2.0) == "wrong-link"
    assert session.open(KARI, new, 2.0) is None


def test_guessing_ends_the_ask() -> None:
    session = make()
    token = session.ask(0.0)
    for _ in range(GUESSES_MAX):
        assert session.open(OLA, "guess", 1.0) == "wrong-link"
    assert (session.state, session.ended) == ("off", "guessed")
    assert session.open(KARI, token, 2.0) == "no-session"


def test_an_unused_link_is_void_after_its_time() -> None:
    session = make()
    token = session.ask(0.0)
    assert session.open(KARI, token, ASK_S) == "no-session"
    assert session.ended == "unanswered"


def test_it_ends_by_time() -> None:
    session = active()
    assert session.next_timeout() == 1.0 + GRANT_S
    assert session.check(session.id, "AA", GRANT_S) is None
    assert session.handle_timeout(1.0 + GRANT_S)
    assert (session.state, session.ended, session.left_s(9e9)) == ("off", "time", 0.0)


def test_it_ends_by_a_tap_and_everything_after_is_refused() -> None:
    session = active()
    id_ = session.id
    assert session.end("crew")
    assert not session.end("crew")
    assert session.check(id_, "AA", 2.0) == "no-session"
    assert session.admit(id_, "AA", 2.0) == "no-session"


def test_another_certificate_or_session_is_refused() -> None:
    session = active()
    assert session.check(session.id, "BB", 2.0) == "other-technician"
    assert session.check("s77", "AA", 2.0) == "other-session"


def test_nobody_comes_in_beside_the_one_who_is_here() -> None:
    session = active()
    assert session.request(OLA, 2.0) == "busy"
    assert session.ask(2.0) == "busy"
    assert session.technician == KARI


STEPS = st.sampled_from(["request", "wrong", "foreign-admit", "tick", "check"])


@given(st.lists(STEPS, max_size=30))
def test_whatever_technicians_do_nobody_is_in_without_the_crew(steps: list[str]) -> None:
    session, now = make(), 0.0
    for step in steps:
        now += 100.0
        match step:
            case "request":
                session.request(OLA, now)
            case "wrong":
                session.open(OLA, "x", now)
            case "foreign-admit":
                session.admit(session.id, "AA", now)
            case "tick":
                session.handle_timeout(now)
            case "check":
                assert session.check(session.id, "BB", now) == "no-session"
        assert session.state != "active"


@pytest.mark.parametrize("why", ["crew", "technician", "audit"])
def test_why_it_ended_is_said(why: str) -> None:
    session = active()
    session.end(why)  # type: ignore[arg-type]
    assert session.ended == why
