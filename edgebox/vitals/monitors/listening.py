"""Base of lines on which the monitor talks and we only listen. No I/O."""

from edgebox.observation import Observation


class Listening:
    """What such a line has in common with the others."""

    name = ""

    def __init__(self) -> None:
        self.readable = 0
        self.damaged = 0
        self._found: list[Observation] = []

    def data_to_send(self) -> bytes:
        """Nothing."""
        return b""

    def observations(self) -> list[Observation]:
        """Taken once."""
        found, self._found = self._found, []
        return found

    def next_timeout(self) -> float | None:
        """Nothing is due."""
        return None

    def handle_timeout(self, now: float) -> None:
        """Nothing."""

    def leave(self) -> bytes:
        """Nothing."""
        return b""
