"""What outlives the hub's process: rooms, invitations, participants and the audit trail.

Secrets are stored as hashes. A closed room's invitations and participants are deleted; the audit
trail keeps who was invited, joined, was let in or turned away, and left, and when; nothing else
about a mission, and for a limited time (`hub.audit_keep_days`).

Every method is one transaction and blocks: see database.py.
"""

from typing import Literal, cast

from msgspec import Struct
from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from edgebox.hub.database import Database
from edgebox.messages.base import Role

metadata = MetaData()

rooms = Table(
    "room",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("box", String(32), nullable=False),
    Column("session", String(64), nullable=False),
    Column("opened_utc", Float, nullable=False),
    Column("closed_utc", Float),
)
invites = Table(
    "invite",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("room", String(16), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("expires_utc", Float, nullable=False),
    Column("used_utc", Float),
    Column("participant", String(16)),
)
participants = Table(
    "participant",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("room", String(16), nullable=False, index=True),
    Column("cookie_hash", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("joined_utc", Float, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at_utc", Float, nullable=False, index=True),
    Column("box", String(32), nullable=False),
    Column("room", String(16), nullable=False),
    Column("event", String(16), nullable=False),
    Column("participant", String(16), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
)

Departure = Literal["left", "expired", "refused", "removed"]
Presence = Literal["came", "went"]
AuditEvent = Departure | Presence | Literal["opened", "closed", "invited", "joined", "admitted"]


class RoomRow(Struct, frozen=True):
    """An open room."""

    id: str
    box: str
    session: str


class InviteRow(Struct, frozen=True):
    """An invitation of an open room, used or not."""

    room: str
    role: Role
    name: str
    expires_utc: float
    used_utc: float | None
    participant: str | None


class ParticipantRow(Struct, frozen=True):
    """Somebody who joined an open room."""

    id: str
    room: str
    cookie_hash: str
    name: str
    role: Role
    joined_utc: float


class Store(Database):
    """The hub's database."""

    def __init__(self, url: str):
        """`url`: SQLAlchemy's. Raises ConfigError for one that names no usable database."""
        # A power cut must lose nothing that was answered: WAL keeps synchronous at FULL.
        pragmas = ("journal_mode=WAL", "busy_timeout=5000")
        super().__init__("hub.database", url, metadata, pragmas)

    def load(self) -> tuple[list[RoomRow], list[ParticipantRow]]:
        """All open rooms and everybody in them."""
        with self._engine.connect() as db:
            found = [
                RoomRow(row.id, row.box, row.session)
                for row in db.execute(select(rooms).where(rooms.c.closed_utc.is_(None)))
            ]
            people = [
                ParticipantRow(
                    row.id,
                    row.room,
                    row.cookie_hash,
                    row.name,
                    cast("Role", row.role),
                    row.joined_utc,
                )
                for row in db.execute(select(participants))
            ]
        return found, people

    def open_room(self, room: RoomRow, now_utc: float) -> None:
        """Note a new room."""
        with self._engine.begin() as db:
            db.execute(
                insert(rooms).values(
                    id=room.id, box=room.box, session=room.session, opened_utc=now_utc
                )
            )
            _audit(db, now_utc, room.box, room.id, "opened")

    def close_room(self, room: RoomRow, now_utc: float) -> None:
        """The session is over: every link and cookie of the room is void."""
        with self._engine.begin() as db:
            db.execute(update(rooms).where(rooms.c.id == room.id).values(closed_utc=now_utc))
            db.execute(delete(invites).where(invites.c.room == room.id))
            db.execute(delete(participants).where(participants.c.room == room.id))
            _audit(db, now_utc, room.box, room.id, "closed")

    def add_invite(
        self, token_hash: str, room: RoomRow, role: Role, name: str, ttl_s: float, now_utc: float
    ) -> None:
        """A link somebody may use once within `ttl_s`. Those nobody used in time are forgotten."""
        late = (
            invites.c.room == room.id,
            invites.c.used_utc.is_(None),
            invites.c.expires_utc <= now_utc,
        )
        with self._engine.begin() as db:
            db.execute(delete(invites).where(*late))
            db.execute(
                insert(invites).values(
                    token_hash=token_hash,
                    room=room.id,
                    role=role,
                    name=name,
                    expires_utc=now_utc + ttl_s,
                )
            )
            _audit(db, now_utc, room.box, room.id, "invited", name=name, role=role)

    def count_open_invites(self, room: str, now_utc: float) -> int:
        """How many links of the room could still be used."""
        query = (
            select(func.count())
            .select_from(invites)
            .where(
                invites.c.room == room,
                invites.c.used_utc.is_(None),
                invites.c.expires_utc > now_utc,
            )
        )
        with self._engine.connect() as db:
            return int(db.execute(query).scalar_one())

    def find_invite(self, token_hash: str) -> InviteRow | None:
        """The invitation, whatever became of it; None if its room is closed."""
        query = select(invites).where(invites.c.token_hash == token_hash)
        with self._engine.connect() as db:
            row = db.execute(query).first()
        if row is None:
            return None
        return InviteRow(
            row.room,
            cast("Role", row.role),
            row.name,
            row.expires_utc,
            row.used_utc,
            row.participant,
        )

    def use_invite(self, token_hash: str, box: str, person: ParticipantRow, now_utc: float) -> bool:
        """Spend the link and add the person, both or neither; False if it is spent or expired."""
        spend = (
            update(invites)
            .where(
                invites.c.token_hash == token_hash,
                invites.c.room == person.room,
                invites.c.used_utc.is_(None),
                invites.c.expires_utc > now_utc,
            )
            .values(used_utc=now_utc, participant=person.id)
        )
        with self._engine.begin() as db:
            if db.execute(spend).rowcount != 1:
                return False
            db.execute(
                insert(participants).values(
                    id=person.id,
                    room=person.room,
                    cookie_hash=person.cookie_hash,
                    name=person.name,
                    role=person.role,
                    joined_utc=person.joined_utc,
                )
            )
            _audit(db, now_utc, box, person.room, "joined", person.id, person.name, person.role)
        return True

    def remove_participant(
        self, box: str, person: ParticipantRow, why: Departure, now_utc: float
    ) -> None:
        """They left, were turned away, or were in for too long: the cookie is void."""
        with self._engine.begin() as db:
            db.execute(delete(participants).where(participants.c.id == person.id))
            _audit(db, now_utc, box, person.room, why, person.id, person.name, person.role)

    def note_presence(
        self, box: str, person: ParticipantRow, what: Presence, now_utc: float
    ) -> None:
        """Their first page was opened or their last one closed."""
        with self._engine.begin() as db:
            _audit(db, now_utc, box, person.room, what, person.id, person.name, person.role)

    def note_admission(self, box: str, person: ParticipantRow, now_utc: float) -> None:
        """The crew let them in; noted once, however often it is said."""
        known = select(audit.c.id).where(
            audit.c.participant == person.id, audit.c.event == "admitted"
        )
        with self._engine.begin() as db:
            if db.execute(known).first() is None:
                _audit(
                    db, now_utc, box, person.room, "admitted", person.id, person.name, person.role
                )

    def forget(self, before_utc: float) -> None:
        """Delete audit rows older than this, and rooms that were closed before it."""
        with self._engine.begin() as db:
            db.execute(delete(audit).where(audit.c.at_utc < before_utc))
            db.execute(delete(rooms).where(rooms.c.closed_utc < before_utc))


def _audit(
    db: Connection,
    now_utc: float,
    box: str,
    room: str,
    what: AuditEvent,
    participant: str = "",
    name: str = "",
    role: str = "",
) -> None:
    db.execute(
        insert(audit).values(
            at_utc=now_utc,
            box=box,
            room=room,
            event=what,
            participant=participant,
            name=name,
            role=role,
        )
    )
