"""Whom the crew turned away, kept for a media that is dead. Pure."""

from edgebox.messages.session import RefuseWish

TURNED_AWAY_MAX = 64


class TurnedAway:
    """Whom the crew turned away in this session and has not let in again."""

    def __init__(self) -> None:
        self._session = ""
        self._people: dict[str, None] = {}

    def refuse(self, session: str, participant: str) -> None:
        """This one too; of too many the oldest are forgotten, as media does."""
        self._begin(session)
        self._people.pop(participant, None)
        self._people[participant] = None
        while len(self._people) > TURNED_AWAY_MAX:
            del self._people[next(iter(self._people))]

    def let_in(self, session: str, participant: str) -> None:
        """Not this one any more."""
        self._begin(session)
        self._people.pop(participant, None)

    def wish(self, session: str) -> RefuseWish:
        """For media."""
        self._begin(session)
        return RefuseWish(session=session, participants=tuple(self._people))

    def _begin(self, session: str) -> None:
        if session != self._session:
            self._session, self._people = session, {}
