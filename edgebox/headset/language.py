"""The words on the page: one JSON catalogue for each language, key -> text with {placeholders}."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

DIRECTORY = Path(__file__).parent / "translations"
LANGUAGES = ("nb", "en")
SCANDINAVIAN = {"nb", "no", "nn", "da", "sv"}


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of one of LANGUAGES."""
    found: dict[str, str] = json.loads((DIRECTORY / f"{language}.json").read_text(encoding="utf-8"))
    return found


def choose(asked: str, accept_language: str) -> str:
    """`?lang=` first, then the first that the browser names of those we have (RFC 9110, 12.5.4)."""
    if asked in LANGUAGES:
        return asked
    for item in accept_language[:500].split(","):
        tag = item.partition(";")[0].strip().partition("-")[0].lower()
        if tag in SCANDINAVIAN:
            return "nb"
        if tag in LANGUAGES:
            return tag
    return "nb"
