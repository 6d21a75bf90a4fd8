"""Echo control in a simulated cabin: the guest does not hear themselves, and hears the cabin."""

import pytest

from bench.media_echo import BOTH, NEAR_ALONE, Run


@pytest.fixture(scope="module")
def conversation() -> Run:
    return Run(1, engine=False)


def test_a_guest_does_not_hear_themselves(conversation: Run) -> None:
    assert conversation.erle_db(0.5, 2) > 15, "soon"
    assert conversation.erle_db(2, 12) > 25


def test_nor_from_a_headset_that_plays_them_later() -> None:
    """One processor takes 6 to 10 dB out of this."""
    loud = Run(1, engine=False, device_db=-6)
    assert loud.erle_db(0.5, 2) > 15
    assert loud.erle_db(2, 12) > 20
    assert loud.near_kept_db(NEAR_ALONE) > -3


def test_the_cabin_is_heard_also_while_the_guest_talks(conversation: Run) -> None:
    assert conversation.near_kept_db(NEAR_ALONE) > -3
    assert conversation.near_kept_db(BOTH) > -6
