"""The map of arrivals that acknowledgements carry."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.reception import Reception


@given(st.lists(st.integers(0, 300), min_size=1, unique=True))
def test_map_names_exactly_what_arrived(arrivals: list[int]) -> None:
    one = Reception(2)
    for number in arrivals:
        one.add(number, 100, number)
    ack = one.ack()
    highest = max(arrivals)
    named = {highest} | {highest - 1 - bit for bit in range(64) if ack.bitmap >> bit & 1}
    # What came more than 64 behind the newest of its time is not in the map.
    assert named <= set(arrivals)
    assert all(number in named for number in _within_reach(arrivals))
    assert (ack.link, ack.highest, ack.bytes_total) == (2, highest, 100 * len(arrivals))
    assert ack.received_us == highest


def _within_reach(arrivals: list[int]) -> list[int]:
    highest, reached = -1, []
    for number in arrivals:
        if number > highest - 65:
            reached.append(number)
        highest = max(highest, number)
    return [number for number in reached if number >= highest - 64]
