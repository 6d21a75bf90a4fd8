"""Puts the self-test into the words of one language: the banner's tile, the pane, the commands."""

from typing import TYPE_CHECKING, Any

from edgebox.panel.health import SHOWN_MAX, FindingView, HealthView

if TYPE_CHECKING:
    from edgebox.panel.words import Words

UNTRIED_MAX = 4
"""Names there is room for on one line."""


def say_health(view: HealthView, words: "Words", now_utc: float) -> dict[str, Any]:
    """`look`: which mark, word and colour; `text` what it means; `found` as many as fit."""
    say = words.say
    look = "running" if view.running else view.grade
    at = "" if view.at_utc is None else words.clock(view.at_utc, now_utc)
    shown = view.found[:SHOWN_MAX]
    more = len(view.found) - len(shown)
    return {
        "look": look,
        "word": say(f"health.grade.{look}"),
        "short": "" if view.away or view.old or view.running else at,
        "text": _text(view, words),
        "at": say("health.at", at=at) if at and not view.running else "",
        "found": [say_finding(one, words) for one in shown],
        "rest": " ".join(_rest(view, more, words)),
        "running": view.running,
    }


def say_finding(one: FindingView, words: "Words") -> dict[str, str]:
    """What is wrong, and what the crew can do about it."""
    say = words.say
    name = f"finding.{one.code}"
    todo = say(f"{name}.todo")
    if todo == f"{name}.todo":
        todo = say(f"health.todo.{one.grade}")
    return {
        "grade": one.grade,
        "text": say(name, subject=_subject(one, words)),
        "todo": todo,
        "code": one.code,
    }


def _subject(one: FindingView, words: "Words") -> str:
    """Services and certificates have names of ours, the rest those that people gave."""
    name = f"subject.{one.check}.{one.subject}"
    said = words.say(name)
    return one.subject if said == name else said


def _text(view: HealthView, words: "Words") -> str:
    say = words.say
    if view.away:
        return say("health.away")
    if view.running:
        return say("health.running", done=view.done, total=view.total)
    return say("health.old" if view.old else f"health.{view.grade}")


def _rest(view: HealthView, more: int, words: "Words") -> list[str]:
    """What is not a fault: how much is well, and what was not tried."""
    say = words.say
    said = [say("health.more", count=more)] if more else []
    if view.well:
        said.append(say("health.counts", count=view.well))
    if view.live:
        said.append(say("health.live"))
    if view.untried:
        shown = view.untried[:UNTRIED_MAX]
        names = ", ".join(say(f"check.{name}") for name in shown)
        left = len(view.untried) - len(shown)
        names += f" {say('gets.more', count=left)}" if left else ""
        said.append(say("health.not-tried", names=names))
    return said
