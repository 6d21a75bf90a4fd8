"""Each datagram once, in order when that costs little."""

import random

from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.release import (
    GROUP_S,
    GROUPS_MAX,
    HELD_MAX,
    HOLD_MAX_S,
    HOLD_MIN_S,
    WINDOW,
    Release,
)
from edgebox.bond.wire import WRAP, Copy, Data, Fragment, TrafficClass


def data(sequence: int, *, back: int = 1, fragment: Fragment | None = None) -> Data:
    return Data(
        0, TrafficClass.VIDEO, Copy.FIRST, sequence % WRAP, 1, back, 0, 0, 0, fragment, "",
        b"%d" % sequence,
    )  # fmt: skip


def numbers(out: list[Data]) -> list[int]:
    return [one.sequence for one in out]


def test_in_order_comes_out_at_once() -> None:
    release = Release()
    assert [numbers(release.add(data(n), 1.0)) for n in range(3)] == [[0], [1], [2]]


def test_copies_come_out_once() -> None:
    release = Release()
    assert numbers(release.add(data(0), 1.0)) == [0]
    assert release.add(data(0), 1.1) == []
    assert release.duplicates == 1


def test_gap_is_held_and_filled_in_order() -> None:
    release = Release()
    release.add(data(0), 1.0)
    assert release.add(data(3), 1.0) == []
    assert release.add(data(2), 1.001) == []
    assert numbers(release.add(data(1), 1.002)) == [1, 2, 3]


def test_gap_that_stays_is_given_up_in_time() -> None:
    release = Release()
    release.add(data(0), 1.0)
    assert release.add(data(2), 1.0) == []
    assert release.add(data(3), 1.0) == []
    until = release.next_timeout()
    assert until is not None
    assert until - 1.0 <= HOLD_MAX_S
    assert numbers(release.expire(until)) == [2, 3]
    assert release.next_timeout() is None or release.expire(2.0) == []


def test_late_datagram_still_comes_out() -> None:
    release = Release()
    release.add(data(0), 1.0)
    release.add(data(2), 1.0)
    release.expire(1.1)
    assert numbers(release.add(data(1), 1.2)) == [1]


def test_other_stream_does_not_wait() -> None:
    release = Release()
    release.add(data(0), 1.0)
    assert numbers(release.add(data(5, back=0), 1.0)) == [5]
    assert numbers(release.add(data(6, back=6), 1.0)) == [6]


def test_hold_shrinks_when_waiting_never_pays_and_grows_when_it_would() -> None:
    release = Release()
    now = 1.0
    for n in range(0, 1000, 2):
        release.add(data(n, back=2), now)
        release.add(data(n + 1000, back=1), now)
        now += 0.1
        release.expire(now)
    assert release._hold_s == HOLD_MIN_S
    release.add(data(3000, back=1), now)
    release.expire(now + 0.01)
    release.add(data(2999, back=0), now + 0.015)
    assert 0.015 < release._hold_s <= HOLD_MAX_S


def test_large_datagram_is_joined_whatever_the_order() -> None:
    release = Release()
    pieces = [data(n, back=0, fragment=Fragment(9, n, 3)) for n in range(3)]
    assert release.add(pieces[2], 1.0) == []
    assert release.add(pieces[0], 1.0) == []
    [whole] = release.add(pieces[1], 1.0)
    assert whole.payload == b"012"


def test_incomplete_datagrams_are_forgotten() -> None:
    release = Release()
    for n in range(500):
        release.add(data(n, back=0, fragment=Fragment(n, 0, 2)), 1.0)
    assert len(release._groups) <= GROUPS_MAX
    release.add(data(900, back=0, fragment=Fragment(900, 0, 2)), 1.0 + GROUP_S + 0.1)
    assert len(release._groups) == 1


def test_flood_of_gaps_is_bounded() -> None:
    release = Release()
    out = sum(len(release.add(data(n), 1.0)) for n in range(0, 4 * HELD_MAX, 2))
    assert len(release._arrived) <= HELD_MAX
    assert out > HELD_MAX // 2


def test_sequence_survives_the_wrap() -> None:
    release = Release()
    start = WRAP - 3
    release.add(data(start, back=0), 1.0)
    assert release.add(data(start + 2), 1.0) == []
    assert numbers(release.add(data(start + 1), 1.0)) == [WRAP - 2, WRAP - 1]
    assert numbers(release.add(data(start + 3), 1.0)) == [0]


@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_any_order_and_copies_give_each_once(chance: random.Random, count: int) -> None:
    release = Release()
    arrivals = [n for n in range(count) for _ in range(chance.randint(1, 3))]
    chance.shuffle(arrivals)
    out: list[int] = []
    now = 1.0
    for sequence in arrivals:
        now += chance.random() * 0.01
        out += numbers(release.expire(now))
        out += numbers(release.add(data(sequence), now))
    out += numbers(release.expire(now + 1))
    assert sorted(out) == list(range(count))


def test_older_than_the_window_is_dropped() -> None:
    release = Release()
    release.add(data(WINDOW + 10), 1.0)
    assert release.add(data(5), 1.0) == []
