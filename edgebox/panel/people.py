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
    """Participants no watcher accounts for.

    A watcher is its participant's by the id its peer name holds, or else by name and role; by the
    latter each accounts for one at most: of two guests who look the same, one watching, the other
    is still named here.
    """
    ids = [participant.id for participant in room.participants]
    peers = [watcher.peer for watcher in session.watchers]
    by_name = Counter(
        (watcher.name, watcher.role)
        for watcher in session.watchers
        if not any(one in watcher.peer for one in ids)
    )
    left = []
    for participant in room.participants:
        if any(participant.id in peer for peer in peers):
            continue
        key = (participant.name, participant.role)
        if by_name[key] > 0:
            by_name[key] -= 1
        else:
            left.append(person(participant))
    return tuple(left)
