"""The Flask application of the panel: `create_app` puts its pages together.

Flask Documentation, "Application Factories". One blueprint for each concern, each in its own file.
"""

from flask import Flask, Response
from flask_babel import Babel
from werkzeug.exceptions import HTTPException

from edgebox.config import Config
from edgebox.panel import (
    call_page,
    calls,
    guard,
    headset_page,
    health_page,
    invitation,
    page,
    preferences,
    status,
    support_page,
)
from edgebox.panel.asks import Actions
from edgebox.panel.catalogue import Catalogues
from edgebox.panel.context import Panel, language, words
from edgebox.panel.feed import Feed

SAID_CODES = frozenset({400, 403, 404, 405, 413, 415, 421, 503})


def create_app(config: Config, feed: Feed, actions: Actions) -> Flask:
    """The application; it starts nothing."""
    app = Flask(__name__)
    app.extensions["edgebox"] = Panel(config, feed, actions)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    guard.install(app, config)
    babel = Babel(app, locale_selector=language)
    babel.domain_instance = Catalogues()
    for module in (
        page,
        status,
        calls,
        invitation,
        preferences,
        health_page,
        support_page,
        call_page,
        headset_page,
    ):
        app.register_blueprint(module.blueprint)
    app.register_error_handler(HTTPException, _refuse)
    return app


def _refuse(error: HTTPException) -> tuple[Response, int]:
    """One plain sentence for whatever cannot be served."""
    code = error.code or 500
    text = words().say(f"error.{code if code in SAID_CODES else 500}")
    return Response(f"{text}\n", mimetype="text/plain"), code
