"""Who helps from outside, as the crew sees it. Pure, told the time."""

import math

from edgebox.messages.session import MediaSession
from edgebox.messages.support import ChatLine, SupportSession
from edgebox.messages.support_call import CallStatus
from edgebox.panel.call_view import call_view
from edgebox.panel.people import plain
from edgebox.panel.support_view import SupportView

CHAT_SHOWN = 3
STALE_S = 20.0
"""The support service says an open session anew every 5 s; one that does not is not known."""


class SupportDesk:
    """Folds what the support service says."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing can be heard."""
        self._session: SupportSession | None = None
        self._heard_at = float("-inf")
        self._chat: list[ChatLine] = []
        self._call: CallStatus | None = None
        self._cameras: dict[str, str] = {}
        self.media = ""
        """Instance of the media that was heard last."""

    def receive(self, session: SupportSession, now: float) -> None:
        """The service's word."""
        self._session, self._heard_at = session, now
        self._chat = [line for line in self._chat if line.session == session.id]

    def receive_media(self, session: MediaSession) -> None:
        """Which cameras there are, and whose word that is."""
        self._cameras = {camera.id: camera.name for camera in session.cameras}
        self.media = session.instance

    @property
    def wish(self) -> SupportSession | None:
        """A session whose technician would like a still."""
        session = self._session
        is_wish = session is not None and session.state == "active" and session.still == "asked"
        return session if is_wish else None

    def receive_chat(self, line: ChatLine) -> None:
        """A line of crew or technician."""
        if self._session is not None and line.session == self._session.id:
            self._chat = [*self._chat, line][-CHAT_SHOWN:]

    def receive_call(self, status: CallStatus) -> None:
        """Media's word on what flows."""
        self._call = status

    def forget_call(self) -> None:
        """Media has stopped; what it said last is true no more, not for the next process either."""
        self._call = None

    def view(self, now: float, *, away: bool) -> SupportView:
        """As of now. `away`: the support service does not run: its session died with it."""
        session = self._session
        if away or session is None:
            return SupportView(state="away")
        age_s = now - self._heard_at
        left_s = max(session.left_s - age_s, 0.0)
        stale = session.state != "off" and age_s > STALE_S
        return SupportView(
            state="unsure" if stale else session.state,
            id=session.id,
            technician=plain(session.technician),
            serial=session.serial,
            minutes=math.ceil(left_s / 60),
            doing=session.doing,
            subject=plain(session.subject),
            ended=session.ended,
            texted=session.texted,
            command_line=session.command_line if session.state == "active" else "none",
            command_line_minutes=math.ceil(max(session.command_line_left_s - age_s, 0.0) / 60),
            way=session.way,
            still=session.still if session.state == "active" else "off",
            still_camera=session.still_camera,
            still_name=self._cameras.get(session.still_camera, session.still_camera),
            call=call_view(session, self._call),
            chat=tuple((line.by, plain(line.text)) for line in self._chat),
        )
