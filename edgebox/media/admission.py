"""Whom the crew let into the session, and whom they turned away (no I/O).

Both belong to the session's id and end with it. A person the crew has not admitted gets nothing,
whatever the hub says; one who comes with another role than they were admitted with gets nothing
either: the crew decided on what they saw.
"""

from edgebox.messages.base import Fault, Role
from edgebox.messages.session import Admit, Admitted, MediaSession

ADMITTED_MAX = 32
REFUSED_MAX = 64
"""Of those turned away the oldest are forgotten; they are not admitted by that."""


class Admission:
    """What ADMIT and REFUSE change."""

    def __init__(self) -> None:
        self._admitted: dict[str, Admitted] = {}
        self._refused: dict[str, None] = {}
        self.silenced: tuple[str, ...] = ()
        """Participants nobody shall hear."""

    @property
    def admitted(self) -> tuple[Admitted, ...]:
        """In the order in which they were let in."""
        return tuple(self._admitted.values())

    @property
    def refused(self) -> tuple[str, ...]:
        """Ids of participants, oldest first."""
        return tuple(self._refused)

    def resume(self, last: MediaSession) -> None:
        """Go on where an earlier process of this service was stopped."""
        self._admitted = {one.participant: one for one in last.admitted[:ADMITTED_MAX]}
        self._refused = dict.fromkeys(last.refused[-REFUSED_MAX:])
        self.silenced = last.silenced[:ADMITTED_MAX]

    def clear(self) -> None:
        """The session ended, and every permission with it."""
        self._admitted.clear()
        self._refused.clear()
        self.silenced = ()

    def admit(self, wish: Admit) -> Fault | None:
        """Let somebody in; one who is in already has only the new role from now on."""
        if wish.participant not in self._admitted and len(self._admitted) >= ADMITTED_MAX:
            return Fault(reason="busy", text=f"{ADMITTED_MAX} were let in already")
        self._refused.pop(wish.participant, None)
        self._admitted[wish.participant] = Admitted(
            participant=wish.participant, role=wish.role, name=wish.name
        )
        return None

    def refuse(self, participant: str) -> None:
        """Turn somebody away, or put them out again."""
        self._admitted.pop(participant, None)
        self._refused.pop(participant, None)
        self._refused[participant] = None
        self.silence(participant, False)
        while len(self._refused) > REFUSED_MAX:
            del self._refused[next(iter(self._refused))]

    def silence(self, participant: str, silenced: bool) -> Fault | None:
        """Let nobody hear this person, or everybody again."""
        others = tuple(one for one in self.silenced if one != participant)
        if silenced and participant not in self._admitted:
            return Fault(reason="not-found", text="this person was not let in")
        self.silenced = (*others, participant) if silenced else others
        return None

    def find(self, participant: str, role: Role) -> Admitted | None:
        """The person as they were let in; None for everybody else, and for another role."""
        found = self._admitted.get(participant)
        return found if found is not None and found.role == role else None
