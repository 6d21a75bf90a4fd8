"""Whether the technician may have a still, of which camera, as the crew is shown it. No I/O.

    off ──ask(camera)──▶ asked ──grant(camera)──▶ granted ──spend(camera)──▶ off
    asked, granted ──end(), time──▶ off

Media keeps the crew's own word and decides by that; this is what desk and panel show, and the
reason why a picture is asked for or not.
"""

from typing import Literal

from edgebox.messages.support_still import StillState

ASKED_S = 120.0
GRANTED_S = 60.0
"""As long as media keeps it."""

StillRefusal = Literal["camera-not-allowed", "still-busy"]


class StillGrant:
    """One box's."""

    def __init__(self) -> None:
        self.state: StillState = "off"
        self.camera = ""
        self._until = float("inf")

    def ask(self, camera: str, now: float) -> StillRefusal | None:
        """The technician would like one; asking twice changes nothing."""
        self.handle_timeout(now)
        if self.state != "off" and (self.state, self.camera) != ("asked", camera):
            return "still-busy"
        if self.state == "off":
            self.state, self.camera, self._until = "asked", camera, now + ASKED_S
        return None

    def grant(self, camera: str, now: float) -> StillRefusal | None:
        """The crew says yes to what is asked."""
        self.handle_timeout(now)
        if (self.state, self.camera) != ("asked", camera):
            return "camera-not-allowed"
        self.state, self._until = "granted", now + GRANTED_S
        return None

    def spend(self, camera: str, now: float) -> StillRefusal | None:
        """It is good once."""
        self.handle_timeout(now)
        if (self.state, self.camera) != ("granted", camera):
            return "camera-not-allowed"
        self.end()
        return None

    def end(self) -> None:
        """Nothing is asked or granted."""
        self.state, self.camera, self._until = "off", "", float("inf")

    def handle_timeout(self, now: float) -> bool:
        """True if it ended just now."""
        if now < self._until:
            return False
        self.end()
        return True
