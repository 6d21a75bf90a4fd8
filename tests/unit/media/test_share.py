"""Dividing the bits, and viewers' limits."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.share import THUMBNAIL_MAX_BPS, ViewerLimit, divide


def test_thumbnails_get_little_and_the_main_picture_the_rest() -> None:
    assert divide(2_000_000, ["a"], [], {}) == {"a": 2_000_000}
    assert divide(2_000_000, ["a"], ["b", "c"], {}) == {"a": 1_840_000, "b": 80_000, "c": 80_000}
    assert divide(400_000, ["a"], ["b", "c"], {}) == {"a": 300_000, "b": 50_000, "c": 50_000}


def test_every_copy_is_paid_for() -> None:
    two = {"a": 2, "b": 2}
    assert divide(2_000_000, ["a"], ["b"], two) == {"a": 920_000, "b": 80_000}
    assert divide(2_000_000, ["a"], ["b"], {"a": 1, "b": 0}) == {"a": 2_000_000, "b": 80_000}


def test_who_may_not_see_the_main_picture_gets_another_in_good_quality() -> None:
    assert divide(1_500_000, ["a", "b"], [], {"a": 1, "b": 1}) == {"a": 1_000_000, "b": 500_000}


names = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


@given(st.integers(0, 20_000_000), names, st.integers(1, 6), st.data())
def test_all_copies_together_keep_to_the_rate(
    rate_bps: int, cameras: list[str], mains: int, data: st.DataObject
) -> None:
    copies = {camera: data.draw(st.integers(1, 4)) for camera in cameras}
    shares = divide(rate_bps, cameras[:mains], cameras[mains:], copies)
    assert set(shares) == set(cameras)
    assert sum(shares[one] * copies[one] for one in cameras) <= rate_bps + sum(copies.values())
    assert all(shares[one] <= THUMBNAIL_MAX_BPS for one in cameras[mains:])


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
