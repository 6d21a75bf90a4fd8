"""Whether the technician may have a command line, since the crew said so. No I/O.

    off ──ask()──▶ asked ──grant()──▶ granted ──open()──▶ open
    asked, granted, open ──end(), time──▶ off

It is good once: one that ended is asked for and granted anew. The session is around it; whoever
ends that ends this.
"""

from typing import Literal

from edgebox.messages.support_shell import ShellState

ASKED_S = 120.0
GRANTED_S = 600.0
"""From the crew's tap until it is closed, whatever is going on in it."""

ShellRefusal = Literal["no-shell", "not-granted", "shell-busy"]


class ShellGrant:
    """One box's."""

    def __init__(self, *, offered: bool):
        """`offered`: this box has a command line to give."""
        self._offered = offered
        self.state: ShellState = "off" if offered else "none"
        self._until = float("inf")

    def ask(self, now: float) -> ShellRefusal | None:
        """The technician would like one; asking twice changes nothing."""
        self.handle_timeout(now)
        if not self._offered:
            return "no-shell"
        if self.state in {"granted", "open"}:
            return "shell-busy"
        if self.state == "off":
            self.state, self._until = "asked", now + ASKED_S
        return None

    def grant(self, now: float) -> ShellRefusal | None:
        """The crew says yes to what is asked."""
        self.handle_timeout(now)
        if self.state != "asked":
            return "not-granted"
        self.state, self._until = "granted", now + GRANTED_S
        return None

    def open(self, now: float) -> ShellRefusal | None:
        """The grant is spent."""
        self.handle_timeout(now)
        if not self._offered:
            return "no-shell"
        if self.state != "granted":
            return "shell-busy" if self.state == "open" else "not-granted"
        self.state = "open"
        return None

    def end(self) -> None:
        """Nothing is asked, granted or open."""
        self.state = "off" if self._offered else "none"
        self._until = float("inf")

    def left_s(self, now: float) -> float:
        """Until it ends by itself; 0 where there is nothing to end."""
        return max(self._until - now, 0.0) if self.state not in {"none", "off"} else 0.0

    def handle_timeout(self, now: float) -> bool:
        """True if it ended just now."""
        if now < self._until:
            return False
        self.end()
        return True
