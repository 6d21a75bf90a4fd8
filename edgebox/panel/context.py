"""What every page of the panel needs, and how it finds it."""

from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec
from flask import Response, abort, current_app, jsonify, request
from flask_babel import get_translations

from edgebox.config import Config
from edgebox.messages.base import Done, Fault
from edgebox.panel.asks import Actions
from edgebox.panel.catalogue import LANGUAGES
from edgebox.panel.feed import Feed
from edgebox.panel.words import Words, say_fault

LANGUAGE_COOKIE = "panel-language"
"""Cookies know no ports: other services of this machine have theirs."""

B = TypeVar("B", bound=msgspec.Struct)


@dataclass(frozen=True)
class Panel:
    """The parts behind the pages."""

    config: Config
    feed: Feed
    actions: Actions


def panel() -> Panel:
    """Of the application that handles this request."""
    return cast("Panel", current_app.extensions["edgebox"])


def language() -> str:
    """Chosen on the panel, else from the configuration."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else panel().config.panel.language


def words() -> Words:
    """In the language of this request."""
    return Words(language(), get_translations().gettext)


def read_body(kind: type[B]) -> B:
    """The request's JSON as `kind`; anything else is refused."""
    if request.mimetype != "application/json":
        abort(415)
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        abort(400)


def say_answer(answer: Done | Fault, what: str) -> Response:
    """`text` says in words why `what` failed; empty when it was done."""
    return jsonify(text=say_fault(answer, what, words()) if isinstance(answer, Fault) else "")
