"""What priority, price and cap mean for a link."""

import pytest

from edgebox.bond.allowance import REST_S, Allowance, Standing, is_used_up
from edgebox.bond.path import Use

ENOUGH = 3e6
BUSY = 9e6
GB = 1_000_000_000


def link(
    priority: int = 1, price: float = 0.0, used: float = 0.0, cap: int = 0,
    alive: bool = True, limit: float | None = None,
) -> Standing:  # fmt: skip
    """`used`: share of a cap of 1 GB, if there is a cap."""
    return Standing(priority, price, round(used * cap), cap, alive, limit)


def decide(*links: Standing) -> list[Use]:
    return Allowance(ENOUGH).decide(links, BUSY, 1.0)


def test_links_of_one_kind_are_used_together() -> None:
    assert decide(link(), link(limit=1e5), link(alive=False)) == [Use.ORDINARY] * 3


def test_later_priority_and_higher_price_are_spared() -> None:
    assert decide(link(2), link(1)) == [Use.RESERVE, Use.ORDINARY]
    assert decide(link(price=5.0), link(price=1.0)) == [Use.RESERVE, Use.ORDINARY]
    assert decide(link(1, price=50.0), link(2)) == [Use.ORDINARY, Use.RESERVE]


def test_reserve_helps_when_those_before_are_proved_too_weak() -> None:
    assert decide(link(limit=2e6), link(2)) == [Use.ORDINARY, Use.ORDINARY]
    assert decide(link(limit=3.5e6), link(2)) == [Use.ORDINARY, Use.RESERVE]
    assert decide(link(limit=None), link(2)) == [Use.ORDINARY, Use.RESERVE]


def test_weak_links_that_traffic_does_not_fill_suffice() -> None:
    weak, reserve = link(limit=2e6), link(2)
    assert Allowance(ENOUGH).decide((weak, reserve), 1.0e6, 1.0)[1] is Use.RESERVE
    assert Allowance(ENOUGH).decide((weak, reserve), 1.7e6, 1.0)[1] is Use.ORDINARY


def test_ranks_come_in_one_by_one() -> None:
    weak, second, third = link(limit=1e6), link(2, limit=2.5e6), link(3)
    assert decide(weak, second, third) == [Use.ORDINARY, Use.ORDINARY, Use.RESERVE]


def test_reserve_helps_at_once_when_those_before_fail() -> None:
    assert decide(link(alive=False, limit=9e6), link(2))[1] is Use.ORDINARY


def test_reserve_in_use_rests_only_after_a_while_of_plenty() -> None:
    allowance = Allowance(ENOUGH)
    assert allowance.decide((link(limit=1e6), link(2)), BUSY, 1.0)[1] is Use.ORDINARY
    assert allowance.decide((link(limit=3.1e6), link(2)), BUSY, 50.0)[1] is Use.ORDINARY
    plenty = (link(limit=4e6), link(2))
    assert allowance.decide(plenty, BUSY, 60.0)[1] is Use.ORDINARY
    assert allowance.decide(plenty, BUSY, 60.0 + REST_S - 1)[1] is Use.ORDINARY
    assert allowance.decide(plenty, BUSY, 60.0 + REST_S)[1] is Use.RESERVE


def test_plenty_that_was_interrupted_does_not_count() -> None:
    allowance = Allowance(ENOUGH)
    allowance.decide((link(limit=1e6), link(2)), BUSY, 1.0)
    allowance.decide((link(limit=4e6), link(2)), BUSY, 2.0)
    allowance.decide((link(limit=1e6), link(2)), BUSY, 8.0)
    assert allowance.decide((link(limit=4e6), link(2)), BUSY, 13.0)[1] is Use.ORDINARY


@pytest.mark.parametrize(
    ("used", "use"),
    [
        (0.5, Use.ORDINARY),
        (0.899, Use.ORDINARY),
        (0.90, Use.RESERVE),
        (0.979, Use.RESERVE),
        (0.98, Use.LAST),
        (0.99, Use.CLOSED),
        (1.0, Use.CLOSED),
        (7.0, Use.CLOSED),
    ],
)
def test_link_gives_way_as_its_cap_comes_near(used: float, use: Use) -> None:
    capped = link(used=used, cap=100_000_000)
    assert decide(capped, link())[0] is use


def test_nearly_used_up_comes_after_a_later_priority() -> None:
    assert decide(link(1, used=0.95, cap=GB), link(2)) == [Use.RESERVE, Use.ORDINARY]


def test_link_of_last_resort_does_not_keep_others_waiting() -> None:
    assert decide(link(1, used=0.985, cap=GB), link(2)) == [Use.LAST, Use.ORDINARY]


def test_alone_it_is_used_until_the_cap_and_not_beyond() -> None:
    assert decide(link(used=0.95, cap=GB)) == [Use.ORDINARY]
    assert decide(link(used=0.985, cap=GB)) == [Use.LAST]
    assert decide(link(used=0.9999, cap=GB)) == [Use.CLOSED]


def test_room_at_the_end_of_a_cap_is_bounded() -> None:
    assert is_used_up(100 * GB - 1_000_000, 100 * GB)
    assert not is_used_up(100 * GB - 3_000_000, 100 * GB)
    assert not is_used_up(123, 0)
