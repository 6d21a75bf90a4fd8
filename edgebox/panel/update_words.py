"""Puts the software's state into words: one line in the settings, nothing anybody has to do."""

from typing import TYPE_CHECKING

import edgebox
from edgebox.messages.update import State
from edgebox.panel.update import UpdateView

if TYPE_CHECKING:
    from edgebox.panel.words import Words

SAME_AS: dict[State, State] = {
    "good": "current",
    "checking": "downloading",
    "ready": "installing",
    "failed": "refused",
}
"""Where the difference is nothing to a crew."""


def say_update(view: UpdateView, words: "Words") -> dict[str, str]:
    """`version`, and `text` on what happens, empty where there is nothing to say."""
    version = words.say("update.version", version=view.version or edgebox.__version__)
    if view.state is None or view.state == "unsupported":
        return {"version": version, "text": ""}
    state = SAME_AS.get(view.state, view.state)
    return {"version": version, "text": words.say(f"update.{state}", next=view.next_version)}
