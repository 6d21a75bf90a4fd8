"""How much parity, over which link."""

import pytest

from edgebox.bond.classify import Seen
from edgebox.bond.datagram import Cover, Datagram, Frame
from edgebox.bond.links import Links
from edgebox.bond.parity import BLOCK_DATAGRAMS, ROWS_MAX, Protection
from edgebox.bond.path import Path
from edgebox.bond.wire import Parity, TrafficClass

NOW = 10.0


def links(rtt_s: float, loss: float) -> Links:
    found = Links()
    for number in range(2):
        path = found.attach(number, number, 0.0)
        for step in range(20):
            at = step * 0.01
            path.estimate.on_progress(at, rtt_s, rtt_s / 2, at, step * 10_000, 50)
        path.estimate.capacity_bps = 8e6
        path.estimate.starting = False
        path.estimate.usual_loss = loss
    return found


def frame(count: int, link: int = 0) -> Frame:
    one = Frame(1, NOW, is_whole=True)
    for place in range(count):
        datagram = Datagram(1, b"v" * 1000, Seen(TrafficClass.VIDEO, 1, place), one, NOW)
        datagram.sequence, datagram.links = 100 + place, 1 << link
        one.members.append(datagram)
    return one


class Sent:
    """Collects what Protection sends."""

    def __init__(self, on: Links):
        self.rows: list[tuple[Parity, Cover, Path]] = []
        self.protection = Protection(on, self._take)

    def _take(self, parity: Parity, cover: Cover, path: Path, now: float) -> None:
        self.rows.append((parity, cover, path))


def test_nothing_lost_no_parity() -> None:
    sent = Sent(links(0.2, 0.0))
    sent.protection.look(1e6, 0.0, NOW)
    assert not sent.protection.wanted
    sent.protection.protect(frame(12), NOW)
    assert not sent.rows


def test_where_repair_is_in_time_it_is_left_to_repair() -> None:
    sent = Sent(links(0.03, 0.02))
    sent.protection.protect(frame(12), NOW)
    assert not sent.rows


def test_long_way_gets_rows_over_the_other_link() -> None:
    sent = Sent(links(0.2, 0.02))
    sent.protection.look(1e6, 0.0, NOW)
    assert sent.protection.wanted
    sent.protection.protect(frame(12), NOW)
    # 0.24 are lost on average: one row leaves 2.4 % incomplete, two 0.2 %.
    assert [parity.row for parity, _, _ in sent.rows] == [0, 1]
    assert {path.link for _, _, path in sent.rows} == {1}
    assert sent.rows[0][0].members == (1 << 12) - 1
    assert sent.rows[0][1].missing == 12


@pytest.mark.parametrize(("loss", "rows"), [(0.0025, 1), (0.02, 2), (0.05, 3), (0.5, ROWS_MAX)])
def test_more_loss_more_rows(loss: float, rows: int) -> None:
    sent = Sent(links(0.2, loss))
    sent.protection.protect(frame(12), NOW)
    assert len(sent.rows) == rows


def test_no_room_no_parity() -> None:
    sent = Sent(links(0.2, 0.02))
    sent.protection.look(14e6, 0.0, NOW)
    assert not sent.protection.wanted
    sent.protection.look(2e6, 0.5e6, NOW)
    assert not sent.protection.wanted


def test_allowance_ends() -> None:
    sent = Sent(links(0.2, 0.05))
    for _ in range(100):
        sent.protection.protect(frame(10), NOW)
    assert 15 < len(sent.rows) < 25
    sent.protection.earn(100_000)
    sent.protection.protect(frame(10), NOW)
    assert 18 < len(sent.rows) < 30


def test_large_frame_is_protected_in_parts() -> None:
    sent = Sent(links(0.2, 0.0025))
    sent.protection.protect(frame(BLOCK_DATAGRAMS + 5), NOW)
    assert [parity.base for parity, _, _ in sent.rows] == [100, 100 + BLOCK_DATAGRAMS]


def test_rows_that_arrived_make_repair_needless() -> None:
    cover = Cover(2)
    assert not cover.is_enough
    cover.rows = 1
    assert not cover.is_enough
    cover.missing = 1
    assert cover.is_enough
