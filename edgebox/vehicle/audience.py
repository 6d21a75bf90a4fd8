"""Who may know where the vehicle is. Pure.

The position leaves the box only while a session is live and the crew has let in somebody whose role
has the right to it. A session that a dead media left on the broker is no session.
"""

from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import MediaSession
from edgebox.roles import RIGHTS


class Audience:
    """Fed with what media says."""

    def __init__(self) -> None:
        self._media: ServiceStatus | None = None
        self._session: MediaSession | None = None

    def receive_service(self, status: ServiceStatus) -> None:
        """Others than media do not matter."""
        if status.service == "media":
            self._media = status

    def receive_session(self, session: MediaSession) -> None:
        """The latest."""
        self._session = session

    @property
    def may_know_position(self) -> bool:
        """True if anybody may."""
        session = self._session
        if session is None or not self.is_live:
            return False
        return any(RIGHTS[one.role].position for one in session.admitted)

    @property
    def is_live(self) -> bool:
        """Whether video is on."""
        media, session = self._media, self._session
        if media is None or session is None or session.state != "live":
            return False
        return media.state != "stopped" and media.instance == session.instance
