"""The room of one video session, without I/O: who is in it and which of their pages are open.

A participant joins once by an invitation and stays until they leave or the session ends; their
pages come and go, as browsers are reloaded and networks change. A page has at most one connection
to the box, its peer, whose name holds the participant's.

The box says who really gets pictures (`MediaSession.watchers`). A peer of ours that is among them
while no page of that name has been open for GRACE_S is to be closed: its page is gone, or
a restarted hub does not know it any more. That rule alone also covers lost messages, for it is
applied again for as long as the box goes on naming the peer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgebox.hub.tokens import participant_of
from edgebox.messages import Participant, Role

GRACE_S = 10.0
"""A page that comes back within this keeps its pictures meanwhile."""
PEOPLE_MAX = 20
PAGES_MAX = 4
"""Open pages of one participant."""
SEES_PICTURES: frozenset[Role] = frozenset({"doctor", "observer"})
"""The roles whose offers are relayed to the box at all."""


@dataclass
class Person:
    """One participant."""

    id: str
    name: str
    role: Role
    joined_utc: float
    pages: set[str] = field(default_factory=set)
    """Peers of the pages that are open now."""


class Room:
    """Who is in the room of one session of one box."""

    def __init__(self, room_id: str, box: str, session: str):
        self.id = room_id
        self.box = box
        self.session = session
        self.people: dict[str, Person] = {}
        self._orphans: dict[str, float] = {}

    @property
    def is_full(self) -> bool:
        """True if nobody more is let in."""
        return len(self.people) >= PEOPLE_MAX

    def open_page(self, participant: str, peer: str) -> bool:
        """A page of theirs is connected; False if they have too many."""
        pages = self.people[participant].pages
        if peer not in pages and len(pages) >= PAGES_MAX:
            return False
        pages.add(peer)
        return True

    def close_page(self, participant: str, peer: str) -> None:
        """The page is not connected any more. It may come back."""
        if participant in self.people:
            self.people[participant].pages.discard(peer)

    def peers_to_close(self, watchers: Iterable[str], now: float) -> list[str]:
        """Peers the box still serves although nobody has had a page for them for GRACE_S."""
        open_pages = {peer for person in self.people.values() for peer in person.pages}
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
                state="present" if person.pages else "away",
                joined_utc=person.joined_utc,
            )
            for person in sorted(self.people.values(), key=lambda one: one.joined_utc)
        )
