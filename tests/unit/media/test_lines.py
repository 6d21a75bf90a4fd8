"""Lines on pictures: kept for who comes later, within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.lines import LINES_MAX, POINTS_MAX, Lines

P = (0.5, 0.5)


def test_more_points_of_a_line_join_it() -> None:
    lines = Lines()
    assert lines.draw("a", "p", 1, [P])
    assert lines.draw("a", "q", 1, [P])
    assert lines.draw("a", "p", 1, [P, P])
    assert lines.on("a") == [("p", 1, (P, P, P)), ("q", 1, (P,))]
    assert lines.on("b") == []


def test_erasing_one_camera_leaves_the_others() -> None:
    lines = Lines()
    lines.draw("a", "p", 1, [P])
    lines.draw("b", "p", 1, [P])
    assert lines.erase("a")
    assert not lines.erase("a")
    assert lines.cameras == {"b"}


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 200)), max_size=400))
def test_nobody_can_fill_the_memory(strokes: list[tuple[int, int]]) -> None:
    lines = Lines()
    for stroke, count in strokes:
        lines.draw("a", "p", stroke, [P] * count)
    kept = lines.on("a")
    assert len(kept) <= LINES_MAX
    assert sum(len(points) for _, _, points in kept) <= POINTS_MAX


def test_what_was_erased_makes_room() -> None:
    lines = Lines()
    for stroke in range(LINES_MAX):
        assert lines.draw("a", "p", stroke, [P])
    assert not lines.draw("a", "p", LINES_MAX, [P])
    lines.erase("a")
    assert lines.draw("a", "p", LINES_MAX, [P])
