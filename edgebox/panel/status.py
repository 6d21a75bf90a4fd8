"""The live status: a stream of server-sent events, or one answer at a time.

HTML Living Standard, "Server-sent events". A change of state is sent at once, and at most one
change each GAP_S to one client; an event `beat` each BEAT_S tells the page that the panel lives.
`marks` holds what remote help points at and draws.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import msgspec
from flask import Blueprint, Response, abort, request

from edgebox.panel.context import panel, words
from edgebox.panel.feed import Feed, Place
from edgebox.panel.words import Words, say_view

blueprint = Blueprint("status", __name__)

GAP_S = 0.05
"""A pointer moves smoothly enough."""
BEAT_S = 1.0


@blueprint.get("/status")
def show() -> Response:
    """The present state, for a page that found no place among the streams."""
    state = say_view(panel().feed.view, words(), time.time())
    return Response(msgspec.json.encode(state), mimetype="application/json")


@blueprint.get("/events")
def stream() -> Response:
    """Events until the page goes; 503 when there are feed.CLIENTS_MAX streams already."""
    with ExitStack() as stack:
        if not stack.enter_context(panel().feed.client()):
            abort(503)
        gone = request.environ.get("waitress.client_disconnected", lambda: False)
        response = Response(_events(panel().feed, words(), gone), mimetype="text/event-stream")
        response.call_on_close(stack.pop_all().close)
    return response


@blueprint.get("/alive")
def alive() -> tuple[str, int]:
    """204 when pages and the loop behind them work; the panel's own watchdog asks."""
    return "", 204 if panel().actions.alive() else 503


def _events(feed: Feed, words: Words, gone: Callable[[], bool]) -> Iterator[bytes]:
    """Runs in a server thread of its own."""
    place, sent_at = Place(), float("-inf")
    while not gone():
        newest, *_ = feed.wait(place, BEAT_S)
        if feed.closed:
            return
        if newest == place:
            yield b"event: beat\ndata:\n\n"
            continue
        early_s = sent_at + GAP_S - time.monotonic()
        if early_s > 0:
            time.sleep(early_s)
        newest, view, marks = feed.wait(place, 0)
        sent_at = time.monotonic()
        if newest.view != place.view:
            state = say_view(view, words, time.time())
            yield b"data: " + msgspec.json.encode(state) + b"\n\n"
        if marks:
            yield b"event: marks\ndata: " + msgspec.json.encode(marks) + b"\n\n"
        place = newest
