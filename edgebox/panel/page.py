"""The panel's one page. It never navigates: the screens are parts of it."""

import time

from flask import Blueprint, render_template

import edgebox
from edgebox.panel.context import language, panel, words
from edgebox.panel.people_words import say_rights
from edgebox.panel.preferences import cues, theme
from edgebox.panel.words import INVITE_ROLES, page_strings, say_view
from edgebox.roles import RIGHTS

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
def show() -> str:
    """The page with the present state in it: it is right from the first paint."""
    here = panel()
    view = here.feed.view
    chosen = theme()
    say = words().say
    dark = view.dark if chosen == "auto" else chosen == "night"
    return render_template(
        "panel.html",
        vehicle=here.config.box.vehicle,
        language=language(),
        chosen_theme=chosen,
        theme="night" if dark else "day",
        cues=cues(),
        roles=[{"role": role, "gets": say_rights(RIGHTS[role], say)} for role in INVITE_ROLES],
        sms=here.config.sms.by != "none",
        page={
            "state": say_view(view, words(), time.time()),
            "strings": page_strings(words()),
            "preview": f"http://{here.config.media.preview_listen}/whep/",
            "guest": f"http://{here.config.media.preview_listen}/guest/",
            "version": edgebox.__version__,
        },
    )
