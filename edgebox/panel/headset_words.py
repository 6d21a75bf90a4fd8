"""Puts the headsets' view into the words of one language."""

from typing import Any, Protocol

from edgebox.panel.headset_view import DeviceView, HeadsetView


class Words(Protocol):
    """What is needed of words.Words."""

    def say(self, name: str, /, **values: str | int) -> str:
        """The sentence of that name."""

    def clock(self, utc_s: float, now_utc: float) -> str:
        """A day or a time of day."""


def say_headset(view: HeadsetView, words: Words, now_utc: float) -> dict[str, Any]:
    """What the page draws."""
    return {
        "here": view.here,
        "devices": [_say_device(one, view, words) for one in view.devices],
        "card": _say_device(view.card, view, words) if view.card is not None else None,
        "note": _note(view, words, now_utc),
    }


def _say_device(one: DeviceView, view: HeadsetView, words: Words) -> dict[str, Any]:
    key = f"headset.{one.state}" if not one.reason else f"headset.refused.{one.reason}"
    vehicle = one.belongs or view.vehicle
    return {
        "device": one.device,
        "name": one.name,
        "digits": one.digits,
        "state": one.state,
        "text": words.say(key, vehicle=vehicle),
    }


def _note(view: HeadsetView, words: Words, now_utc: float) -> str:
    """What is wrong with the list of devices or the page's certificate, once it matters."""
    if not view.here:
        return ""
    if view.registry != "good":
        until = words.clock(view.expires_utc, now_utc) if view.expires_utc is not None else ""
        return words.say(f"headset.list.{view.registry}", until=until)
    if view.certificate in {"good", "off"}:
        return ""
    until = words.clock(view.certificate_until_utc, now_utc) if view.certificate_until_utc else ""
    return words.say(f"headset.certificate.{view.certificate}", until=until)
