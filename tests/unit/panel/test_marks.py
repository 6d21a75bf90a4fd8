"""What remote help points at and draws."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.messages.marks import Pointing, Stroke, Wipe
from edgebox.panel.marks import EVENTS_MAX, LINES_MAX, POINTS_MAX, Mark, Marks


def stroke(number: int, *points: tuple[float, float], camera: str = "front") -> Stroke:
    return Stroke(participant="k", camera=camera, stroke=number, points=points)


def shown(marks: list[Mark]) -> dict[tuple[str, int], tuple[tuple[float, float], ...]]:
    """As a page draws them: lines by camera and number."""
    lines: dict[tuple[str, int], tuple[tuple[float, float], ...]] = {}
    for mark in marks:
        if mark.kind == "line":
            key = (mark.camera, mark.stroke)
            lines[key] = lines.get(key, ()) + mark.points
        elif mark.kind == "wipe":
            lines = {k: v for k, v in lines.items() if mark.camera and k[0] != mark.camera}
    return lines


def test_line_grows_and_is_wiped_with_its_camera_only() -> None:
    marks = Marks()
    marks.draw(stroke(1, (0.1, 0.1), (0.2, 0.2)))
    marks.draw(stroke(1, (0.3, 0.3)))
    marks.draw(stroke(2, (0.9, 0.9), camera="back"))
    assert shown(marks.since(0)) == {
        ("front", 1): ((0.1, 0.1), (0.2, 0.2), (0.3, 0.3)),
        ("back", 2): ((0.9, 0.9),),
    }
    marks.wipe(Wipe(camera="front"))
    assert shown(marks.since(0)) == {("back", 2): ((0.9, 0.9),)}
    assert shown(marks.since(-1)) == {("back", 2): ((0.9, 0.9),)}


def test_page_that_opens_late_gets_the_lines_and_no_old_pointer() -> None:
    marks = Marks()
    marks.point(Pointing(participant="k", name="K", camera="front", on=True), "K")
    marks.draw(stroke(1, (0.1, 0.1)))
    assert [mark.kind for mark in marks.since(-1)] == ["wipe", "line"]


def test_end_of_a_session_takes_all_away_once() -> None:
    marks = Marks()
    marks.draw(stroke(1, (0.1, 0.1)))
    before = marks.number
    marks.clear()
    marks.clear()
    assert [(mark.kind, mark.camera) for mark in marks.since(before)] == [("wipe", "")]


def test_lines_and_points_are_bounded() -> None:
    marks = Marks()
    for number in range(LINES_MAX + 5):
        marks.draw(stroke(number, (0.5, 0.5)))
    for _ in range(4):
        marks.draw(stroke(LINES_MAX + 5, *[(0.1, 0.1)] * 150))
    lines = shown(marks.since(-1))
    assert len(lines) == LINES_MAX
    assert len(lines[("front", LINES_MAX + 5)]) == POINTS_MAX


POINT = st.tuples(st.floats(0, 1), st.floats(0, 1))
CHANGES = st.one_of(
    st.builds(
        lambda n, camera, points: stroke(n, *points, camera=camera),
        st.integers(0, 3),
        st.sampled_from(["front", "back"]),
        st.lists(POINT, min_size=1, max_size=3),
    ),
    st.builds(Wipe, camera=st.sampled_from(["front", "back"])),
    st.none(),
)


@given(st.lists(st.tuples(CHANGES, st.booleans()), max_size=EVENTS_MAX + 40))
def test_page_that_follows_shows_what_one_that_opens_now_shows(
    changes: list[tuple[Stroke | Wipe | None, bool]],
) -> None:
    marks = Marks()
    followed: list[Mark] = []
    place = -1
    for change, look in changes:
        if isinstance(change, Stroke):
            marks.draw(change)
        elif isinstance(change, Wipe):
            marks.wipe(change)
        else:
            marks.clear()
        if look:
            followed += marks.since(place)
            place = marks.number
    followed += marks.since(place)
    assert shown(followed) == shown(marks.since(-1))
