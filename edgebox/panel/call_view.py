"""What the panel shows of the call with the technician, as plain values, and in words. Pure."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from edgebox.messages.support import SupportSession
from edgebox.messages.support_call import CallEnd, CallState, CallStatus

Say = Callable[..., str]


class CallView(Struct, frozen=True, kw_only=True):
    """`state` is support's word, the rest media's: what really flows."""

    state: CallState = "off"
    ended: CallEnd = ""
    line: Literal["none", "connecting", "connected", "lost"] = "none"
    microphone: bool = False
    can_hear: bool = True
    can_speak: bool = True


def call_view(session: SupportSession, status: CallStatus | None) -> CallView:
    """`status`: None while media is away."""
    if session.state != "active":
        return CallView()
    if status is None:
        return CallView(state=session.call, ended=session.call_ended, line="lost")
    ours = status.session == session.id
    return CallView(
        state=session.call,
        ended=session.call_ended,
        line=status.state if ours else "none",
        microphone=ours and status.microphone,
        can_hear=status.can_hear,
        can_speak=status.can_speak,
    )


def say_call(view: CallView, technician: str, say: Say) -> dict[str, Any]:
    """`bar` and `doing` stand on every screen; empty: nothing is said of a call."""
    open_ = view.state == "open"
    title = "" if view.state == "off" else say(f"support.call.{view.state}", name=technician)
    return {
        "state": view.state,
        "microphone": view.microphone,
        "ready": open_ and view.line == "connected" and view.can_speak,
        "title": title,
        "bar": say("support.call.bar") if open_ else title,
        "doing": _doing(view, say),
        "text": _text(view, say),
        "hold": _hold(view, say),
    }


def _doing(view: CallView, say: Say) -> str:
    if view.state != "open":
        return ""
    if view.line != "connected":
        return say("support.call.line.lost" if view.line == "lost" else "support.call.line.none")
    return say("support.call.mic.open" if view.microphone else "support.call.mic.shut")


def _hold(view: CallView, say: Say) -> str:
    if view.state == "open" and view.line != "connected":
        return _doing(view, say)
    return say("support.call.heard" if view.microphone else "support.call.hold")


def _text(view: CallView, say: Say) -> str:
    if view.state == "off":
        return say(f"support.call.ended.{view.ended}") if view.ended else ""
    if not view.can_hear:
        return say("support.call.no-loudspeaker")
    if not view.can_speak:
        return say("support.call.no-microphone")
    return say(f"support.call.text.{view.state}")
