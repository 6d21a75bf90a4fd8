"""The technician's session as a state machine: who may look, since the crew said so. No I/O.

Theory of operation.

    off ──ask()──▶ asked by the crew ──open(token)──▶ active
    off ──request()──▶ asked by a technician ──admit()──▶ active
    asked, active ──end(), time──▶ off

The crew's ask makes a token for a link: 192 random bits, kept as a hash, good once and for ASK_S.
Whoever opens the link with a technician's certificate is in, for the crew handed it out. A
technician who has no link asks, and the crew admits. A token opened a second time, a wrong one, and
every order of another session, another certificate or after the end gives a Refusal; after
GUESSES_MAX wrong tokens the ask is void.

There is one session at a time, it lives in memory alone, and its end is told by the caller's
monotonic clock: a restart ends it, a wrong wall clock does not stretch it.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Literal, NamedTuple

from edgebox.messages.support import End

ASK_S = 900.0
"""How long an ask waits for an answer."""
GRANT_S = 1800.0
GUESSES_MAX = 5

Refusal = Literal[
    "no-session", "other-session", "other-technician", "wrong-link", "used-link", "busy"
]


class Technician(NamedTuple):
    """Who, by their certificate."""

    name: str
    serial: str


class Session:
    """One box's, for the whole life of the process."""

    def __init__(self, make_id: Callable[[], str], make_token: Callable[[], str]):
        self._make_id = make_id
        self._make_token = make_token
        self._used: str = ""
        self._forget("")

    def _forget(self, why: End) -> None:
        self.state: Literal["off", "asked", "active"] = "off"
        self.id = ""
        self.asked_by: Literal["", "crew", "technician"] = ""
        self.technician: Technician | None = None
        self.ended: End = why
        self._token_hash = ""
        self._guesses = 0
        self._until = float("inf")

    def left_s(self, now: float) -> float:
        """Until it ends by itself; 0 while off."""
        return max(self._until - now, 0.0) if self.state != "off" else 0.0

    # The crew

    def ask(self, now: float) -> str | Refusal:
        """The crew wants help: the token of a new link. An older link is void."""
        if self.state == "active":
            return "busy"
        self._begin("crew", now + ASK_S)
        token = self._make_token()
        self._token_hash = _hash(token)
        return token

    def admit(self, id_: str, serial: str, now: float) -> Refusal | None:
        """The crew lets in the technician they were shown."""
        self.handle_timeout(now)
        if self.state != "asked" or self.technician is None:
            return "no-session"
        if id_ != self.id:
            return "other-session"
        if serial != self.technician.serial:
            return "other-technician"
        self._grant(self.technician, now)
        return None

    def end(self, why: End) -> bool:
        """Whatever there is, is over; False if there was nothing."""
        was = self.state != "off"
        if was:
            self._forget(why)
        return was

    # The technician

    def request(self, who: Technician, now: float) -> Refusal | None:
        """A technician without a link. Does not disturb what there is."""
        self.handle_timeout(now)
        if self.state == "asked" and self.asked_by == "crew" and self.technician is None:
            # The crew asked already; they are shown who answers, and their link stays good.
            self.technician = who
            return None
        if self.state != "off":
            return "busy"
        self._begin("technician", now + ASK_S)
        self.technician = who
        return None

    def open(self, who: Technician, token: str, now: float) -> Refusal | None:
        """A technician with the crew's link."""
        self.handle_timeout(now)
        hashed = _hash(token)
        if self._used and hmac.compare_digest(hashed, self._used):
            return "used-link"
        if self.state != "asked" or not self._token_hash:
            return "no-session"
        if not hmac.compare_digest(hashed, self._token_hash):
            self._guesses += 1
            if self._guesses >= GUESSES_MAX:
                self._forget("guessed")
            return "wrong-link"
        self._used = hashed
        self._grant(who, now)
        return None

    def check(self, id_: str, serial: str, now: float) -> Refusal | None:
        """Whether an order of this session and certificate may be carried out now."""
        self.handle_timeout(now)
        if self.state != "active" or self.technician is None:
            return "no-session"
        if id_ != self.id:
            return "other-session"
        return None if serial == self.technician.serial else "other-technician"

    # Time

    def next_timeout(self) -> float:
        """When it ends by itself; infinite while off."""
        return self._until

    def handle_timeout(self, now: float) -> bool:
        """True if it ended just now."""
        if now < self._until:
            return False
        self._forget("time" if self.state == "active" else "unanswered")
        return True

    def _begin(self, by: Literal["crew", "technician"], until: float) -> None:
        self._forget("")
        self.state, self.asked_by, self.id, self._until = "asked", by, self._make_id(), until

    def _grant(self, who: Technician, now: float) -> None:
        self.state, self.technician, self._until = "active", who, now + GRANT_S
        self._token_hash = ""
        # A new name: what was known of the ask opens nothing.
        self.id = self._make_id()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
