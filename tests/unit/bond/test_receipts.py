"""When acknowledgements go, and over how many links."""

import pytest

from edgebox.bond.links import Links
from edgebox.bond.receipts import ACK_PACKETS, ACK_S, POOR_ACK_PACKETS, POOR_ACK_S, Receipts


def receipts(*capacities_bps: float) -> Receipts:
    """Links back that carry so much."""
    links = Links()
    for link, bps in enumerate(capacities_bps):
        links.attach(link, link, 0.0).estimate.capacity_bps = bps
    return Receipts(links)


def bring(one: Receipts, count: int, now: float, link: int = 0) -> None:
    highest = one.receptions[link].highest if link in one.receptions else -1
    for number in range(highest + 1, highest + 1 + count):
        one.opened(link, number, 100, 0, now)
        one.expect(now)


def test_good_links_acknowledge_soon_and_over_two() -> None:
    one = receipts(3e6, 1e6, 1e6)
    bring(one, 1, 5.0)
    assert one.at == pytest.approx(5.0 + ACK_S)
    bring(one, ACK_PACKETS - 1, 5.001)
    assert one.at == 5.001
    assert len(one.paths(5.0)) == 2


@pytest.mark.parametrize("total_bps", [20e3, 60e3, 100e3, 200e3])
def test_poor_links_spend_a_share_on_acknowledgements(total_bps: float) -> None:
    one = receipts(total_bps / 2, total_bps / 2)
    bring(one, 1, 5.0)
    assert one.at is not None
    held_s = one.at - 5.0
    assert 0.999 * ACK_S <= held_s <= 1.001 * POOR_ACK_S
    # 89 bytes with a block of one link.
    assert 89 * 8 / held_s <= 0.151 * total_bps or held_s > 0.999 * POOR_ACK_S
    bring(one, POOR_ACK_PACKETS - 2, 5.0)
    assert one.at > 5.0
    bring(one, 1, 5.0)
    assert one.at == 5.0
    assert len(one.paths(5.0)) == 1


def test_silent_links_are_not_poor() -> None:
    one = receipts(3e6, 3e6)
    for path in one._links.paths.values():
        path.waiting_since, path.last_progress_at = 1.0, 1.0
    assert len(one.paths(5.0)) == 2


def test_blocks_are_repeated_where_there_is_room() -> None:
    for capacity_bps, again in ((3e6, 1), (50e3, 0)):
        one = receipts(capacity_bps)
        bring(one, 3, 5.0)
        assert [block.highest for block in one.blocks(5.01)] == [2]
        one.on_sent(anywhere=True)
        assert one.at is None
        assert len(one.blocks(5.05)) == again
        assert not one.blocks(5.2)


def test_what_could_not_be_sent_is_still_owed() -> None:
    one = receipts()
    bring(one, 1, 5.0)
    assert not one.paths(5.01)
    one.on_sent(anywhere=False)
    assert len(one.blocks(7.0)) == 1


def test_one_of_the_links_that_acknowledge_is_known_to_live() -> None:
    one = receipts(3e6, 3e6, 3e6)
    for link, path in one._links.paths.items():
        at, way_s = 4.9, 0.02 + 0.01 * link
        path.estimate.on_progress(at, 2 * way_s, way_s, at, 1000, 50)
        bring(one, 1, 4.99, link)
    assert [path.link for path in one.paths(5.0)] == [0, 1]
    bring(one, 1, 5.1, link=2)
    assert [path.link for path in one.paths(5.1)] == [2, 0]
    assert [path.link for path in one.paths(6.0)] == [0, 1]
