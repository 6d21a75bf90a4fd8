"""Puts the patient monitors' tile into the words of one language."""

from typing import TYPE_CHECKING, Any

from babel.numbers import format_decimal

from edgebox.panel.vitals import MonitorView, ValueView, VitalsView

if TYPE_CHECKING:
    from edgebox.panel.words import Words

ALARMS_MAX = 2
AGE_IN_MINUTES_S = 120
AGE_IN_HOURS_S = 7200


def say_vitals(view: VitalsView | None, words: "Words", now_utc: float) -> dict[str, Any] | None:
    """`silent`: no monitor gives anything; `trouble` takes the place of the values on the tile."""
    if view is None:
        return None
    say = words.say
    troubles = [_trouble(one, words, now_utc) for one in view.monitors if one.silent]
    return {
        "trouble": " ".join(troubles) if view.known else say("vitals.unknown"),
        "silent": not view.known or len(troubles) == len(view.monitors),
        "sources": ", ".join(one.name for one in view.monitors),
        "demo": say("vitals.demo") if any(one.demo for one in view.monitors) else "",
        "clock": " ".join(_clock(one, words) for one in view.monitors if one.clock_ahead_s),
        "values": [_value(one, words, now_utc) for one in view.values],
        "store": "" if view.storing == "fine" else say(f"vitals.store.{view.storing}"),
        "alarms": [f"«{text}»" for text in view.alarms[:ALARMS_MAX]],
    }


def _value(one: ValueView, words: "Words", now_utc: float) -> dict[str, Any]:
    """`wide`: a blood pressure with its parts, as long as two others."""
    say = words.say
    name = say(f"vital.{one.name}")
    if name == f"vital.{one.name}":
        name = one.label or one.name
    if one.source:
        name = f"{name} · {one.source}"
    return {
        "name": name,
        "value": _number(one, words),
        "wide": one.diastolic is not None,
        "unit": unit_text(one.unit) or say("vitals.no-unit"),
        "standing": "none" if one.value is None else one.standing,
        "now": _now(one, words, now_utc),
    }


def _number(one: ValueView, words: "Words") -> str:
    """`128/76 (93)` for a blood pressure: systolic, diastolic, mean."""
    if one.value is None:
        return "- -"
    pattern = "0.0" if one.unit == "Cel" else "0.#"
    value, diastolic, mean = (
        "" if number is None else str(format_decimal(number, pattern, locale=words.language))
        for number in (one.value, one.diastolic, one.mean)
    )
    return value + (f"/{diastolic}" if diastolic else "") + (f" ({mean})" if mean else "")


def _now(one: ValueView, words: "Words", now_utc: float) -> str:
    """Validity and age."""
    say = words.say
    if one.standing == "stale":
        return say("vitals.stale", age=_age(one.age_s, words))
    validity = say(f"validity.{one.standing}")
    if one.value is None:
        return validity
    if one.measured_utc is not None:
        return f"{validity} {words.clock(one.measured_utc, now_utc)}"
    return f"{validity} {_age(one.age_s, words)}"


def _trouble(one: MonitorView, words: "Words", now_utc: float) -> str:
    say = words.say
    detail = "" if one.state == "connected" else " " + say(f"monitor.{one.state}")
    if one.last_utc is None:
        return say("vitals.never", name=one.name) + detail
    since = words.clock(one.last_utc, now_utc)
    return say("vitals.silent", name=one.name, since=since) + detail


def _clock(one: MonitorView, words: "Words") -> str:
    ahead_s = one.clock_ahead_s or 0
    name = "vitals.clock-ahead" if ahead_s > 0 else "vitals.clock-behind"
    return words.say(name, name=one.name, age=_age(abs(ahead_s), words))


def _age(seconds: int, words: "Words") -> str:
    if seconds < AGE_IN_MINUTES_S:
        return words.say("vitals.seconds", count=seconds)
    if seconds < AGE_IN_HOURS_S:
        return words.say("vitals.minutes", count=seconds // 60)
    return words.say("vitals.hours", count=seconds // 3600)


def unit_text(unit: str) -> str:
    """UCUM as people write it."""
    if unit == "1":
        return ""
    plain = unit.replace("Cel", "°C").replace("[degF]", "°F")
    return "".join(c for c in plain if c not in "[]{}")
