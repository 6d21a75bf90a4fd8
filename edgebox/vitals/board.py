"""The last value of everything and the monitor's own alarms that it has not ended. No I/O."""

from edgebox.messages.vitals import VitalsNow
from edgebox.observation import Alarm, Incident, Numeric, Observation

FORGET_S = 3600.0
"""What nobody has measured for so long leaves the board; until then its age is shown."""
NUMERICS_MAX = 200
ALARMS_MAX = 20
ALARM_FORGET_S = 120.0
"""Monitors repeat an alarm that goes on; one whose end was lost must not stand for ever."""
ENDED = frozenset({"end", "off", "inactive", "ended"})


class Board:
    """What there is to show now."""

    def __init__(self) -> None:
        self._numerics: dict[tuple[str, int, str, str], Numeric] = {}
        self._alarms: dict[tuple[str, str], Alarm] = {}

    def put(self, observation: Observation) -> bool:
        """Take one in; True if it changes what is shown."""
        match observation:
            case Numeric(device=device, code=code, name=name, channel=channel):
                self._numerics[device, code, name, channel] = observation
                if len(self._numerics) > NUMERICS_MAX:
                    del self._numerics[next(iter(self._numerics))]
            case Alarm(device=device, alarm=alarm, text=text):
                self._put_alarm((device, alarm or text), observation)
            case Incident(device=device, what="restarted" | "gone"):
                self._alarms = {k: v for k, v in self._alarms.items() if k[0] != device}
            case _:
                return False
        return True

    def now(self, at_utc: float) -> VitalsNow:
        """For the panel; what is too old is gone."""
        self._numerics = {
            key: one
            for key, one in self._numerics.items()
            if abs(at_utc - one.received_utc) < FORGET_S
        }
        self._alarms = {
            key: one
            for key, one in self._alarms.items()
            if abs(at_utc - one.received_utc) < ALARM_FORGET_S
        }
        return VitalsNow(
            at_utc=at_utc,
            numerics=tuple(self._numerics.values()),
            alarms=tuple(self._alarms.values())[: -ALARMS_MAX - 1 : -1],
        )

    def _put_alarm(self, key: tuple[str, str], alarm: Alarm) -> None:
        self._alarms.pop(key, None)
        if alarm.state.lower() not in ENDED:
            self._alarms[key] = alarm
