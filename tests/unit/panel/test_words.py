"""Every sentence exists in every language, is used, and no language stands in the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from babel.messages.pofile import read_po

import edgebox.panel as package
from edgebox.messages import Fault, Role
from edgebox.panel import view as views
from edgebox.panel.app import SAID_CODES
from edgebox.panel.catalogue import DIRECTORY, LANGUAGES, compile_catalogue
from edgebox.panel.words import OWN_REASONS, PAGE_STRINGS, Words, say_fault, say_view
from tests.unit.panel.heard import (
    UTC,
    Heard,
    bond,
    camera,
    invite,
    link,
    live,
    media,
    participant,
    room,
    watcher,
)

SOURCES = Path(package.__file__).parent
VALUES = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


def catalogue(language: str) -> dict[str, str]:
    with (DIRECTORY / language / "panel.po").open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file, locale=language) if m.id}


def choices(kind: object) -> tuple[str, ...]:
    assert get_origin(kind) is Literal
    return get_args(kind)


def names_in_code() -> Iterator[str]:
    """Every name the panel can ask for, those made from states included."""
    for path in SOURCES.rglob("*.html"):
        yield from re.findall(r"_\('([a-z.-]+)'\)", path.read_text())
    for path in SOURCES.glob("*.py"):
        yield from re.findall(r"say\(\s*\"([a-z.-]+)\"", path.read_text())
    yield from PAGE_STRINGS
    for headline in choices(views.Headline):
        yield from (f"headline.{headline}", f"headline.{headline}.detail")
    for code in choices(views.NoticeCode):
        yield f"notice.{code}"
        if not code.startswith("camera-") or code == "camera-starting":
            yield f"notice.{code}.todo"
    yield from (f"todo.{kind}" for kind in choices(views.CameraKind))
    yield from (f"quality.{one}" for one in choices(views.Quality) if one != "none")
    yield from (f"link.{state}" for state in choices(views.LinkState))
    yield from (f"role.{role}" for role in get_args(Role))
    yield from ("camera.absent", "camera.failed", "camera.unknown")
    yield from ("camera.main", "camera.make-main", "camera.sent", "camera.on")
    yield from ("person.connecting", "person.lost", "person.away")
    yield from (f"invite.{state}" for state in choices(views.InviteState))
    yield "invite.used-unnamed"
    yield from ("waiting.unknown-idle", "waiting.unknown-live", "waiting.here", "waiting.nobody")
    yield from (f"part.video.{truth}" for truth in choices(views.Truth) if truth != "known")
    yield from (f"part.links.{state}" for state in choices(views.BondState) if state != "up")
    yield from (f"part.hub.{state}" for state in choices(views.HubState))
    reasons = get_args(Fault.__annotations__["reason"])
    yield from (f"reason.{reason}" for reason in (*reasons, *OWN_REASONS.values()))
    yield from (f"failed.{what}" for what in ("start", "stop", "camera", "invite"))
    yield from (f"error.{code}" for code in (*SAID_CODES, 500))


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_every_name_and_no_other(language: str) -> None:
    names, used = catalogue(language), set(names_in_code())
    assert used - set(names) == set(), "asked for and not there"
    assert set(names) - used == set(), "there and never asked for"
    assert all(names.values())


def test_languages_fill_in_the_same_values() -> None:
    first, *others = (catalogue(language) for language in LANGUAGES)
    for other in others:
        assert first.keys() == other.keys()
        for name, sentence in first.items():
            assert set(VALUES.findall(sentence)) == set(VALUES.findall(other[name])), name


def test_templates_hold_no_words() -> None:
    for path in SOURCES.rglob("*.html"):
        text = re.sub(r"{[{%].*?[%}]}|<[^>]*>", "", path.read_text(), flags=re.DOTALL)
        assert not text.strip(), path
        for label in re.findall(r'(?:aria-label|alt|title)="([^"]*)"', path.read_text()):
            assert label.startswith("{{"), path


def words(language: str = "nb") -> Words:
    return Words(language, compile_catalogue(language).gettext)


def scenes() -> Iterator[Heard]:
    """One of each: nothing may fail to be said."""
    yield Heard(connected=False)
    yield Heard()
    heard = Heard().whole()
    yield heard
    people = (watcher("Kari"), watcher("", "observer", "lost"))
    heard.hear(live(watchers=people), room(participant("Ola", "technician")))
    yield heard
    heard.hear(live(cameras=(camera("front", "absent"), camera("back", "failed", kind="rtsp"))))
    yield heard
    heard.hear(live("front"), bond(link("a", state="down"), state="down"))
    heard.state.receive_bridge(up=False, now_utc=UTC)
    heard.now = 60.0
    yield heard
    heard.hear(media("stopped"))
    yield heard
    for role in ("doctor", "observer"):
        heard = Heard().whole()
        heard.state.receive_invite(invite(role), "s1")
        yield heard
        heard.hear(room(participant("Kari" if role == "doctor" else "", role)))
        yield heard


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_view_can_be_said(language: str) -> None:
    for heard in scenes():
        said = repr(say_view(heard.view(), words(language), heard.utc))
        assert "%(" not in said
        assert not re.search(r"'[a-z]+\.[a-z-]+'", said), "a name instead of its sentence"


def test_notices_beyond_the_screen_are_counted() -> None:
    heard = Heard().whole()
    cameras = tuple(camera(f"c{i}", "absent") for i in range(5))
    heard.hear(live(cameras=cameras))
    notices = say_view(heard.view(), words(), UTC)["notices"]
    assert [n["text"] for n in notices] == [
        "Kameraet «C0» mangler",
        "Kameraet «C1» mangler",
        "… og 3 ting til",
    ]


def test_fault_is_a_sentence_made_from_its_reason() -> None:
    fault = Fault(reason="timeout", text="no answer within 5 s")
    assert say_fault(fault, "start", words()) == (
        "Videoen startet ikke. Det kom ikke noe svar. Prøv igjen."
    )


def test_clock_shows_the_date_when_it_was_not_today() -> None:
    say = words()
    assert re.fullmatch(r"\d\d:\d\d", say.clock(UTC, UTC))
    assert not re.fullmatch(r"\d\d:\d\d", say.clock(UTC - 3 * 86_400, UTC))


def test_rates_follow_the_language() -> None:
    assert words("nb").megabits(2_600_000) == "2,6"
    assert words("en").megabits(2_600_000) == "2.6"
    assert words("en").megabits(23_000_000) == "23"
