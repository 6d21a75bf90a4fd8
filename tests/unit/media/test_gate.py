"""Large pictures are spread over time where bits are scarce."""

import asyncio
import struct

from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.gate import BURST_S, HEADROOM, SPREAD_BELOW_BPS, Gate, Spread

OURS = 77


def packet(picture: int, source: int = OURS, kind: int = 100, size: int = 1100) -> bytes:
    return struct.pack("!BBHII", 0x80, kind, 1, picture, source).ljust(size, b"\0")


def test_where_there_is_room_nothing_waits() -> None:
    one = Spread()
    assert [one.wait_s(1100, SPREAD_BELOW_BPS, 5.0) for _ in range(100)] == [0.0] * 100
    assert one.wait_s(1100, 0, 5.0) == 0.0


def test_a_keyframe_takes_as_long_as_its_bits() -> None:
    one = Spread()
    waits = [one.wait_s(1000, 80_000, 10.0) for _ in range(13)]
    assert waits[0] == 0.0
    assert waits == sorted(waits)
    assert abs(waits[-1] - (12 * 8000 / (80_000 * HEADROOM) - BURST_S)) < 1e-9
    assert one.wait_s(1000, 80_000, 30.0) == 0.0, "and then it is over"


def test_a_pause_lets_go_what_is_under_way_as_before() -> None:
    one = Spread()
    for _ in range(5):
        one.wait_s(1000, 80_000, 10.0)
    assert one.wait_s(1000, 0, 10.0) > 0.3


@given(st.lists(st.tuples(st.integers(20, 1300), st.floats(0, 0.2)), min_size=1, max_size=100))
def test_no_more_than_the_rate_and_a_burst_leaves(packets: list[tuple[int, float]]) -> None:
    one, now, left = Spread(), 0.0, []
    for size, pause_s in packets:
        now += pause_s
        wait_s = one.wait_s(size, 100_000, now)
        now += wait_s
        left.append((now, size))
    for start in range(0, len(left), 7):
        first_at = left[start][0]
        bits = sum(size * 8 for at, size in left[start:])
        allowed = (left[-1][0] - first_at + BURST_S) * 100_000 * HEADROOM + 2 * 1300 * 8
        assert bits <= allowed


async def test_sound_and_reports_do_not_wait() -> None:
    gate = Gate(lambda: 10_000)
    gate.pictures = {OURS}
    async with asyncio.timeout(0.5):
        assert await gate.passes(packet(1))
        for _ in range(200):
            assert await gate.passes(packet(1, source=5))
            assert await gate.passes(packet(1, kind=200))
            assert await gate.passes(b"short")


async def test_hidden_pictures_stop_in_the_middle() -> None:
    gate = Gate(lambda: 100_000)
    gate.pictures = {OURS}
    assert await gate.passes(packet(1))
    waiting = [asyncio.ensure_future(gate.passes(packet(1))) for _ in range(3)]
    await asyncio.sleep(0)
    gate.flush([OURS + 1])
    gate.flush([OURS])
    assert [await one for one in waiting] == [False] * 3
    assert await gate.passes(packet(2)), "the next picture is another"
    gate.close()
    assert not await gate.passes(packet(3))
    assert not await gate.passes(packet(1, source=5)), "sent again, or sound"
    assert await gate.passes(packet(1, kind=200)), "a report"
