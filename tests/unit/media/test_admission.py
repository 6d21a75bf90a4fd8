"""Whom the crew let in."""

import pytest

from edgebox.media.admission import ADMITTED_MAX, REFUSED_MAX, Admission
from edgebox.messages.base import Fault, Role
from edgebox.messages.session import Admit, Admitted, MediaSession


def wish(participant: str, role: Role = "doctor", name: str = "Kari") -> Admit:
    return Admit(session="s", participant=participant, role=role, name=name)


def test_nobody_is_in_before_the_crew_says_so() -> None:
    one = Admission()
    assert one.find("p", "doctor") is None
    assert one.find("", "doctor") is None
    assert one.admit(wish("p")) is None
    assert one.find("p", "doctor") == Admitted(participant="p", role="doctor", name="Kari")
    assert one.find("q", "doctor") is None


@pytest.mark.parametrize("role", ["pilot", "interpreter", "observer", "technician", "bystander"])
def test_another_role_than_the_admitted_one_is_not_admitted(role: Role) -> None:
    one = Admission()
    one.admit(wish("p"))
    assert one.find("p", role) is None


def test_the_last_word_of_the_crew_holds() -> None:
    one = Admission()
    one.admit(wish("p"))
    one.refuse("p")
    assert one.find("p", "doctor") is None
    assert (one.admitted, one.refused) == ((), ("p",))
    one.admit(wish("p", "observer"))
    assert one.refused == ()
    assert one.find("p", "observer") is not None
    one.admit(wish("p", "pilot"))
    assert one.find("p", "observer") is None


def test_it_ends_with_the_session_and_not_with_the_process() -> None:
    one = Admission()
    one.admit(wish("p"))
    one.refuse("q")
    last = MediaSession(
        id="s", state="live", since_utc=0, instance="i", cameras=(), sent=(),
        admitted=one.admitted, refused=one.refused,
    )  # fmt: skip
    two = Admission()
    two.resume(last)
    assert (two.admitted, two.refused) == (one.admitted, one.refused)
    two.clear()
    assert (two.admitted, two.refused) == ((), ())


def test_there_is_an_end_to_both_lists() -> None:
    one = Admission()
    faults = [one.admit(wish(f"p{number}")) for number in range(ADMITTED_MAX + 1)]
    assert [isinstance(fault, Fault) for fault in faults] == [False] * ADMITTED_MAX + [True]
    assert one.admit(wish("p3", "pilot")) is None, "who is in may get another role"
    for number in range(REFUSED_MAX + 5):
        one.refuse(f"r{number}")
    assert len(one.refused) == REFUSED_MAX
    assert one.refused[-1] == f"r{REFUSED_MAX + 4}"
