"""From lists of what is on now to alarms that begin, go on and end. No I/O."""

from collections.abc import Iterable

import msgspec

from edgebox.observation import Alarm

REPEAT_S = 30.0
"""An alarm that goes on is said again, so that who comes later hears of it."""


class StandingAlarms:
    """The alarms of one list."""

    def __init__(self) -> None:
        self._on: dict[str, tuple[Alarm, float]] = {}

    def update(self, current: Iterable[Alarm], now: float, now_utc: float) -> list[Alarm]:
        """The whole list as it is now; what there is to say about it."""
        found: list[Alarm] = []
        listed = {alarm.alarm: alarm for alarm in current}
        for key, alarm in listed.items():
            before, said_at = self._on.get(key, (None, 0.0))
            changed = before is None or (before.priority, before.text) != (
                alarm.priority,
                alarm.text,
            )
            if changed or now >= said_at + REPEAT_S:
                self._on[key] = (alarm, now)
                found.append(alarm)
        for key in self._on.keys() - listed.keys():
            ended, _ = self._on.pop(key)
            found.append(
                msgspec.structs.replace(ended, received_utc=now_utc, source_utc=None, state="end")
            )
        return found

    def clear(self) -> None:
        """Nothing is known any more."""
        self._on.clear()
