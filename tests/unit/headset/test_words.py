"""The page's words: the same in each language, and fit to be spoken."""

import itertools
import json

import pytest

from edgebox.headset import language

PAGE_NEEDS = ("starting", "offline", "unenrolled", "waiting", "connecting", "live", "stopped")
REFUSALS = (
    "unknown", "revoked", "expired", "elsewhere", "cloned", "clock", "box-clock", "no-registry",
    "registry-expired", "wrong-car", "far", "full", "signature", "false-box", "other",
)  # fmt: skip


def test_languages_have_the_same_keys() -> None:
    assert language.catalogue("nb").keys() == language.catalogue("en").keys()


@pytest.mark.parametrize("chosen", language.LANGUAGES)
def test_every_state_and_refusal_has_words(chosen: str) -> None:
    words = language.catalogue(chosen)
    for key in (*PAGE_NEEDS, *(f"refused.{reason}" for reason in REFUSALS)):
        assert words[f"{key}.head"]
        assert f"{key}.advice" in words


@pytest.mark.parametrize("chosen", language.LANGUAGES)
def test_commands_are_told_apart_by_ear(chosen: str) -> None:
    """Those on one screen begin differently, or have several words of which the last differs."""
    words = language.catalogue(chosen)
    screens = (
        ("stop", "mute", "quiet", "torch", "closer", "wider", "wrong"),
        ("stop", "unmute", "listen", "dark", "closer", "wider", "wrong"),
        ("start", "wrong"),
        ("close", "stop", "mute", "quiet", "wrong"),
        ("close", "stop", "unmute", "listen", "wrong"),
        ("close", "start", "wrong"),
    )
    for screen in screens:
        said = [words[f"command.{name}"].lower() for name in screen]
        for one, other in itertools.combinations(said, 2):
            assert one.split()[0] != other.split()[0], (one, other)
        assert all(len(one.replace(" ", "")) >= 7 for one in said), said


def test_browsers_wish_is_heeded() -> None:
    assert language.choose("", "en-GB,en;q=0.9,nb;q=0.1") == "en"
    assert language.choose("", "nn-NO") == "nb"
    assert language.choose("", "sv;q=1") == "nb"
    assert language.choose("", "de, xx") == "nb"
    assert language.choose("en", "nb") == "en"


def test_catalogues_are_whole_files() -> None:
    for name in language.LANGUAGES:
        text = (language.DIRECTORY / f"{name}.json").read_text(encoding="utf-8")
        assert json.loads(text) == dict(language.catalogue(name))
