"""The room of one video session, without I/O: who is in it and which of their pages are open.

A participant joins once by an invitation and stays until they leave or the session ends; their
pages come and go, as browsers are reloaded and networks change. A page has at most one connection
to the box, its peer, whose name holds the participant's.

Each person has one page at a time: a newer one takes over, and the older one is told.

The crew lets people in or turns them away, and the box says whom (`MediaSession.admitted` and
`refused`). Whoever is not admitted, with the very role they joined in, waits: nothing of the room
is told to them and nothing of theirs goes to the box but their name and role.

The box also says who really gets pictures (`MediaSession.watchers`). A peer of ours that is among
them while no page of that name has been open for GRACE_S is to be closed: its page is gone, or
a restarted hub does not know it any more. That rule alone also covers lost messages, for it is
applied again for as long as the box goes on naming the peer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edgebox.hub.tokens import participant_of
from edgebox.messages.base import Role
from edgebox.messages.room import Participant
from edgebox.messages.session import MediaSession
from edgebox.roles import RIGHTS, Rights

GRACE_S = 10.0
"""A page that comes back within this keeps its pictures meanwhile."""
PEOPLE_MAX = 20


@dataclass
class Person:
    """One participant."""

    id: str
    name: str
    role: Role
    joined_utc: float
    page: str | None = None
    """Peer of the page that is open now."""
    admitted: bool = False
    was_admitted: bool = False
    """At some time before."""
    muted: bool = False
    """Their page says that its microphone is off."""

    @property
    def is_muted(self) -> bool:
        """They could speak and do not."""
        return self.muted and RIGHTS[self.role].speaks

    @property
    def rights(self) -> Rights:
        """Of their role, once they are admitted."""
        return RIGHTS[self.role] if self.admitted else Rights()


class Room:
    """Who is in the room of one session of one box."""

    def __init__(self, room_id: str, box: str, session: str):
        self.id = room_id
        self.box = box
        self.session = session
        self.people: dict[str, Person] = {}
        self.stale = False
        """Something the box shall hear of soon, but not at once."""
        self._orphans: dict[str, float] = {}

    @property
    def is_full(self) -> bool:
        """True if nobody more is let in."""
        return len(self.people) >= PEOPLE_MAX

    def open_page(self, participant: str, peer: str) -> str | None:
        """A page of theirs is connected; the peer of the one it takes over from, if any."""
        person = self.people[participant]
        earlier, person.page = person.page, peer
        return earlier if earlier != peer else None

    def close_page(self, participant: str, peer: str) -> None:
        """The page is not connected any more. It may come back."""
        person = self.people.get(participant)
        if person is not None and person.page == peer:
            person.page = None

    def heed(self, session: MediaSession) -> tuple[list[Person], list[Person]]:
        """What the crew decided: those let in since the last call, and those to be put out."""
        if session.id != self.session:
            return [], []
        admitted = {(one.participant, one.role) for one in session.admitted}
        let_in = []
        for person in self.people.values():
            before, person.admitted = person.admitted, (person.id, person.role) in admitted
            if person.admitted and not before:
                person.was_admitted = True
                let_in.append(person)
        return let_in, [self.people[one] for one in session.refused if one in self.people]

    def peers_to_close(self, watchers: Iterable[str], now: float) -> list[str]:
        """Peers the box still serves although nobody has had a page for them for GRACE_S."""
        open_pages = {person.page for person in self.people.values()}
        lost = {peer for peer in watchers if participant_of(peer) and peer not in open_pages}
        self._orphans = {peer: self._orphans.get(peer, now) for peer in lost}
        due = [peer for peer, since in self._orphans.items() if now - since >= GRACE_S]
        for peer in due:
            self._orphans[peer] = now
        return due

    def participants(self) -> tuple[Participant, ...]:
        """For the box and the pages, in the order they joined."""
        return tuple(
            Participant(
                id=person.id,
                name=person.name,
                role=person.role,
                state="present" if person.page else "away",
                joined_utc=person.joined_utc,
                muted=person.is_muted,
            )
            for person in sorted(self.people.values(), key=lambda one: one.joined_utc)
        )
