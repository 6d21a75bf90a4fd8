"""The invitation the crew made last, and what became of it. Pure."""

from edgebox.messages.room import Invite, Room
from edgebox.panel.people import plain
from edgebox.panel.view import InviteState, InviteView, invite_id


class Invited:
    """`receive` each new one; `receive_room` tells whether somebody came by it."""

    def __init__(self) -> None:
        self._invite: Invite | None = None
        self._session = ""
        self._used_by: str | None = None
        self._known_then: frozenset[str] = frozenset()

    def receive(self, invite: Invite, session: str, room: Room | None) -> None:
        """A link the crew asked for has been made; `room`: who was there already."""
        self._invite, self._session, self._used_by = invite, session, None
        people = room.participants if room is not None else ()
        self._known_then = frozenset(one.id for one in people)

    def receive_room(self, room: Room) -> None:
        """Whoever is new and has its role came by it."""
        if self._invite is None or self._used_by is not None:
            return
        for one in room.participants:
            if one.role == self._invite.role and one.id not in self._known_then:
                self._used_by = plain(one.name)

    def url(self, id_: str) -> str | None:
        """The link, if that is its id."""
        invite = self._invite
        return invite.url if invite is not None and invite_id(invite.url) == id_ else None

    def view(self, session: str | None, now_utc: float) -> InviteView | None:
        """`session`: the one there is now; None if nobody says."""
        invite = self._invite
        if invite is None:
            return None
        state: InviteState = "expired" if now_utc >= invite.expires_utc else "open"
        if self._used_by is not None:
            state = "used"
        elif session is not None and session != self._session:
            state = "void"
        return InviteView(
            id=invite_id(invite.url), state=state, role=invite.role, used_by=self._used_by or ""
        )
