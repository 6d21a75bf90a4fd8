"""Invitations: the crew asks for a link, somebody opens it, one person joins by it.

A link is good for one room, one role, one person, and `invite_ttl_s`. What became of it is kept
until its room is closed, so that the browser that used it finds back.
"""

import time

from edgebox.config.hub import Hub as HubConfig
from edgebox.hub import tokens
from edgebox.hub.door import CLOSED, Door
from edgebox.hub.hub import Hub
from edgebox.hub.limit import Limiter
from edgebox.hub.store import ParticipantRow, RoomRow, Store
from edgebox.messages.base import Fault
from edgebox.messages.room import CreateInvite, Invite

OPEN_INVITES_MAX = 50
INVITE_RATE_HZ = 1.0
INVITE_BURST = 60.0
"""Of one box."""


class Links:
    """All invitations of this hub."""

    def __init__(self, config: HubConfig, hub: Hub, store: Store):
        self._config = config
        self._hub = hub
        self._store = store
        self._asked = Limiter(INVITE_RATE_HZ, INVITE_BURST)

    async def create(self, question: CreateInvite, keys: dict[str, str]) -> Invite | Fault:
        """Answers CREATE_INVITE."""
        room = self._hub.room_of(keys["box"])
        if room is None or room.session != question.session:
            return Fault(reason="refused", text="not the session the hub knows of this box")
        if not self._asked.take(room.box, time.monotonic()):
            return Fault(reason="busy", text="too many invitations in a short time")
        now_utc = time.time()
        count = await self._store.call(self._store.count_open_invites, room.id, now_utc)
        if isinstance(count, Fault):
            return count
        if count >= OPEN_INVITES_MAX:
            return Fault(reason="busy", text=f"{count} invitations are open already")
        token = tokens.make_token()
        ttl_s = self._config.invite_ttl_s
        added = await self._store.call(
            self._store.add_invite,
            tokens.hash_token(token),
            RoomRow(room.id, room.box, room.session),
            question.role,
            printable(question.name),
            ttl_s,
            now_utc,
        )
        if isinstance(added, Fault):
            return added
        return Invite(
            url=f"{self._config.public_url}/j/{token}",
            role=question.role,
            expires_utc=now_utc + ttl_s,
        )

    async def look_at(self, token: str, cookies: dict[str, str]) -> Door | Fault:
        """What lies behind a link, for somebody with these room cookies. Changes nothing.

        A Fault: nobody can tell now.
        """
        if not tokens.TOKEN.fullmatch(token):
            return CLOSED
        row = await self._store.call(self._store.find_invite, tokens.hash_token(token))
        if isinstance(row, Fault):
            return row
        room = self._hub.room(row.room) if row is not None else None
        if row is None or room is None:
            return CLOSED
        if row.used_utc is not None:
            mine = self._hub.participant(room.id, cookies.get(room.id, ""))
            same = mine is not None and mine.id == row.participant
            return Door(room=room.id, entered=True) if same else CLOSED
        if row.expires_utc <= time.time():
            return CLOSED
        return Door(
            room=room.id,
            open=True,
            role=row.role,
            name=row.name,
            vehicle=self._hub.vehicle(room),
        )

    async def join(self, token: str, door: Door, name: str, cookie: str) -> str | Fault | None:
        """Spend the link. The new cookie; None if somebody was quicker or the room is full.

        A Fault: the link is not spent, and may be used later.

        `cookie`: the one this browser has for the room, if any; that participant leaves.
        """
        room = self._hub.room(door.room)
        if room is None or room.is_full or door.role is None:
            return None
        fresh = tokens.make_token()
        row = ParticipantRow(
            tokens.make_id(), room.id, tokens.hash_token(fresh), name, door.role, time.time()
        )
        spent = await self._store.call(
            self._store.use_invite, tokens.hash_token(token), room.box, row, row.joined_utc
        )
        if isinstance(spent, Fault):
            return spent
        if not spent:
            return None
        earlier = self._hub.participant(room.id, cookie)
        if earlier is not None:
            await self._hub.leave(earlier)
        return fresh if await self._hub.enter(row) else None


def printable(text: str) -> str:
    """One line without control characters: no database takes a NUL, no reader the others."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
