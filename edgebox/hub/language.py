"""The words people read: one JSON catalogue for each language, key -> text with {placeholders}.

Keys that begin with `page.` are sent to the remote page's scripts as well.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

DIRECTORY = Path(__file__).parent / "translations"
LANGUAGES = ("nb", "en")
_SAME: Mapping[str, str] = {"nb": "nb", "no": "nb", "nn": "nb", "da": "nb", "sv": "nb", "en": "en"}
"""Scandinavian readers are better served by Norwegian than by English."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of one of LANGUAGES."""
    found: dict[str, str] = json.loads((DIRECTORY / f"{language}.json").read_text(encoding="utf-8"))
    return found


def page_texts(language: str) -> dict[str, str]:
    """The texts the scripts need, without their prefix."""
    return {
        key.removeprefix("page."): text
        for key, text in catalogue(language).items()
        if key.startswith("page.")
    }


def choose(asked: str, accept_language: str, default: str) -> str:
    """`?lang=` first, then the browser's wish (RFC 9110, 12.5.4), then the hub's own language."""
    if asked in LANGUAGES:
        return asked
    best, best_weight = default, 0.0
    for item in accept_language[:500].split(","):
        tag, _, parameter = item.strip().partition(";")
        language = _SAME.get(tag.partition("-")[0].lower())
        weight = _weight(parameter)
        if language and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0
