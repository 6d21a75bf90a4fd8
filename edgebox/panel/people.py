"""Who is in the room and who of them gets pictures. Pure.

Media's watchers are the box's own truth. The hub's participants only tell who else is there.
"""

from collections import Counter

from edgebox.messages import MediaSession, Participant, Room, Watcher
from edgebox.panel.view import PersonView


def plain(name: str) -> str:
    """A name from outside without control and direction characters, which could disguise it."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def person(one: Watcher | Participant) -> PersonView:
    """As shown."""
    return PersonView(name=plain(one.name), role=one.role, state=one.state)


def without_picture(session: MediaSession, room: Room) -> tuple[PersonView, ...]:
    """Participants no watcher accounts for. Each watcher accounts for one at most.

    A watcher is its participant by id, or else by name and role: of two guests who look the same,
    one watching, the other is still named here.
    """
    ids = {participant.id for participant in room.participants}
    peers = {watcher.peer for watcher in session.watchers}
    by_name = Counter((w.name, w.role) for w in session.watchers if w.peer not in ids)
    left = []
    for participant in room.participants:
        if participant.id in peers:
            continue
        key = (participant.name, participant.role)
        if by_name[key] > 0:
            by_name[key] -= 1
        else:
            left.append(person(participant))
    return tuple(left)
