"""Whose connection counts while another is to take its place."""

from typing import Any
from unittest.mock import Mock

from edgebox.media.roster import Roster


def viewer(state: str = "connecting") -> Any:
    return Mock(state=state)


def test_what_never_worked_is_replaced_at_once() -> None:
    roster, first, second = Roster(), viewer(), viewer()
    assert roster.add("p", first) is None
    assert roster.add("p", second) is first
    assert list(roster) == [second]
    assert roster.newest("p") is second


def test_what_works_stays_until_the_new_one_has_come_about() -> None:
    roster, old, late, new = Roster(), viewer("connected"), viewer(), viewer()
    roster.add("p", old)
    assert roster.add("p", late) is None
    assert roster.add("p", new) is late, "only the newest is waited for"
    assert roster.present == {"p": old}
    assert roster.of("p") == [old, new]
    assert roster.promote(new) is old
    assert roster.promote(new) is None
    assert list(roster) == [new]


def test_a_silent_one_may_come_back() -> None:
    roster, lost, new = Roster(), viewer("lost"), viewer()
    roster.add("p", lost)
    assert roster.add("p", new) is None
    roster.remove(new)
    assert list(roster) == [lost]


def test_who_was_to_come_moves_up_when_the_old_one_ends() -> None:
    roster, old, new, other = Roster(), viewer("connected"), viewer(), viewer()
    roster.add("p", old)
    roster.add("p", new)
    roster.add("q", other)
    roster.remove(old)
    assert roster.present == {"p": new, "q": other}
    assert old not in roster
    roster.remove(new)
    assert roster.of("p") == []
    assert roster.newest("p") is None
