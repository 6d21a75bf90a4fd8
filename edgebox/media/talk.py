"""The crew's button to talk to the technician: held or not (no I/O, told the time).

The panel says again and again that it is held. Silence, a minute, or the word that it was let go
of closes; what is still said of a press that is over, because it was on its way, opens nothing.
"""

from collections import deque

SILENT_S = 1.0
PRESS_S = 60.0
"""Something lies on the button."""
OVER_MAX = 16
"""Presses that are remembered; what is on its way is never older."""


class Button:
    """Shut at first."""

    def __init__(self) -> None:
        self._press = ""
        self._until = self._most_until = float("-inf")
        self._over: deque[str] = deque(maxlen=OVER_MAX)

    @property
    def until(self) -> float:
        """When it counts as let go of, unless more is heard."""
        return self._until

    def is_held(self, now: float) -> bool:
        """Only this opens the microphone."""
        return now < self._until

    def receive(self, press: str, held: bool, now: float) -> None:
        """The panel's word."""
        if not held:
            self._over.append(press)
            if press == self._press:
                self._until = float("-inf")
        elif press not in self._over:
            if press != self._press:
                self.release()
                self._press, self._most_until = press, now + PRESS_S
            self._until = min(now + SILENT_S, self._most_until)

    def release(self) -> None:
        """Whatever is held does not count any more; it takes a new press."""
        if self._press:
            self._over.append(self._press)
        self._press, self._until = "", float("-inf")
