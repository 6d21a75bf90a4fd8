"""What the panel makes of a self-test: never older, never better than it is."""

from typing import Any

import pytest
from msgspec.structs import replace

from edgebox.messages.selftest import Finding, SelfTest
from edgebox.panel.catalogue import LANGUAGES, compile_catalogue
from edgebox.panel.health import OLD_S, SHOWN_MAX, HealthView, health_view
from edgebox.panel.health_words import say_health
from edgebox.panel.words import Words

NOW = 1_795_500_000.0


def finding(grade: Any, code: str = "link.down", subject: str = "Telia") -> Finding:
    check = code.partition(".")[0]
    return Finding(check=check, grade=grade, code=code, at_utc=NOW, subject=subject)


DONE = SelfTest(
    id="t",
    state="done",
    reason="crew",
    started_utc=NOW - 4,
    finished_utc=NOW,
    grade="attention",
    findings=(finding("attention"), finding("untested", "update.x"), finding("good", "bond.x")),
)


def view(test: SelfTest | None = DONE, later_s: float = 1.0, **more: Any) -> HealthView:
    return health_view(test, NOW + later_s, **{"away": False, **more})


def said(shown: HealthView, language: str = "nb") -> dict[str, Any]:
    return say_health(shown, Words(language, compile_catalogue(language).gettext), NOW + 1)


def test_a_result_is_shown_with_its_time() -> None:
    shown = view()
    assert (shown.grade, shown.at_utc, shown.well, shown.untried) == (
        "attention",
        NOW,
        1,
        ("update",),
    )
    words = said(shown)
    assert words["look"] == "attention"
    assert words["found"][0]["text"] == "Telia: kommer ikke fram."
    assert words["found"][0]["todo"]
    assert words["short"]


@pytest.mark.parametrize(
    "shown",
    [view(None), view(later_s=OLD_S + 1), view(away=True), view(replace(DONE, finished_utc=0.0))],
    ids=["never", "old", "away", "unfinished"],
)
def test_what_holds_no_more_is_not_shown_as_a_result(shown: HealthView) -> None:
    assert shown.grade == "untested"
    assert said(shown)["look"] == "untested"
    assert said(shown)["short"] == ""


def test_while_it_runs_nothing_is_good_yet() -> None:
    shown = view(replace(DONE, state="running", grade="good", checks_done=3, checks_total=21))
    assert said(shown)["look"] == "running"
    assert said(shown)["text"] == "3 av 21 er ferdig."


def test_more_than_there_is_room_for_is_counted() -> None:
    shown = view(replace(DONE, findings=tuple(finding("fault") for _ in range(5))))
    words = said(shown)
    assert len(words["found"]) == SHOWN_MAX
    assert "2" in words["rest"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_services_have_names_people_know(language: str) -> None:
    words = said(
        view(replace(DONE, findings=(finding("fault", "service.stopped", "bond"),))), language
    )
    assert "bond" not in words["found"][0]["text"]
