"""Viewers whose own connections differ."""

import math

from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.fairness import (
    HELD_DOWN_MOST,
    SINGLE_EVERY_S,
    TRY_AGAIN_S,
    Fairness,
    Line,
    Terms,
    single_every_s,
)

FREE = math.inf


def terms(each_bps: float, now: float = 0.0, **caps: float) -> Terms:
    lines = {name: Line(cap_bps, guides=True) for name, cap_bps in caps.items()}
    return Fairness().update(lines, each_bps, now)


def test_nobody_limits_anybody_while_all_can_take_it() -> None:
    assert terms(1_000_000, a=FREE, b=FREE) == Terms(FREE, frozenset())
    assert terms(1_000_000) == Terms(FREE, frozenset())


def test_one_alone_sets_the_rate() -> None:
    assert terms(1_000_000, a=100_000) == Terms(100_000, frozenset())


def test_a_little_slower_is_followed_and_much_slower_gets_single_pictures() -> None:
    assert terms(1_000_000, a=FREE, b=600_000) == Terms(600_000, frozenset())
    assert terms(1_000_000, a=FREE, b=400_000) == Terms(FREE, frozenset("b"))
    assert terms(1_000_000, a=700_000, b=100_000) == Terms(700_000, frozenset("b"))


def test_what_the_links_do_not_carry_makes_nobody_slow() -> None:
    assert terms(150_000, a=FREE, b=100_000) == Terms(100_000, frozenset())


def test_an_observers_fast_line_takes_nothing_from_the_doctor() -> None:
    lines = {"doctor": Line(300_000, guides=True), "observer": Line(FREE, guides=False)}
    assert Fairness().update(lines, 2_000_000, 0.0) == Terms(300_000, frozenset())
    lines = {"doctor": Line(FREE, guides=True), "observer": Line(300_000, guides=False)}
    assert Fairness().update(lines, 2_000_000, 0.0) == Terms(FREE, frozenset({"observer"}))


def test_who_was_slow_is_tried_again_and_less_often_each_time() -> None:
    fairness = Fairness()
    bad = {"a": Line(FREE, guides=True), "b": Line(200_000, guides=True)}
    good = bad | {"b": Line(FREE, guides=True)}
    assert fairness.update(bad, 1_000_000, 0.0).slow == {"b"}
    assert fairness.update(good, 1_000_000, TRY_AGAIN_S - 0.1).slow == {"b"}
    assert fairness.update(good, 1_000_000, TRY_AGAIN_S).slow == frozenset()
    assert fairness.update(bad, 1_000_000, 7.0).slow == {"b"}
    assert fairness.update(good, 1_000_000, 7.0 + 2 * TRY_AGAIN_S - 0.1).slow == {"b"}
    assert fairness.update(good, 1_000_000, 7.0 + 2 * TRY_AGAIN_S).slow == frozenset()
    # Long after, it is an accident again.
    assert fairness.update(bad, 1_000_000, 60.0).slow == {"b"}
    assert fairness.update(good, 1_000_000, 60.0 + TRY_AGAIN_S).slow == frozenset()


def test_the_last_one_left_is_not_slow() -> None:
    fairness = Fairness()
    bad = {"a": Line(FREE, guides=True), "b": Line(200_000, guides=True)}
    assert fairness.update(bad, 1_000_000, 0.0).slow == {"b"}
    assert fairness.update({"b": bad["b"]}, 1_000_000, 1.0) == Terms(200_000, frozenset())


def test_single_pictures_leave_room_for_sound() -> None:
    assert single_every_s(100_000, FREE) == SINGLE_EVERY_S
    assert single_every_s(400_000, 100_000) == 8.0


@given(
    st.lists(st.tuples(st.floats(1, 1e8), st.booleans()), min_size=1, max_size=8),
    st.floats(1, 1e8),
)
def test_somebody_always_gets_all_and_nobody_drags_those_below_half(
    people: list[tuple[float, bool]], each_bps: float
) -> None:
    lines = {str(n): Line(cap, guides) for n, (cap, guides) in enumerate(people)}
    result = Fairness().update(lines, each_bps, 0.0)
    assert result.slow < lines.keys()
    measure = [cap for cap, guides in people if guides] or [cap for cap, _ in people]
    assert result.each_bps >= min(each_bps, max(measure)) * HELD_DOWN_MOST
