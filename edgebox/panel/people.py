"""Who is with us, who waits to be let in, and what each gets. Pure.

Media's watchers are the box's own truth on what flows, its `admitted` on who may. The hub's
participants tell who else is in the room. A person may have several connections: they are one here.
"""

from collections.abc import Iterable

from edgebox.messages.base import Role
from edgebox.messages.room import Participant, Room
from edgebox.messages.session import Admitted, MediaSession, Watcher
from edgebox.panel.view import Headline, PersonView

BEST_FIRST = ("connected", "connecting", "lost")


def plain(name: str) -> str:
    """A name from outside without control and direction characters, which could disguise it."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def with_us(session: MediaSession, room: Room | None) -> tuple[PersonView, ...]:
    """Everybody connected, then everybody admitted who has not left the room (None: not known)."""
    cabin = session.sound
    audible = cabin.microphone in {"starting", "ready", "live"} and not cabin.muted
    persons: dict[str, list[Watcher]] = {}
    for watcher in session.watchers:
        persons.setdefault(watcher.participant or watcher.peer, []).append(watcher)
    connected = [_connected(watchers, audible) for watchers in persons.values()]
    in_room = {one.id: one for one in room.participants} if room is not None else None
    admitted = [
        _admitted(one, in_room)
        for one in session.admitted
        if (in_room is None or one.participant in in_room) and one.participant not in persons
    ]
    return (*connected, *admitted)


def waiting(session: MediaSession, room: Room) -> tuple[PersonView, ...]:
    """In the room with a page open, and neither let in (as what they now are) nor turned away."""
    known = {(one.participant, one.role) for one in session.admitted}
    return tuple(
        _person(one)
        for one in room.participants
        if one.state == "present"
        and one.id not in session.refused
        and (one.id, one.role) not in known
    )


def find_guest(guests: Iterable[PersonView], participant: str, role: Role) -> PersonView | None:
    """Who waits under that id, if still with the role the crew was shown."""
    return next((one for one in guests if (one.id, one.role) == (participant, role)), None)


def who_gets(people: tuple[PersonView, ...]) -> Headline:
    """The headline while everything works."""
    connected = [one for one in people if one.state == "connected"]
    if any(one.sees for one in connected):
        return "live-watched"
    if any(one.state == "lost" for one in people):
        return "live-cut"  # they are sent nothing until they answer again
    return "live-heard" if any(one.hears for one in connected) else "live-unwatched"


def _connected(watchers: list[Watcher], audible: bool) -> PersonView:
    """`audible`: the cabin is. Who hears only the other people does not hear the vehicle."""
    best = min(watchers, key=lambda one: BEST_FIRST.index(one.state))
    return PersonView(
        id=best.participant,
        name=plain(best.name),
        role=best.role,
        state=best.state,
        sees=any(one.sees for one in watchers),
        hears=audible and any(one.hears for one in watchers),
        speaks=any(one.speaks for one in watchers),
        shows=next((one.peer for one in watchers if one.shows), ""),
        silenced=any(one.silenced for one in watchers),
        slow=all(one.slow for one in watchers if one.sees),
    )


def _admitted(admitted: Admitted, in_room: dict[str, Participant] | None) -> PersonView:
    """Named as when the crew said yes."""
    return PersonView(
        id=admitted.participant,
        name=plain(admitted.name),
        role=admitted.role,
        state=in_room[admitted.participant].state if in_room is not None else "unknown",
    )


def _person(one: Participant) -> PersonView:
    return PersonView(id=one.id, name=plain(one.name), role=one.role, state=one.state)
