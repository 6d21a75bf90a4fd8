"""People in the words of one language: who gets what, who waits, and what each role gets."""

from collections.abc import Callable
from typing import Any

from edgebox.panel.view import PersonView, View
from edgebox.roles import RIGHTS, Rights

NAMED_MAX = 5
"""People the banner names; who else is there is counted, and named under the people's button."""
NAMES_MAX = 2
"""The same in a sentence."""
NAME_MAX = 28
"""Letters of a name that are shown."""

Say = Callable[..., str]


def say_groups(view: View, say: Say) -> list[dict[str, Any]]:
    """Who gets what now: sees and hears, only sees, only hears, nothing, and who is not there."""
    if view.screen != "live":
        return []
    groups: dict[str, list[PersonView]] = {
        "both": [],
        "sees": [],
        "hears": [],
        "neither": [],
        "coming": [],
    }
    arrives = view.bond in {"up", "unknown"}  # without links nobody gets what is sent to them
    gets = {(True, True): "both", (True, False): "sees", (False, True): "hears"}
    for one in view.people:
        if one.state == "connected" and arrives:
            groups[gets.get((one.sees, one.hears), "neither")].append(one)
        elif one.state in {"connected", "connecting", "lost"}:
            groups["coming"].append(one)
    shown, left = [], NAMED_MAX
    for name, group in groups.items():
        named, left = group[:left], max(left - len(group), 0)
        more = len(group) - len(named)
        if group:
            shown.append(
                {
                    "title": say(f"gets.{name}"),
                    "kind": name,
                    "people": [say_person(one, say) for one in named],
                    "more": say("gets.more", count=more) if more else "",
                }
            )
    return shown


def _flow(flow: str, one: PersonView, say: Say) -> str:
    return say("now.sees-singles") if flow == "sees" and one.slow else say(f"now.{flow}")


def say_person(one: PersonView, say: Say) -> dict[str, Any]:
    """`text` is what is not as it should be; `now` what flows."""
    flows = [name for name in ("sees", "hears", "speaks") if getattr(one, name)]
    if one.silenced:
        flows.append("silenced")
    return {
        "id": one.id,
        "name": _name(one, say),
        "role": say(f"role.{one.role}"),
        "state": one.state,
        "text": "" if one.state in {"connected", "present"} else say(f"person.{one.state}"),
        "now": ", ".join(_flow(flow, one, say) for flow in flows) or say("now.nothing"),
        "shows": one.shows,
        "silenced": one.silenced,
        "speaks": RIGHTS[one.role].speaks,
        "silenceText": say("people.unsilence" if one.silenced else "people.silence"),
    }


def say_guest(one: PersonView, say: Say) -> dict[str, Any]:
    """The card of somebody who waits."""
    return {
        "id": one.id,
        "role": one.role,
        "name": _name(one, say),
        "roleText": say(f"role.{one.role}"),
        "gets": say_rights(RIGHTS[one.role], say),
        "admissible": RIGHTS[one.role] != Rights(),
    }


def say_rights(rights: Rights, say: Say) -> str:
    """What a role gets, made from what it really gets."""
    gets = {
        "rights.all-pictures": "patient" in rights.views,
        "rights.outside-pictures": rights.views == frozenset({"outside"}),
        "rights.hears": rights.hears,
        "rights.vitals": rights.vitals,
        "rights.position": rights.position,
    }
    may = {
        "rights.speaks": rights.speaks,
        "rights.shows": rights.shows,
        "rights.guides": rights.guides,
    }
    said = [
        say(frame, what=", ".join(say(name) for name, given in parts.items() if given))
        for frame, parts in (("rights.gets", gets), ("rights.may", may))
        if any(parts.values())
    ]
    return " ".join(said) or say("rights.nothing")


def say_start(view: View, say: Say) -> str:
    """Who will see and hear at the tap; whoever waits only when the crew lets them in."""
    if view.people:
        return say("start.admitted", names=_names(view.people, say))
    if view.guests:
        return say("start.guests", names=_names(view.guests, say))
    return say("start.nobody")


def _names(people: tuple[PersonView, ...], say: Say) -> str:
    """As many as fit below each other; the rest is counted."""
    named = [f"{_name(one, say)} ({say(f'role.{one.role}')})" for one in people[:NAMES_MAX]]
    more = len(people) - len(named)
    return ", ".join([*named, *([say("gets.more", count=more)] if more else [])])


def _name(one: PersonView, say: Say) -> str:
    name = one.name or say("person.unnamed")
    return name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 1]}…"


def say_count(view: View, say: Say) -> str:
    """On the people's button."""
    return say("people.count", count=len(view.people))


def say_waiting(view: View, say: Say) -> str:
    """Who waits, in the banner."""
    if view.truth != "known" or view.hub != "up":
        return say(f"waiting.unknown-{view.screen}")
    if view.guests:
        return say("waiting.here", names=_names(view.guests, say))
    return "" if view.screen == "live" else say("waiting.nobody")
