"""Every sentence exists in every language, is used, and no language stands in the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from babel.messages.pofile import read_po

import edgebox.panel as package
from edgebox.messages.base import Fault, Role
from edgebox.messages.session import Sending
from edgebox.messages.update import State
from edgebox.messages.vehicle import Modems
from edgebox.messages.vitals import MonitorStatus
from edgebox.observation import VALIDITIES
from edgebox.panel import view as views
from edgebox.panel.app import SAID_CODES
from edgebox.panel.catalogue import LANGUAGES, compile_catalogue, files
from edgebox.panel.people_words import say_rights
from edgebox.panel.update_words import SAME_AS
from edgebox.panel.words import (
    OWN_REASONS,
    PAGE_STRINGS,
    SAY_THEMSELVES,
    Words,
    say_fault,
    say_view,
)
from edgebox.roles import RIGHTS
from edgebox.vitals.nomenclature import BY_NAME
from tests.unit.panel import headset_names, health_names, support_names
from tests.unit.panel.heard import (
    UTC,
    Heard,
    admitted,
    bond,
    camera,
    idle,
    invite,
    link,
    live,
    media,
    modem,
    participant,
    room,
    sound,
    watcher,
)

SOURCES = Path(package.__file__).parent
VALUES = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


def catalogue(language: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in files(language):
        with path.open("rb") as file:
            read = {str(m.id): str(m.string) for m in read_po(file, locale=language) if m.id}
        assert not read.keys() & found.keys(), f"{path} says again what another says"
        found |= read
    return found


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
        yield f"headline.{headline}"
        if headline not in SAY_THEMSELVES:
            yield f"headline.{headline}.detail"
    for code in choices(views.NoticeCode):
        yield f"notice.{code}"
        if not code.startswith("camera-") or code == "camera-starting":
            yield f"notice.{code}.todo"
    yield from (f"todo.{kind}" for kind in choices(views.CameraKind))
    yield from (f"level.{one}" for one in choices(views.Level) if one != "nothing")
    yield from (f"why.{one}" for one in choices(views.Reason) if one)
    yield from (f"gets.{one}" for one in ("both", "sees", "hears", "neither", "coming", "more"))
    yield from (f"now.{one}" for one in ("sees", "hears", "speaks", "silenced", "nothing"))
    yield from (f"theme.{one}" for one in ("auto", "day", "night"))
    yield from re.findall(r"\"(rights\.[a-z-]+)\"", (SOURCES / "people_words.py").read_text())
    yield from ("mute.on", "mute.off", "mute.broken", "hide.hide", "hide.show")
    yield from ("people.silence", "people.unsilence", "start.guests", "start.nobody")
    yield from (f"link.{state}" for state in choices(views.LinkState))
    yield from (f"role.{role}" for role in get_args(Role))
    yield from ("camera.absent", "camera.failed", "camera.unknown")
    yield from ("camera.main", "camera.make-main", "camera.sent", "camera.on")
    yield from ("person.connecting", "person.lost", "person.away", "person.unknown")
    yield from (f"invite.{state}" for state in choices(views.InviteState))
    yield "invite.used-unnamed"
    yield from ("waiting.unknown-idle", "waiting.unknown-live", "waiting.here", "waiting.nobody")
    yield from (f"part.video.{truth}" for truth in choices(views.Truth) if truth != "known")
    yield from (f"part.links.{state}" for state in choices(views.BondState) if state != "up")
    yield from (f"part.hub.{state}" for state in choices(views.HubState))
    reasons = get_args(Fault.__annotations__["reason"])
    yield from (f"reason.{reason}" for reason in (*reasons, *OWN_REASONS.values()))
    calls = (SOURCES / "calls.py").read_text() + (SOURCES / "invitation.py").read_text()
    whats = re.findall(r"(?:_answer|say_fault)\(.*, \"([a-z-]+)\"", calls)
    assert len(whats) == 10
    yield from (f"failed.{what}" for what in whats)
    states = choices(MonitorStatus.__annotations__["state"])
    yield from (f"monitor.{one}" for one in states if one != "connected")
    yield from (f"validity.{one}" for one in VALIDITIES)
    yield from ("vitals.clock-ahead", "vitals.clock-behind")
    stores = ("filling", "dropping-waves", "dropping-values", "failed")
    yield from (f"vitals.store.{one}" for one in stores)
    yield from (f"error.{code}" for code in (*SAID_CODES, 500))
    yield from health_names.names()
    yield from support_names.names()
    yield from headset_names.names()
    yield "update.version"
    said = set(get_args(State)) - set(SAME_AS) - {"unsupported"}
    yield from (f"update.{state}" for state in said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_every_name_and_no_other(language: str) -> None:
    names, used = catalogue(language), set(names_in_code())
    # Measurements without a name here are called as the monitor calls them.
    measured = {f"vital.{one}" for one in BY_NAME}
    used |= measured & set(names)
    # What is not said for one finding is said for its grade.
    used |= {f"{one}.todo" for one in used if one.startswith("finding.")} & set(names)
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
    for level in choices(views.Level):
        for reason in choices(views.Reason):
            sending = Sending(level=level, reason=reason)  # type: ignore[arg-type]  # of literals
            heard.hear(live(sending=sending, watchers=people))
            yield heard
    for cabin in (sound(muted=True), sound("absent", "failed"), sound("none", "none")):
        heard.hear(live(sound=cabin, watchers=people, focus_by="Kari", hidden=cabin.muted))
        yield heard
    heard.state.receive_modems(Modems(modems=(modem(), modem(state="locked"))))
    yield heard
    heard.hear(idle(admitted=(admitted("Kari"), admitted(""))))
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
        text = repr(said(heard, language))
        assert "%(" not in text
        assert not re.search(r"'[a-z]+\.[a-z-]+'", text), "a name instead of its sentence"


def said(heard: Heard, language: str = "nb") -> dict[str, Any]:
    return say_view(heard.view(), words(language), heard.utc)


def test_banner_groups_people_by_what_they_get_now() -> None:
    heard = Heard().whole()
    people = (
        watcher("Kari"),
        watcher("Ola", "interpreter"),
        watcher("Helikopter", "pilot"),
        watcher("Per", "observer"),
        watcher("Siv", sees=(), hears=False),
        watcher("Ida", state="lost"),
    )
    heard.hear(live(watchers=people, admitted=(admitted("Away"),)))
    groups = said(heard)["groups"]
    assert [(one["title"], [each["name"] for each in one["people"]]) for one in groups] == [
        ("Ser og hører:", ["Kari", "Per"]),
        ("Ser:", ["Helikopter"]),
        ("Hører:", ["Ola"]),
        ("Uten bilde og lyd herfra:", ["Siv"]),
        ("Kobles til:", []),
    ]
    assert [one["more"] for one in groups] == ["", "", "", "", "og 1 til"]


def test_nobody_is_said_to_see_while_no_link_carries_anything() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari"),)))
    assert [one["kind"] for one in said(heard)["groups"]] == ["both"]
    heard.hear(bond(link("a", state="down"), state="down"))
    assert [one["kind"] for one in said(heard)["groups"]] == ["coming"]


def test_start_names_who_will_see_and_hear() -> None:
    heard = Heard().whole()
    assert said(heard)["startText"] == "Ingen ser eller hører før du slipper dem inn."
    heard.hear(room(participant("Kari")))
    assert said(heard)["startText"] == "Venter på å slippes inn: Kari (lege)"
    assert said(heard)["waitingTitle"] == "Vil inn: Kari (lege)"
    heard.hear(idle(admitted=(admitted("Kari"), admitted("Ola", "interpreter"))))
    heard.hear(room(participant("Kari"), participant("Ola", "interpreter")))
    assert said(heard)["startText"] == "Får se eller høre: Kari (lege), Ola (tolk)"


def test_level_is_said_with_its_reason_only_while_anything_comes_through() -> None:
    heard = Heard().whole()
    low = Sending(level="stills", reason="capacity")
    heard.hear(live(watchers=(watcher("Kari"),), sending=low))
    state = said(heard)
    assert (state["levelText"], state["why"]) == (
        "Stillbilder og lyd",
        "fordi dekningen er svak",
    )
    heard.hear(bond(link("a", state="down"), state="down"))
    state = said(heard)
    assert (state["sending"], state["levelText"], state["why"]) == (
        "Ingen bilder kommer fram akkurat nå.",
        "",
        "",
    )


def test_main_picture_says_who_chose_it() -> None:
    heard = Heard().whole()
    heard.hear(live(watchers=(watcher("Kari"),), focus_by="Kari"))
    assert said(heard)["why"] == "Hovedbilde valgt av Kari"


def test_nothing_is_called_sent_that_nobody_gets() -> None:
    heard = Heard().whole()
    heard.hear(live())
    assert said(heard)["sending"] == "Klart, men ingen ser: Front, Back"
    heard.hear(live(watchers=(watcher("Kari"),)))
    assert said(heard)["sending"] == "Sendes nå: Front, Back"


def test_what_a_role_gets_is_made_from_its_rights() -> None:
    say = words().say
    assert say_rights(RIGHTS["pilot"], say) == "Får: bare bilder utenfra, hvor bilen er."
    assert say_rights(RIGHTS["interpreter"], say) == "Får: lyden fra bilen. Kan: snakke."
    assert say_rights(RIGHTS["technician"], say) == "Får verken bilde eller lyd."
    assert "alle bilder, lyden fra bilen, pasientens målinger" in say_rights(RIGHTS["doctor"], say)
    assert "pasientens målinger" in say_rights(RIGHTS["observer"], say)


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


def test_scripts_hold_no_words() -> None:
    """What a script says comes from the page; class lists and commands have no capital or dot."""
    for path in SOURCES.rglob("*.js"):
        code = re.sub(r"^\s*(//|/\*\*|\*).*$", "", path.read_text(), flags=re.MULTILINE)
        sentences = re.findall(r"[\"'`]([A-ZÆØÅ][a-zæøå]+ [^\"'`]*)[\"'`]", code)
        assert not [one for one in sentences if not one.startswith("WHEP")], path
