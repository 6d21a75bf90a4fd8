"""The sessions of a box: the one in use, one that has yet to prove itself, and those that fade."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from edgebox.bond.connection import Connection
from edgebox.bond.meter import Counters
from edgebox.bond.transport import Driver

logger = logging.getLogger(__name__)

SESSION_MAX_S = 8 * 3600.0
"""Certificates are looked at again after this."""
OVERLAP_S = 3.0
"""The session before may still bring something this long."""
PROVE_S = 3.0
"""New keys that bring nothing back by then are of no use."""


@dataclass
class BoxSession:
    """A connection and what drives it."""

    connection: Connection
    driver: Driver
    started_at: float
    replaced_at: float = 0.0


class BoxSessions:
    """By number."""

    def __init__(self) -> None:
        self.current: BoxSession | None = None
        """The one in use."""
        self._fresh: BoxSession | None = None
        self._all: dict[int, BoxSession] = {}
        self._ended = Counters()

    def __iter__(self) -> Iterator[BoxSession]:
        """All of them; they may end meanwhile."""
        return iter(list(self._all.values()))

    def find(self, number: int) -> BoxSession | None:
        """The session a packet names. One that names none is counted as garbage."""
        session = self._all.get(number)
        if session is None:
            self._ended.garbage += 1
        return session

    def need_keys(self, now: float) -> bool:
        """There is no session, or the one in use is old or brings nothing back."""
        if self._fresh is not None:
            return False
        if self.current is None:
            return True
        old = now - self.current.started_at > SESSION_MAX_S
        return old or self.current.connection.is_silent(now)

    def begin(self, session: BoxSession) -> None:
        """It takes over when the hub has answered on it."""
        self._all[session.connection.session] = session
        self._fresh = session

    def settle(self, now: float) -> None:
        """Let a proved session take over, and end those that are of no use any more."""
        fresh = self._fresh
        if fresh is not None and fresh.connection.established:
            if self.current is not None:
                self.current.replaced_at = now
            self.current, self._fresh = fresh, None
            logger.info("session %08x is in use", fresh.connection.session)
        elif fresh is not None and now - fresh.started_at > PROVE_S:
            self._fresh = None
            self._end(fresh)
        for session in self:
            if session.replaced_at and now - session.replaced_at > OVERLAP_S:
                self._end(session)

    def close(self) -> None:
        """End all."""
        for session in self:
            self._end(session)

    def counters(self) -> Counters:
        """Totals over all sessions, those that have ended included."""
        total = Counters()
        for part in (self._ended, *(one.connection.counters for one in self)):
            total.add(part)
        return total

    def _end(self, session: BoxSession) -> None:
        session.driver.close()
        del self._all[session.connection.session]
        self._ended.add(session.connection.counters)
