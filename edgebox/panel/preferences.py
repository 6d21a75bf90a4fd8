"""Language, theme and sound cues, chosen on the panel and kept in the browser.

A chosen theme lasts one shift; after that the configured one (by default: by daylight) rules again.
So do sound cues: who comes on shift finds them on.
"""

from typing import Literal

from flask import Blueprint, Response, request
from msgspec import Struct

from edgebox.config.kinds import Language
from edgebox.panel.context import LANGUAGE_COOKIE, panel, read_body

blueprint = Blueprint("preferences", __name__)

THEME_COOKIE = "panel-theme"
CUES_COOKIE = "panel-cues"
SHIFT_S = 12 * 3600
YEAR_S = 365 * 86_400


class ChooseLanguage(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /language."""

    language: Language


class ChooseTheme(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /theme."""

    theme: Literal["auto", "day", "night"]


class ChooseCues(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /cues."""

    on: bool


@blueprint.post("/language")
def choose_language() -> Response:
    """The page loads itself anew afterwards."""
    return _keep(LANGUAGE_COOKIE, read_body(ChooseLanguage).language, YEAR_S)


@blueprint.post("/theme")
def choose_theme() -> Response:
    """The page has changed its colours already."""
    return _keep(THEME_COOKIE, read_body(ChooseTheme).theme, SHIFT_S)


@blueprint.post("/cues")
def choose_cues() -> Response:
    """The page makes them, or does not, already."""
    return _keep(CUES_COOKIE, "on" if read_body(ChooseCues).on else "off", SHIFT_S)


def theme() -> str:
    """`day`, `night` or `auto`."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in {"day", "night", "auto"} else panel().config.panel.theme


def cues() -> bool:
    """Whether the page makes sounds."""
    return request.cookies.get(CUES_COOKIE, "on") != "off"


def _keep(name: str, value: str, age_s: int) -> Response:
    response = Response(status=204)
    response.set_cookie(name, value, max_age=age_s, httponly=True, samesite="Strict")
    return response
