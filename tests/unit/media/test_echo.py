"""Echo control in a simulated cabin: the guest does not hear themselves, and hears the cabin."""

import pytest

from bench.media_echo import BOTH, NEAR_ALONE, Run


@pytest.fixture(scope="module")
def conversation() -> Run:
    return Run(1, engine=False)


def test_a_guest_does_not_hear_themselves(conversation: Run) -> None:
    assert conversation.erle_db(0.5, 2) > 15, "soon"
    assert conversation.erle_db(2, 12) > 25


def test_the_cabin_is_heard_also_while_the_guest_talks(conversation: Run) -> None:
    assert conversation.near_kept_db(NEAR_ALONE) > -3
    assert conversation.near_kept_db(BOTH) > -6
