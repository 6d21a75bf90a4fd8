"""Who may ask what, and how much of it: every role and every message."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.conduct import ALLOWANCES, EXCESS_MAX, Conduct, refusal
from edgebox.media.data_messages import (
    Draw,
    Erase,
    Focus,
    FromPage,
    Move,
    Point,
    Show,
    TakeStill,
    Write,
    Zoom,
)
from edgebox.messages.base import Role
from edgebox.roles import RIGHTS

MESSAGES: dict[type[FromPage], FromPage] = {
    Focus: Focus(camera="a"),
    Point: Point(camera="a", on=True, x=0.5, y=0.5),
    Draw: Draw(camera="a", stroke=1, points=((0.0, 0.0), (1.0, 1.0))),
    Erase: Erase(camera="a"),
    TakeStill: TakeStill(id=7, camera="a"),
    Zoom: Zoom(camera="a", x=0.0, y=0.0, size=0.5),
    Move: Move(camera="a", pan=1.0),
    Write: Write(camera="a", text="Litt til venstre"),
    Show: Show(camera="a", bytes=1000),
}
GUIDES = {"doctor"}
"""Written out once more, so that a change of the rights is noticed here."""


def test_the_tables_are_complete() -> None:
    assert set(MESSAGES) == set(ALLOWANCES) == set(get_args(FromPage))
    assert {role for role, rights in RIGHTS.items() if rights.guides} == GUIDES


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("role", get_args(Role))
def test_only_who_may_guide_is_obeyed(role: Role, kind: type[FromPage]) -> None:
    found = refusal(MESSAGES[kind], RIGHTS[role], ["a"], hidden=False)
    assert found == (None if role in GUIDES else "not-allowed")


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_camera_one_does_not_see_is_none(kind: type[FromPage]) -> None:
    assert refusal(MESSAGES[kind], RIGHTS["doctor"], ["b"], hidden=False) == "not-found"
    assert refusal(MESSAGES[kind], RIGHTS["doctor"], [], hidden=False) == "not-found"


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_hidden_pictures_give_no_stills(kind: type[FromPage]) -> None:
    found = refusal(MESSAGES[kind], RIGHTS["doctor"], ["a"], hidden=True)
    assert found == ("not-allowed" if kind is TakeStill else None)


@pytest.mark.parametrize("kind", ALLOWANCES, ids=lambda kind: kind.__name__)
def test_a_hand_gets_by_and_more_does_not(kind: type[FromPage]) -> None:
    per_s, burst = ALLOWANCES[kind]
    one = Conduct()
    assert [one.take(kind, 10.0) for _ in range(int(burst) + 1)] == [True] * int(burst) + [False]
    assert not one.is_flood(10.0)
    steady = Conduct()
    assert all(steady.take(kind, 10.0 + n / per_s) for n in range(500))


def test_a_flood_is_one_and_is_forgotten() -> None:
    one = Conduct()
    for n in range(2000):
        one.take(Point, 10.0 + n / 1000)
    assert one.is_flood(12.0)
    assert not one.is_flood(12.0 + 2000 / 10)
    other = Conduct()
    assert not other.is_flood(12.0)


def test_nonsense_is_soon_too_much() -> None:
    one = Conduct()
    for _ in range(10):
        one.malformed(10.0)
    assert not one.is_flood(10.0)
    one.malformed(10.0)
    assert one.is_flood(10.0)


@given(st.lists(st.floats(0, 5), max_size=300), st.sampled_from(list(ALLOWANCES)))
def test_no_pattern_gets_more_than_the_allowance(steps: list[float], kind: type[FromPage]) -> None:
    one, now, taken = Conduct(), 0.0, 0
    for step in steps:
        now += step
        taken += one.take(kind, now)
    per_s, burst = ALLOWANCES[kind]
    assert taken <= burst + now * per_s + 1
    assert not one.is_flood(now + EXCESS_MAX * 10)
