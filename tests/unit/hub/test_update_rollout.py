"""Who gets a release, how boxes are counted, and when it stops by itself."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgebox.hub import language
from edgebox.hub.update_files import Published
from edgebox.hub.update_rollout import (
    GROUPS,
    Group,
    Report,
    Rollout,
    figures,
    is_for,
    must_stop,
    offered,
)
from edgebox.messages.update import Reason, UpdateStatus

SHA = "ab" * 32
BOXES = [f"box-{number}" for number in range(400)]
ROLLOUT = Rollout(sha256=SHA, share=100)


def published(version: str, sha256: str = SHA, compatible: str = "m") -> Published:
    return Published(
        sha256=sha256, version=version, compatible=compatible, size_bytes=1, published_utc=0.0
    )


STATUS = UpdateStatus(version="1.0.0", state="current", since_utc=0.0, compatible="m")


@given(st.integers(0, 100), st.integers(0, 100), st.sampled_from(BOXES))
def test_a_larger_share_only_adds_boxes(one: int, other: int, box: str) -> None:
    small, large = sorted((one, other))
    if is_for(replace(ROLLOUT, share=small), box):
        assert is_for(replace(ROLLOUT, share=large), box)


def test_a_share_is_about_that_share_and_not_the_same_boxes_each_time() -> None:
    chosen = {box for box in BOXES if is_for(replace(ROLLOUT, share=25), box)}
    assert 60 <= len(chosen) <= 140
    next_one = replace(ROLLOUT, share=25, sha256="cd" * 32)
    assert chosen != {box for box in BOXES if is_for(next_one, box)}
    assert not any(is_for(replace(ROLLOUT, share=0), box) for box in BOXES)
    assert all(is_for(ROLLOUT, box) for box in BOXES)
    assert is_for(replace(ROLLOUT, share=0, first=("box-7",)), "box-7")


def test_the_newest_that_fits_and_was_not_stopped() -> None:
    other = "cd" * 32
    both = [published("1.2.0"), published("1.10.0", other), published("9.0.0", "ef" * 32, "pump")]
    rollouts = {SHA: ROLLOUT, other: replace(ROLLOUT, sha256=other)}
    rollouts["ef" * 32] = replace(ROLLOUT, sha256="ef" * 32)
    found = offered("box-1", STATUS, both, rollouts)
    assert found is not None
    assert found.version == "1.10.0"
    rollouts[other] = replace(rollouts[other], stopped="boxes")
    found = offered("box-1", STATUS, both, rollouts)
    assert found is not None
    assert found.version == "1.2.0"
    assert offered("box-1", STATUS, both, {}) is None, "published is not offered"
    assert offered("box-1", replace(STATUS, compatible=""), both, rollouts) is None


def counted(good: int, fell_back: int, failed: int) -> dict[Group, int]:
    return {**dict.fromkeys(GROUPS, 0), "good": good, "fell-back": fell_back, "failed": failed}


@pytest.mark.parametrize(
    ("good", "fell_back", "failed", "stops"),
    [
        (0, 0, 0, False),
        (0, 1, 0, True),
        (9, 0, 1, True),
        (10, 1, 0, False),
        (10, 1, 1, True),
        (95, 9, 0, False),
        (95, 10, 0, True),
    ],
)
def test_it_stops_when_boxes_fall_back(good: int, fell_back: int, failed: int, stops: bool) -> None:
    assert must_stop(counted(good, fell_back, failed)) is stops


def test_what_is_counted() -> None:
    reports = {
        "box-1": Report(state="good"),
        "box-2": Report(state="fell-back", turn=1),
        "box-3": Report(state="refused", turn=1),
        "box-4": Report(state="trying", turn=1),
        "box-5": Report(state="checking", turn=1),
        "box-6": Report(state="waiting", turn=1),
    }
    boxes = [f"box-{number}" for number in range(1, 11)]
    found = figures(ROLLOUT, boxes, reports)
    assert found == {
        "waiting": 5,
        "downloading": 1,
        "installed": 1,
        "good": 1,
        "fell-back": 1,
        "failed": 1,
    }
    once_more = figures(replace(ROLLOUT, turn=2), boxes, reports)
    assert (once_more["fell-back"], once_more["failed"], once_more["waiting"]) == (0, 0, 7)
    stopped = figures(replace(ROLLOUT, stopped="staff"), boxes, reports)
    assert (stopped["waiting"], stopped["good"]) == (0, 1)


@pytest.mark.parametrize("chosen", language.LANGUAGES)
def test_everything_a_box_can_say_has_words(chosen: str) -> None:
    texts = language.catalogue(chosen)
    assert all(texts[f"update.group.{one}"] for one in GROUPS)
    assert all(texts[f"update.why.{one}"] for one in get_args(Reason) if one)
