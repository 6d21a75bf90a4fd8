"""Whether crew and technician talk to each other: no sound, only who said yes."""

import pytest

from edgebox.messages.support_call import CallState
from edgebox.support.call_grant import ASKED_S, LOST_S, CallGrant, Side
from edgebox.support.refusals import REFUSALS_MAX, REFUSALS_S, Refusals


@pytest.mark.parametrize(
    ("first", "second", "meanwhile"),
    [("technician", "crew", "asked"), ("crew", "technician", "calling")],
)
def test_it_takes_both(first: Side, second: Side, meanwhile: CallState) -> None:
    grant = CallGrant()
    assert grant.ask(first, 0.0) == "asked"
    assert grant.state == meanwhile
    assert grant.ask(first, 1.0) == "known"
    assert grant.state == meanwhile, "nobody answers themselves"
    assert grant.ask(second, 2.0) == "answered"
    assert grant.state == "open"
    assert grant.ask(first, 3.0) == "known"
    assert grant.end("crew")
    assert (grant.state, grant.ended) == ("off", "crew")
    assert not grant.end("technician")
    assert grant.ended == "crew"


def test_who_is_not_answered_has_not_asked_for_ever() -> None:
    grant = CallGrant()
    grant.ask("technician", 0.0)
    assert grant.due(ASKED_S - 0.1) == ""
    assert grant.due(ASKED_S) == "unanswered"


def test_a_call_without_a_connection_ends_and_one_with_it_goes_on() -> None:
    grant = CallGrant()
    grant.ask("technician", 0.0)
    grant.ask("crew", 1.0)
    assert grant.due(1.0 + LOST_S) == "lost"
    grant.link(True, 2.0)
    assert grant.due(1e6) == ""
    grant.link(False, 100.0)
    assert grant.due(100.0 + LOST_S - 0.1) == ""
    assert grant.due(100.0 + LOST_S) == "lost"


def test_another_session_knows_nothing_of_it() -> None:
    grant = CallGrant()
    grant.ask("crew", 0.0)
    grant.forget()
    assert (grant.state, grant.ended) == ("off", "")
    grant.link(True, 0.0)
    assert grant.due(1e6) == ""


def test_refusals_are_written_until_they_are_too_many() -> None:
    refusals = Refusals()
    assert [refusals.take(0.0) for _ in range(REFUSALS_MAX)] == [""] * REFUSALS_MAX
    assert [refusals.take(1.0) for _ in range(3)] == [None] * 3
    assert refusals.take(REFUSALS_S) == ", 3 more before it"
