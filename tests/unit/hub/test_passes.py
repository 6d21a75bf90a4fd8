"""Which bearers go on to a box: those it has handed out itself, for as long as they can be good."""

from edgebox.hub import passes
from edgebox.hub.passes import Passes
from edgebox.pairing.lease import BEARER_S


def test_bearer_leads_to_the_box_that_gave_it_until_it_ends() -> None:
    one = Passes()
    one.note("bearer", "box-1", 100.0)
    assert one.box_of("bearer", 100.0) == "box-1"
    assert one.box_of("bearer", 100.0 + BEARER_S - 0.1) == "box-1"
    assert one.box_of("bearer", 100.0 + BEARER_S) == ""
    assert one.box_of("another", 100.0) == ""
    assert one.box_of("", 100.0) == ""


def test_box_that_takes_it_no_more_ends_it() -> None:
    one = Passes()
    one.note("bearer", "box-1", 1.0)
    one.drop("bearer")
    one.drop("never heard of")
    assert one.box_of("bearer", 1.0) == ""


def test_oldest_goes_when_there_are_too_many() -> None:
    one = Passes()
    for number in range(passes.PASSES_MAX):
        one.note(f"b{number}", "box-1", 1.0)
    one.note("b0", "box-1", 2.0)
    one.note("one more", "box-1", 2.0)
    assert one.box_of("b0", 2.0) == "box-1"
    assert one.box_of("b1", 2.0) == ""
