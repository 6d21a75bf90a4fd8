"""Alarms of an IntelliVue, in its own words: lists of what is on now. No I/O."""

from edgebox.observation import Alarm, clean
from edgebox.vitals.monitors.intellivue_wire import Cursor
from edgebox.vitals.monitors.standing_alarms import StandingAlarms

ALARMS_TECHNICAL, ALARMS_PATIENT = 0x0904, 0x0902
_PRIORITIES = {
    1: "low technical",
    2: "medium technical",
    4: "high technical",
    256: "low patient",
    512: "medium patient",
    1024: "high patient",
}
"""AlertType, in the guide's words."""


class Alarms:
    """The alarms of one monitor."""

    def __init__(self, device: str):
        self._device = device
        self._standing = StandingAlarms()

    def clear(self) -> None:
        """Nothing is known any more."""
        self._standing.clear()

    def read(
        self, new: dict[int, bytes], at_utc: float | None, now: float, now_utc: float
    ) -> list[Alarm]:
        """The lists are of what is on now: what is not in them any more has ended."""
        if ALARMS_PATIENT not in new and ALARMS_TECHNICAL not in new:
            return []
        current = [
            alarm
            for number in (ALARMS_PATIENT, ALARMS_TECHNICAL)
            for alarm in self._entries(new.get(number, b""), at_utc, now_utc)
        ]
        return self._standing.update(current, now, now_utc)

    def _entries(self, data: bytes, at_utc: float | None, now_utc: float) -> list[Alarm]:
        """DevAlarmList: source, code, type, state, object, kind of info, info with the text."""
        if not data:
            return []
        cursor = Cursor(data)
        count = cursor.u16()
        block = cursor.block()
        cursor.end()
        alarms: list[Alarm] = []
        for _ in range(count):
            source, code, kind, state = (block.u16() for _ in range(4))
            thing = block.take(6)
            block.u16()
            text = _alarm_text(block.block().rest())
            if not text or not kind:
                continue
            alarms.append(
                Alarm(
                    device=self._device,
                    received_utc=now_utc,
                    source_utc=at_utc,
                    text=clean(text, 500),
                    priority=_PRIORITIES.get(kind, f"{kind:04X}"),
                    state="demo" if state & 0x0100 else "active",
                    alarm=f"{source:04X}-{code:04X}-{thing.hex()}",
                )
            )
        block.end()
        return alarms


def _alarm_text(info: bytes) -> str:
    """StrAlMonInfo: instance, text id, priority, flags, String. Without a String: none."""
    if len(info) < 12:
        return ""
    cursor = Cursor(info)
    cursor.take(10)
    return cursor.block().rest().decode("utf-16-be", "replace").rstrip("\x00")
