"""What boxes sent of their monitors, each batch once and in its stream's order.

Batch and position of its stream change in one transaction, and only from the position before: so a
batch is stored once whatever is sent twice, and by whichever of several hubs on one database.
What a box says it no longer has is noted as a gap, never passed over in silence.

Patient data: kept for `hub.vitals_keep_h` and deleted then; nothing of it goes into logs.
"""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from edgebox.hub.database import BIG, Database
from edgebox.messages.vitals import VitalsBatch

metadata = MetaData()

streams = Table(
    "vitals_stream",
    metadata,
    Column("box", String(32), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("opened_utc", Float, nullable=False),
    Column("through", BigInteger, nullable=False),
)
batches = Table(
    "vitals_batch",
    metadata,
    Column("id", BIG, primary_key=True, autoincrement=True),
    Column("box", String(32), nullable=False),
    Column("stream", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at_utc", Float, nullable=False),
    Column("stored_utc", Float, nullable=False, index=True),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("box", "stream", "seq"),
    sqlite_autoincrement=True,
)
gaps = Table(
    "vitals_gap",
    metadata,
    Column("box", String(32), primary_key=True),
    Column("stream", String(64), primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
    Column("noted_utc", Float, nullable=False),
)
exports = Table(
    "vitals_export",
    metadata,
    Column("target", String(200), primary_key=True),
    Column("through", BIG, nullable=False),
)


class StreamKey(Struct, frozen=True):
    """A stream of a box."""

    box: str
    stream: str


class Place(Struct, frozen=True):
    """How far a stream is stored, and whether something after that came too early."""

    through: int
    missing: bool = False


class BatchRow(Struct, frozen=True):
    """A stored batch; `id` rises in the order of storing."""

    id: int
    box: str
    stream: str
    seq: int
    at_utc: float
    content: bytes


class VitalsStore(Database):
    """The hub's database of vitals. Every method but `call` and `close` blocks."""

    def __init__(self, url: str):
        """`url`: SQLAlchemy's. Raises ConfigError for one that names no usable database."""
        pragmas = (
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=FAST",
            "busy_timeout=5000",
        )
        super().__init__("hub.vitals_database", url, metadata, pragmas)

    def place(self, keys: Sequence[StreamKey]) -> dict[StreamKey, Place]:
        """How far each of these is; one that is not known is at 0."""
        with self._engine.connect() as db:
            return {key: Place(_through(db, key) or 0) for key in keys}

    def add(
        self, arrived: Sequence[tuple[str, VitalsBatch]], now_utc: float
    ) -> dict[StreamKey, Place]:
        """Store what comes next in its stream, of what arrived from which box; durable on return.

        If the database refuses, nothing of it is stored.
        """
        places: dict[StreamKey, Place] = {}
        with self._engine.begin() as db:
            for box, batch in arrived:
                key = StreamKey(box, batch.stream)
                places[key] = self._add(db, box, batch, now_utc)
        return places

    def _add(self, db: Connection, box: str, batch: VitalsBatch, now_utc: float) -> Place:
        key = StreamKey(box, batch.stream)
        through = _through(db, key)
        if through is None:
            through = 0
            db.execute(
                insert(streams).values(
                    box=box,
                    id=batch.stream,
                    kind=batch.kind,
                    opened_utc=batch.opened_utc,
                    through=0,
                )
            )
        if batch.seq <= through:
            return Place(through)
        expected = max(through + 1, batch.first)
        if batch.seq != expected:
            return Place(through, missing=True)
        moved = db.execute(
            update(streams)
            .where(streams.c.box == box, streams.c.id == batch.stream, streams.c.through == through)
            .values(through=batch.seq)
        )
        if moved.rowcount != 1:  # another hub on this database was faster
            return Place(through)
        if expected > through + 1:
            db.execute(
                insert(gaps).values(
                    box=box,
                    stream=batch.stream,
                    first=through + 1,
                    last=expected - 1,
                    noted_utc=now_utc,
                )
            )
        db.execute(
            insert(batches).values(
                box=box,
                stream=batch.stream,
                seq=batch.seq,
                kind=batch.kind,
                at_utc=batch.at_utc,
                stored_utc=now_utc,
                content=batch.content,
            )
        )
        return Place(batch.seq)

    def read(self, after: int, limit: int) -> list[BatchRow]:
        """Batches in the order of storing, those with an id above `after`."""
        query = select(batches).where(batches.c.id > after).order_by(batches.c.id).limit(limit)
        with self._engine.connect() as db:
            return [
                BatchRow(row.id, row.box, row.stream, row.seq, row.at_utc, row.content)
                for row in db.execute(query)
            ]

    def last_id(self) -> int:
        """Of the batch that was stored last; 0: none."""
        with self._engine.connect() as db:
            return int(db.execute(select(func.coalesce(func.max(batches.c.id), 0))).scalar_one())

    def list_gaps(self, box: str) -> list[tuple[str, int, int]]:
        """Stream, first and last number of what this box could not send any more."""
        query = select(gaps).where(gaps.c.box == box).order_by(gaps.c.noted_utc, gaps.c.first)
        with self._engine.connect() as db:
            return [(row.stream, row.first, row.last) for row in db.execute(query)]

    def forget(self, before_utc: float) -> int:
        """Delete batches stored before this time, positions stay; how many."""
        with self._engine.begin() as db:
            return db.execute(delete(batches).where(batches.c.stored_utc < before_utc)).rowcount

    def exported(self, target: str) -> int | None:
        """Id of the last batch that this target has taken; None: it is new."""
        query = select(exports.c.through).where(exports.c.target == target)
        with self._engine.connect() as db:
            found = db.execute(query).scalar()
        return None if found is None else int(found)

    def note_exported(self, target: str, through: int) -> None:
        """This target has taken everything up to this batch."""
        with self._engine.begin() as db:
            db.execute(delete(exports).where(exports.c.target == target))
            db.execute(insert(exports).values(target=target, through=through))


def _through(db: Connection, key: StreamKey) -> int | None:
    query = select(streams.c.through).where(streams.c.box == key.box, streams.c.id == key.stream)
    found = db.execute(query).scalar()
    return None if found is None else int(found)
