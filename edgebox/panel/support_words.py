"""Puts a SupportView into words."""

from collections.abc import Callable
from typing import Any

from edgebox.panel.call_view import say_call
from edgebox.panel.support_view import SupportView

Say = Callable[..., str]
TOLD_SUBJECTS = {"restart", "check"}
"""Deeds whose subject the crew knows by name."""


def say_support(view: SupportView, say: Say) -> dict[str, Any]:
    """The bar, which every screen shows while somebody is in or waits, and the pane."""
    waits = view.state == "asked" and bool(view.technician)
    call = say_call(view.call, view.technician, say)
    return {
        "state": "waits" if waits else view.state,
        "id": view.id,
        "serial": view.serial,
        "title": call["title"] or _title(view, waits, say),
        "bar": call["bar"] or _title(view, waits, say),
        "doing": _still(view, say) or call["doing"] or _doing(view, say),
        "call": call,
        "shell": view.command_line,
        "still": view.still,
        "camera": view.still_camera,
        "left": say("support.left", minutes=view.minutes) if view.minutes else "",
        "text": _still_text(view, say) or call["text"] or _text(view, waits, say),
        "chat": [
            {
                "by": by,
                "name": view.technician if by == "technician" else say("support.we"),
                "text": t,
            }
            for by, t in view.chat
        ],
    }


def _still(view: SupportView, say: Say) -> str:
    """Stands there whatever else they do meanwhile."""
    if view.state != "active" or view.still == "off":
        return ""
    return say(f"support.still.{view.still}", camera=view.still_name)


def _still_text(view: SupportView, say: Say) -> str:
    if view.state != "active" or view.still != "asked":
        return ""
    return say("support.still.text", camera=view.still_name)


def _title(view: SupportView, waits: bool, say: Say) -> str:
    if waits:
        return say("support.wants", name=view.technician)
    if view.state in {"active", "unsure"}:
        return say("support.here", name=view.technician)
    return say("support.asked") if view.state == "asked" else ""


def _doing(view: SupportView, say: Say) -> str:
    if view.state == "unsure":
        return say("support.unsure")
    if view.state != "active":
        return ""
    if view.command_line in {"asked", "granted", "open"}:
        # Stands there whatever else they do meanwhile.
        return say(f"support.shell.{view.command_line}", minutes=view.command_line_minutes)
    words = say(f"support.doing.{view.doing or 'nothing'}")
    return f"{words} ({view.subject})" if view.doing in TOLD_SUBJECTS and view.subject else words


def _text(view: SupportView, waits: bool, say: Say) -> str:
    if waits:
        return say("support.wants.text")
    if view.state in {"asked", "active"} and view.way in {"none", "clock"}:
        return say(f"support.way.{view.way}")
    if view.state == "active" and view.command_line == "asked":
        return say("support.shell.text")
    if view.state == "off" and view.ended:
        return say(f"support.ended.{view.ended}")
    if view.state == "asked" and view.texted:
        return " ".join((say(f"support.texted.{view.texted}"), say("support.text.asked")))
    return say(f"support.text.{view.state}")
