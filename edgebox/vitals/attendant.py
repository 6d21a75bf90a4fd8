"""Looks after one monitor: is it there, can it be read, what does its clock say. No I/O.

Whoever owns the connection tells it what happened; it keeps the status and gives back incidents
that belong into the record, so that every hole in the data has its reason beside it.
"""

import math
from collections import deque
from typing import Literal

from edgebox.config.vitals import Monitor
from edgebox.messages.vitals import MonitorStatus
from edgebox.observation import Incident, Numeric, Observation, Wave
from edgebox.vitals.clock import SourceClock

State = Literal["waiting", "connected", "silent", "gone", "wrong-speed", "two-on-one-line"]

WINDOW_S = 10.0
"""What is readable and what is not is judged over this time."""
WRONG_SPEED_BYTES = 64
"""So many without one readable frame are another speed, parity or protocol."""
MIXED_DAMAGED = 6
MIXED_SHARE = 0.2
"""So many damaged frames beside readable ones: two talk at once, or the cable is bad."""
DAMAGED_EVERY_S = 5.0
"""Damage is put into the record at most so often, with its count."""


class Attendant:
    """One configured monitor."""

    def __init__(self, monitor: Monitor, now_utc: float):
        self.monitor = monitor
        self.device = ""
        self.detail = ""
        self._state: State = "waiting"
        self._since_utc = now_utc
        self._clock = SourceClock()
        self._heard: deque[tuple[float, int, int, int]] = deque()
        """When, bytes, readable frames, damaged ones."""
        self._opened_at: float | None = None
        self._gone_at = math.inf
        self._gone_why = ""
        self._readable_at = -math.inf
        self._received_utc = 0.0
        self._demo = False
        self._damaged = 0
        self._unsaid = 0
        self._said_at = -1e9
        self._senders: dict[str, float] = {}

    @property
    def state(self) -> State:
        """As in MonitorStatus."""
        return self._state

    def opened(self, now: float) -> None:
        """The port or the connection is open; nothing has come yet."""
        self._opened_at = now
        self._gone_at = math.inf
        self._heard.clear()

    def closed(
        self, now: float, now_utc: float, why: str, grace_s: float = 0.0
    ) -> list[Observation]:
        """Unplugged, or the monitor ended the connection. It is gone unless opened in `grace_s`."""
        self._opened_at = None
        self._gone_at, self._gone_why = now + grace_s, why
        return self._say_damage(now, now_utc, at_once=True) + self.check(now, now_utc)

    def failed(self, why: str) -> None:
        """It cannot be opened; said to the technician until it can."""
        self.detail = why[:200]

    def heard(
        self, size: int, readable: int, damaged: int, now: float, now_utc: float
    ) -> list[Observation]:
        """Bytes came, with so many whole frames and so many damaged ones."""
        self._heard.append((now, size, readable, damaged))
        self._damaged += damaged
        self._unsaid += damaged
        if readable:
            self._readable_at = now
            self._received_utc = now_utc
        return self.check(now, now_utc)

    def sender(self, name: str, now: float) -> None:
        """Who says that a message is theirs: two within a few seconds are two monitors."""
        self._senders = {one: at for one, at in self._senders.items() if at > now - WINDOW_S}
        self._senders[name] = now
        self.device = name

    def observe(self, observations: list[Observation], now: float) -> list[Observation]:
        """What it said; with what that says about its clock."""
        found: list[Observation] = []
        for one in observations:
            if isinstance(one, Numeric | Wave):
                self._demo = one.validity == "demo"
            if one.source_utc is None or (isinstance(one, Numeric) and one.episodic):
                continue
            jump = self._clock.observe(one.source_utc, one.received_utc, now)
            if jump is not None:
                text = f"the monitor's clock was moved by {jump:+.0f} s"
                found.append(self._incident("clock-jumped", one.received_utc, text=text))
        return found

    def check(self, now: float, now_utc: float) -> list[Observation]:
        """Work out the state anew; call each second as well."""
        while self._heard and self._heard[0][0] < now - WINDOW_S:
            self._heard.popleft()
        found = self._say_damage(now, now_utc)
        if self._opened_at is None:
            if now < self._gone_at:
                return found
            return found + self._change("gone", self._gone_why, now_utc)
        state, why = self._judge(now)
        return found + self._change(state, why, now_utc)

    def _judge(self, now: float) -> tuple[State, str]:
        size, readable, damaged = (sum(one[n] for one in self._heard) for n in (1, 2, 3))
        senders = sorted(name for name, at in self._senders.items() if at > now - WINDOW_S)
        if len(senders) > 1:
            return "two-on-one-line", f"both {senders[0]} and {senders[1]} send here"
        if readable and damaged >= MIXED_DAMAGED and damaged >= MIXED_SHARE * readable:
            return "two-on-one-line", "frames are mixed up: two monitors, or a bad cable"
        if now < self._readable_at + self.monitor.stale_after_s:
            return "connected", ""
        if size >= WRONG_SPEED_BYTES and not readable:
            return "wrong-speed", "bytes come that are not readable: speed, parity or protocol?"
        opened = self._opened_at if self._opened_at is not None else now
        if now < opened + self.monitor.stale_after_s:
            return self._state, self.detail
        return "silent", "nothing comes: is the monitor on, is its export on?"

    def _change(self, state: State, why: str, now_utc: float) -> list[Observation]:
        self.detail = why[:200]
        if state == self._state:
            return []
        was, self._state, self._since_utc = self._state, state, now_utc
        if state == "waiting" or (was == "waiting" and state == "gone"):
            return []
        return [self._incident(state, now_utc, text=why)]

    def _say_damage(self, now: float, now_utc: float, at_once: bool = False) -> list[Observation]:
        if not self._unsaid or not (at_once or now >= self._said_at + DAMAGED_EVERY_S):
            return []
        count, self._unsaid, self._said_at = self._unsaid, 0, now
        return [self._incident("damaged", now_utc, count=count)]

    def _incident(self, what: str, at_utc: float, count: int = 0, text: str = "") -> Incident:
        return Incident(
            device=self.monitor.id,
            received_utc=at_utc,
            source_utc=None,
            what=what,  # type: ignore[arg-type]
            count=count,
            text=text,
        )

    def status(self) -> MonitorStatus:
        """For panel and hub."""
        return MonitorStatus(
            id=self.monitor.id,
            name=self.monitor.name,
            kind=self.monitor.kind,
            state=self._state,
            since_utc=self._since_utc,
            stale_after_s=self.monitor.stale_after_s,
            device=self.device,
            received_utc=self._received_utc,
            clock_ahead_s=self._clock.ahead_s,
            demo=self._demo,
            damaged=self._damaged,
            detail=self.detail,
        )
