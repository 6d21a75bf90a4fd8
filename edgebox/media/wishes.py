"""What the crew wants whether media was there to hear it or not (no I/O).

Stop, hide, mute and refuse are retained by the broker, each with the session it means. Media hears
them before it takes up its session again, and obeys: nobody sees on because a process was dead.
"""

from edgebox.media.admission import Admission
from edgebox.media.session import Session
from edgebox.messages.session import HideWish, MuteWish, RefuseWish, StopWish

Wish = StopWish | HideWish | MuteWish | RefuseWish


class Wishes:
    """The newest of each."""

    def __init__(self, session: Session, admission: Admission):
        self._session = session
        self._admission = admission
        self._stop: StopWish | None = None
        self._hide: HideWish | None = None
        self._mute: MuteWish | None = None
        self._refuse: RefuseWish | None = None

    def take(self, wish: Wish) -> None:
        """Then `obey`, or first resume the session."""
        match wish:
            case StopWish():
                self._stop = wish
            case HideWish():
                self._hide = wish
            case MuteWish():
                self._mute = wish
            case RefuseWish():
                self._refuse = wish

    @property
    def is_over(self) -> bool:
        """The session that there is now shall end."""
        return self._stop is not None and self._stop.session == self._session.id

    @property
    def muted(self) -> bool | None:
        """Shall the cabin be muted? None: the crew said nothing in this session."""
        mute = self._mute
        return mute.muted if mute is not None and mute.session == self._session.id else None

    def obey(self) -> tuple[str, ...]:
        """Hide or show, and turn people away. Returns those who are to be cut off."""
        hide, refuse = self._hide, self._refuse
        if hide is not None and hide.session == self._session.id and self._session.sent:
            self._session.hidden = hide.hidden
        if refuse is None or refuse.session != self._session.id:
            return ()
        fresh = [one for one in refuse.participants if one not in self._admission.refused]
        for participant in fresh:
            self._admission.refuse(participant)
        return tuple(fresh)
