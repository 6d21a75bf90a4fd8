"""The crew's button to talk to the technician."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.talk import OVER_MAX, PRESS_S, SILENT_S, Button

A, B = "a" * 16, "b" * 16


def test_it_is_held_from_the_first_word_until_it_is_let_go_of() -> None:
    button = Button()
    assert not button.is_held(0.0)
    button.receive(A, True, 10.0)
    assert button.is_held(10.0)
    button.receive(A, False, 10.1)
    assert not button.is_held(10.1)


def test_silence_lets_go() -> None:
    button = Button()
    button.receive(A, True, 10.0)
    button.receive(A, True, 10.5)
    assert button.is_held(10.5 + SILENT_S - 0.01)
    assert not button.is_held(10.5 + SILENT_S)


def test_a_minute_is_the_most_and_the_same_press_opens_nothing_more() -> None:
    button, now = Button(), 0.0
    while now < PRESS_S:
        button.receive(A, True, now)
        assert button.is_held(now)
        now += 0.3
    button.receive(A, True, PRESS_S)
    assert not button.is_held(PRESS_S)
    button.receive(A, True, PRESS_S + 5)
    assert not button.is_held(PRESS_S + 5)
    button.receive(B, True, PRESS_S + 6)
    assert button.is_held(PRESS_S + 6)


def test_what_was_on_its_way_of_a_press_that_is_over_opens_nothing() -> None:
    button = Button()
    button.receive(A, False, 1.0)
    button.receive(A, True, 1.1)
    assert not button.is_held(1.1)
    button.receive(B, True, 2.0)
    button.release()
    button.receive(B, True, 2.1)
    assert not button.is_held(2.1)


def test_letting_go_of_an_older_press_leaves_the_newer_one() -> None:
    button = Button()
    button.receive(A, True, 1.0)
    button.receive(B, True, 1.1)
    button.receive(A, False, 1.2)
    button.receive(A, True, 1.3)
    assert button.is_held(1.3)
    button.receive(B, False, 1.4)
    assert not button.is_held(1.4)


def test_one_press_said_to_be_over_many_times_pushes_no_other_out() -> None:
    button = Button()
    button.receive(A, False, 1.0)
    for _ in range(OVER_MAX + 1):
        button.receive(B, False, 1.1)
    button.receive(A, True, 1.2)
    assert not button.is_held(1.2)


@given(
    st.lists(
        st.tuples(
            st.integers(0, OVER_MAX - 2), st.booleans(), st.floats(0, 3, allow_subnormal=False)
        )
    )
)
def test_it_is_never_held_without_a_recent_word_of_a_press_not_let_go_of(
    words: list[tuple[int, bool, float]],
) -> None:
    button, now = Button(), 0.0
    over: set[int] = set()
    said: dict[int, float] = {}
    for number, held, later in words:
        now += later
        if held:
            said[number] = now
        else:
            over.add(number)
        button.receive(f"{number:016x}", held, now)
        if button.is_held(now):
            assert any(now - at < SILENT_S for one, at in said.items() if one not in over)
