"""Whether crew and technician talk to each other, since both said so. No I/O.

    off ──ask(technician)──▶ asked ──ask(crew)──▶ open
    off ──ask(crew)──▶ calling ──ask(technician)──▶ open
    asked, calling, open ──end(), time──▶ off

While open it lasts as long as media has a connection for it; LOST_S without one end it. The session
is around it; whoever ends that ends this. It gives the technician no ear in the cabin: for that the
crew holds a button, and media sees to it.
"""

from typing import Literal

from edgebox.messages.support_call import CallEnd, CallState

ASKED_S = 60.0
LOST_S = 25.0
"""A page makes a connection anew by itself, over links that may be poor."""

Side = Literal["crew", "technician"]


class CallGrant:
    """One box's."""

    def __init__(self) -> None:
        self.state: CallState = "off"
        self.ended: CallEnd = ""
        self._until = float("inf")

    def ask(self, side: Side, now: float) -> Literal["asked", "answered", "known"]:
        """This side would like to talk; what came of it. Asking twice changes nothing."""
        own: CallState = "calling" if side == "crew" else "asked"
        if self.state == "off":
            self.state, self._until, self.ended = own, now + ASKED_S, ""
            return "asked"
        if self.state in {own, "open"}:
            return "known"
        self.state, self._until = "open", now + LOST_S
        return "answered"

    def link(self, connected: bool, now: float) -> None:
        """Media has a connection, or has none; said when that changes."""
        if self.state == "open":
            self._until = float("inf") if connected else now + LOST_S

    def end(self, why: CallEnd) -> bool:
        """Nothing is asked or open; False if nothing was."""
        was = self.state != "off"
        if was:
            self.state, self._until, self.ended = "off", float("inf"), why
        return was

    def forget(self) -> None:
        """Another session."""
        self.end("session")
        self.ended = ""

    def due(self, now: float) -> CallEnd:
        """Why it is to be ended now; empty: it is not."""
        if now < self._until:
            return ""
        return "lost" if self.state == "open" else "unanswered"
