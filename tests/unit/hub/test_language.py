"""Catalogues and the choice between them."""

import re
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import fields

import edgebox.hub
from edgebox.hub import language
from edgebox.hub.protocol import End
from edgebox.media.data_messages import Denied, FromPage
from edgebox.messages.base import Role
from edgebox.messages.session import Sending

HUB = Path(edgebox.hub.__file__).parent


def test_catalogues_say_the_same_things() -> None:
    nb, en = language.catalogue("nb"), language.catalogue("en")
    assert nb.keys() == en.keys()
    for key, text in nb.items():
        assert text.strip()
        assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", en[key]), key


def test_every_text_that_is_asked_for_exists() -> None:
    source = "".join(path.read_text() for path in (HUB / "static").glob("*.js"))
    said = set(re.findall(r'say\(\s*(?:\w+ \? )?"([\w.]+)"', source))
    situations = set(re.findall(r'describe\("\w+", "(\w+)"', source))
    assert {"leave", "frozen"} <= said
    assert {"waiting", "away", "hub"} <= situations
    wanted = said | {f"state.{name}" for name in situations | {"live", "weak"}}
    assert wanted - language.page_texts("nb").keys() == set()


def test_everything_box_and_hub_can_say_has_words() -> None:
    sending = {field.name: field.type for field in fields(Sending)}
    denied = get_args({field.name: field.type for field in fields(Denied)}["reason"])
    asked = [message.__name__ for message in get_args(FromPage)]
    problems = ("missing", "refused", "none", "busy", "gone")
    wanted = {
        *(f"role.{role}" for role in get_args(Role)),
        *(f"state.{end}" for end in get_args(End)),
        *(f"state.{end}.detail" for end in get_args(End)),
        *(f"sending.{level}" for level in get_args(sending["level"])[2:]),
        *(f"reason.{reason}" for reason in get_args(sending["reason"])[1:]),
        *(f"denied.{reason}" for reason in denied),
        *(f"denied.what.{what}" for what in asked),
        *(f"still.{reason}" for reason in denied),
        *(f"problem.{kind}.{what}" for kind in ("audio", "video") for what in problems),
        *(f"microphone.{state}" for state in ("off", "on", "talking", "starting")),
        *(f"camera.{state}" for state in ("off", "on", "starting")),
    }
    assert wanted - language.page_texts("nb").keys() == set()
    assert {f"what.{role}" for role in get_args(Role)} <= language.catalogue("nb").keys()


def test_pages_hold_no_text_of_their_own() -> None:
    for path in (HUB / "templates").glob("*.html"):
        bare = re.sub(r"\{[{%].*?[%}]\}|<[^>]*>", "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"[A-Za-zæøå]{2}", bare), path.name


@pytest.mark.parametrize(
    ("asked", "accept", "chosen"),
    [
        ("", "", "nb"),
        ("en", "nb", "en"),
        ("xx", "en-GB,en;q=0.9", "en"),
        ("", "de,fr;q=0.5", "nb"),
        ("", "nn-NO", "nb"),
        ("", "en;q=0.4, no;q=0.8", "nb"),
        ("", "de, en;q=0.3", "en"),
        ("", "en;q=0", "nb"),
        ("", "en;q=x,;;q=,=,en;q=nan", "nb"),
        ("", "en," * 10_000, "en"),
    ],
)
def test_choice(asked: str, accept: str, chosen: str) -> None:
    assert language.choose(asked, accept, "nb") == chosen
