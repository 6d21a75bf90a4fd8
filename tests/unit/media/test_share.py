"""Dividing the bits, and viewers' limits."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.share import FLOOR_BPS, TOTAL_MIN_BPS, ViewerLimit, divide


def test_main_picture_gets_most() -> None:
    assert divide(2_000_000, ["a"]) == {"a": 2_000_000}
    assert divide(2_000_000, ["a", "b"]) == {"a": 1_500_000, "b": 500_000}
    assert divide(2_000_000, ["a", "b", "c"]) == {"a": 1_500_000, "b": 250_000, "c": 250_000}


def test_others_keep_a_floor_until_all_are_equal() -> None:
    assert divide(400_000, ["a", "b", "c"]) == {"a": 240_000, "b": FLOOR_BPS, "c": FLOOR_BPS}
    assert divide(120_000, ["a", "b", "c"]) == {"a": 40_000, "b": 40_000, "c": 40_000}


@given(st.integers(0, 20_000_000), st.integers(1, 6))
def test_the_sum_is_the_total(total_bps: int, count: int) -> None:
    shares = divide(total_bps, [str(number) for number in range(count)])
    assert sum(shares.values()) == max(TOTAL_MIN_BPS, total_bps)
    assert shares["0"] == max(shares.values())


def test_no_camera_no_share() -> None:
    assert divide(1_000_000, []) == {}


def test_an_estimate_above_what_is_sent_says_nothing() -> None:
    limit = ViewerLimit()
    limit.reported(1_400_000, 1_000_000, 10.0)
    assert limit.cap_bps(10.0) == float("inf")


def test_a_dip_of_the_estimate_is_no_cap() -> None:
    limit = ViewerLimit()
    for now, estimate_bps in ((10.0, 850_000), (10.5, 600_000), (10.9, 600_000), (11.0, 900_000)):
        limit.reported(estimate_bps, 1_000_000, now)
    limit.reported(600_000, 1_000_000, 11.6)
    assert limit.cap_bps(11.6) == float("inf")


def test_an_estimate_that_stays_below_what_is_sent_is_a_cap_that_fades() -> None:
    limit = ViewerLimit()
    limit.reported(600_000, 1_000_000, 9.0)
    limit.reported(600_000, 1_000_000, 10.0)
    assert limit.cap_bps(10.0) == 600_000
    assert limit.cap_bps(12.0) == 600_000 * 1.5**2
    assert limit.cap_bps(1e9) > 1e12
