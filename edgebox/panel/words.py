"""Puts a View into the words of one language: the JSON the page draws.

Every sentence comes from the catalogue by its name; nothing here is language. The page's script
has no words of its own: it gets these, and `page_strings` for what it finds out itself.
"""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from babel.dates import format_datetime
from babel.numbers import format_decimal

import edgebox
from edgebox.messages.base import Fault, Role
from edgebox.panel.headset_words import say_headset
from edgebox.panel.health_words import say_health
from edgebox.panel.people_words import (
    say_count,
    say_groups,
    say_guest,
    say_person,
    say_start,
    say_waiting,
)
from edgebox.panel.support_words import say_support
from edgebox.panel.update_words import say_update
from edgebox.panel.view import (
    CameraView,
    InviteView,
    LinkView,
    NoticeView,
    PartsView,
    View,
)
from edgebox.panel.vitals_words import say_vitals

INVITE_ROLES: tuple[Role, ...] = ("doctor", "pilot", "interpreter", "bystander", "observer")
"""Whom the crew can invite. A technician gets nothing here: they have the support desk."""

PAGE_STRINGS = (
    "page.lost",
    "page.lost-detail",
    "page.no-answer",
    "start.waiting",
    "stop.hold",
    "stop.waiting",
    "preview.connecting",
    "preview.none",
    "preview.stalled",
    "guest.connecting",
    "guest.none",
    "guest.stalled",
    "marks.points",
    "marks.points-elsewhere",
    "people.sure",
    "people.more",
    "invite.waiting",
    "invite.left",
    "invite.for",
    "invite.copied",
    "invite.not-copied",
    "vitals.alarms",
    "vitals.more",
    "sms.short",
    "sms.sending",
    "sms.sent",
    "support.title",
    "support.end",
    "support.end.help",
    "support.refuse",
    "support.cancel",
    "support.call.hang-up",
    "support.call.again",
)

NOTICES_MAX = 3

OWN_REASONS = {
    ("admit", "not-found"): "guest-gone",
    ("camera", "invalid"): "last-camera",
    ("hide", "timeout"): "noted",
    ("hide", "unreachable"): "noted",
    ("mute", "timeout"): "noted",
    ("mute", "unreachable"): "noted",
    ("refuse", "timeout"): "noted",
    ("refuse", "unreachable"): "noted",
    ("sms", "refused"): "sms-refused",
    ("sms", "timeout"): "sms-unsure",
    ("start", "not-found"): "no-camera",
    ("support-call", "refused"): "video-on",
}
"""Where what was asked says more than the reason alone."""

TONES = {
    "idle": "idle",
    "live-watched": "live",
    "live-heard": "live",
    "live-unwatched": "live",
    "live-hidden": "hidden",
    "live-cut": "cut",
    "live-unsure": "cut",
    "restarting": "cut",
    "starting": "idle",
    "missing": "fault",
    "unknown": "unknown",
}


SAY_THEMSELVES = {"live-watched"}
"""Headlines whose detail is the names below them."""


class Words:
    """One language. `gettext` gives the sentence of a name, `zone` is where the crew's clock is."""

    def __init__(self, language: str, gettext: Callable[[str], str], zone: tzinfo | None = None):
        self.language = language
        self._gettext = gettext
        self._zone = zone

    def say(self, name: str, /, **values: str | int) -> str:
        """The sentence of that name with its values filled in."""
        sentence = self._gettext(name)
        return sentence % values if values else sentence

    def clock(self, utc_s: float, now_utc: float) -> str:
        """Hours and minutes; the date instead if it was not today."""
        then = datetime.fromtimestamp(utc_s, UTC).astimezone(self._zone)
        today = datetime.fromtimestamp(now_utc, UTC).astimezone(self._zone).date()
        pattern = "HH:mm" if then.date() == today else "d. MMM"
        return str(format_datetime(then, pattern, tzinfo=then.tzinfo, locale=self.language))

    def megabits(self, bps: int) -> str:
        """In Mbit/s without the unit."""
        pattern = "0.0" if bps < 10_000_000 else "0"
        return str(format_decimal(bps / 1_000_000, pattern, locale=self.language))


def say_view(view: View, words: Words, now_utc: float) -> dict[str, Any]:
    """Everything the page shows. `now_utc` decides how times are written."""
    say = words.say
    return {
        "version": edgebox.__version__,
        "screen": view.screen,
        "truth": view.truth,
        "tone": TONES[view.headline],
        "title": say(f"headline.{view.headline}"),
        "detail": _detail(view, say),
        "liveSince": view.live_since_utc,
        "instance": view.instance,
        "preview": view.preview,
        "cameras": [_camera(camera, view, say) for camera in view.cameras],
        "sending": _sending(view, say),
        "level": _level(view),
        "levelText": say(f"level.{_level(view)}") if _level(view) else "",
        "why": _why(view, say),
        "hidden": view.hidden,
        "hideText": say("hide.show" if view.hidden else "hide.hide"),
        "sound": _sound(view, say),
        "groups": say_groups(view, say),
        "startText": say_start(view, say),
        "waitingTitle": say_waiting(view, say),
        "people": [say_person(one, say) for one in view.people],
        "peopleText": say_count(view, say),
        "guests": [say_guest(one, say) for one in view.guests],
        "session": view.session,
        "calling": _calling(view),
        "links": [_link(link, words) for link in view.links],
        "parts": _parts(view.parts, view, words, now_utc),
        "notices": _notices(view.notices, words, now_utc),
        "invite": _invite(view.invite, say),
        "vitals": say_vitals(view.vitals, words, now_utc),
        "health": say_health(view.health, words, now_utc),
        "support": say_support(view.support, say),
        "headset": say_headset(view.headset, words, now_utc),
        "update": say_update(view.update, words),
        "dark": view.dark,
    }


def say_fault(fault: Fault, what: str, words: Words) -> str:
    """One sentence on what was not done and why; `fault.text` is for the technician."""
    reason = OWN_REASONS.get((what, fault.reason), fault.reason)
    return f"{words.say(f'failed.{what}')} {words.say(f'reason.{reason}')}"


def page_strings(words: Words) -> dict[str, str]:
    """What the page's script says when it cannot ask the server."""
    return {name: words.say(name) for name in PAGE_STRINGS}


Say = Callable[..., str]


def _detail(view: View, say: Say) -> str:
    if view.headline == "idle" and view.support.call.microphone:
        return say("support.call.idle")
    return "" if view.headline in SAY_THEMSELVES else say(f"headline.{view.headline}.detail")


def _camera(camera: CameraView, view: View, say: Say) -> dict[str, Any]:
    """`text` is what happens to its picture, or what is wrong with it."""
    if camera.state in {"absent", "failed", "unknown"}:
        text = say(f"camera.{camera.state}")
    elif not camera.sent:
        text = say("camera.not-sent")
    elif view.screen == "idle":
        text = say("camera.will-be-sent")
    elif camera.state == "starting":
        text = say("camera.starting")
    elif camera.state != "live":
        text = say("camera.paused")
    else:
        text = say("camera.sent" if view.bond == "up" and not view.hidden else "camera.on")
    return {
        "id": camera.id,
        "name": camera.name,
        "state": camera.state,
        "sent": camera.sent,
        "main": camera.main,
        "part": camera.part,
        "text": text,
        "mainText": say("camera.main" if camera.main else "camera.make-main"),
    }


def _sending(view: View, say: Say) -> str:
    """What goes out at this moment."""
    if view.screen != "live" or view.truth != "known":
        return ""
    if view.headline == "live-cut":
        return say("sending.cut")
    if view.hidden:
        return say("sending.hidden")
    if not view.sending:
        return say("sending.nothing")
    if view.headline in {"live-unwatched", "live-heard"}:
        return say("sending.ready", names=", ".join(view.sending))
    if view.headline == "live-unsure":
        return say("sending.unsure", names=", ".join(view.sending))
    return say("sending.pictures", names=", ".join(view.sending))


def _level(view: View) -> str:
    """Empty while `sending` says all there is to say, or nobody knows what comes through."""
    said = view.hidden or view.headline in {"live-cut", "live-unsure"}
    return "" if said or view.level == "nothing" else view.level


def _why(view: View, say: Say) -> str:
    """The cause of a level that is not the best; who chose the main picture otherwise."""
    if not _level(view):
        return ""
    if view.level != "full" and view.reason:
        return say(f"why.{view.reason}")
    return say("sending.chosen-by", name=view.focus_by) if view.focus_by else ""


def _sound(view: View, say: Say) -> dict[str, Any]:
    """The microphone's button: `muted` is what counts outside; without a microphone no button."""
    sound = view.sound
    if sound is None or sound.microphone == "none":
        state = "none" if sound else "unknown"
        return {"microphone": state, "muted": False, "text": "", "note": ""}
    works = sound.microphone in {"starting", "ready", "live"}
    text = "mute.on" if sound.muted else "mute.off" if works else "mute.broken"
    return {
        "microphone": sound.microphone,
        "muted": sound.muted,
        "text": say(text),
        "note": say("mute.note") if sound.muted else "",
    }


def _calling(view: View) -> str:
    """How the connection is, for sound cues: empty while there is none to speak of."""
    if view.screen != "live" or view.truth != "known" or view.bond == "unknown":
        return ""
    return "up" if view.bond == "up" else "lost"


def _link(link: LinkView, words: Words) -> dict[str, Any]:
    """`text` and `unit` stand at the bar: rate sent of capacity, or the state if it is not up."""
    say = words.say
    text, unit = say(f"link.{link.state}"), ""
    if link.state == "up" and link.sent_bps is not None and link.capacity_bps is not None:
        rates = {"sent": words.megabits(link.sent_bps), "all": words.megabits(link.capacity_bps)}
        text, unit = say("link.rates", **rates), say("link.unit")
    return {
        "label": link.label,
        "generation": link.generation,
        "state": link.state,
        "stateText": say(f"link.{link.state}"),
        "capacity": link.capacity_percent,
        "sent": link.sent_percent,
        "text": text,
        "unit": unit,
        "rtt": "" if link.rtt_ms is None else say("link.rtt", rtt=link.rtt_ms),
    }


def _parts(parts: PartsView, view: View, words: Words, now_utc: float) -> list[dict[str, str]]:
    say = words.say
    hub = say(f"part.hub.{view.hub}")
    if parts.hub_since_utc is not None:
        hub = say("part.hub.away-since", since=words.clock(parts.hub_since_utc, now_utc))
    counts = {
        "video": say("part.count", some=parts.cameras_ready, all=len(view.cameras)),
        "links": say("part.count", some=parts.links_up, all=len(view.links)),
    }
    video = counts["video"] if view.truth == "known" else say(f"part.video.{view.truth}")
    links = counts["links"] if view.bond == "up" else say(f"part.links.{view.bond}")
    return [
        {"name": say("part.video"), "state": parts.video, "text": video},
        {"name": say("part.links"), "state": parts.links, "text": links},
        {"name": say("part.hub"), "state": parts.hub, "text": hub},
    ]


def _notices(all_notices: tuple[NoticeView, ...], words: Words, now_utc: float) -> list[Any]:
    """As many as the small screen holds; the rest is counted."""
    if len(all_notices) <= NOTICES_MAX:
        return [_notice(notice, words, now_utc) for notice in all_notices]
    shown = [_notice(notice, words, now_utc) for notice in all_notices[: NOTICES_MAX - 1]]
    more = words.say("notice.more", more=len(all_notices) - len(shown))
    return [*shown, {"grade": "warn", "text": more, "todo": ""}]


def _notice(notice: NoticeView, words: Words, now_utc: float) -> dict[str, str]:
    """`text` says what is wrong, `todo` what to do or that nothing needs to be done."""
    say = words.say
    text = say(f"notice.{notice.code}", **({"subject": notice.subject} if notice.subject else {}))
    if notice.since_utc is not None:
        text = say("notice.since", text=text, since=words.clock(notice.since_utc, now_utc))
    todo = f"notice.{notice.code}.todo" if notice.kind is None else f"todo.{notice.kind}"
    return {"grade": notice.grade, "text": text, "todo": say(todo)}


def _invite(invite: InviteView | None, say: Say) -> dict[str, Any] | None:
    if invite is None:
        return None
    values = {"name": invite.used_by} if invite.state == "used" and invite.used_by else {}
    name = f"invite.{invite.state}" if values or invite.state != "used" else "invite.used-unnamed"
    return {"id": invite.id, "state": invite.state, "text": say(name, **values)}
