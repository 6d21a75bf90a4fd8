"""The crew's button to talk to the technician: held or not (no I/O, told the time).

The panel says again and again that it is held. Silence, a minute, or the word that it was let go
of closes; what is still said of a press that is over, because it was on its way, opens nothing.
"""

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
        self._over: dict[str, None] = {}
        """In order; each once, so that one said again and again does not push others out."""

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
            self._note_over(press)
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
            self._note_over(self._press)
        self._press, self._until = "", float("-inf")

    def _note_over(self, press: str) -> None:
        self._over.pop(press, None)
        self._over[press] = None
        if len(self._over) > OVER_MAX:
            del self._over[next(iter(self._over))]
