"""What monitors said, on disk until the hub has it. One SQLite file; every method blocks.

Nothing is published or acknowledged to a monitor before `append` has returned: by then it is on the
disk (WAL with synchronous=FULL: one fsync for each transaction, sqlite.org/pragma.html).

Each start of the service opens a stream of numerics and one of waves, numbered from 1. A number is
never given twice, not even after the file is put back from a backup: a stream is never continued.

The disk is bounded. When the limit is reached the oldest waves are dropped, then, when there are
none left, the oldest numerics. What the hub has acknowledged is deleted at once.
"""

import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from edgebox.errors import DeviceError
from edgebox.messages.vitals import VitalsKind

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE stream (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    opened_utc REAL NOT NULL,
    first INTEGER NOT NULL,
    next INTEGER NOT NULL
);
CREATE TABLE batch (
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at_utc REAL NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (stream, seq)
);
CREATE TABLE mark (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL
);
CREATE TABLE proof (at_utc REAL NOT NULL);
INSERT INTO proof VALUES (0);
"""
ROW_BYTES = 64
"""What a row takes besides its content, rounded up."""
MARKS_MAX = 1000
"""Messages that are known again when a monitor repeats them."""
ROOM_SHARE = 0.02
"""Dropped at once when the limit is reached, as a share of it: not a little with every batch."""


class Entry(Struct, frozen=True):
    """A batch to be stored."""

    kind: VitalsKind
    content: bytes


class Stream(Struct):
    """A stream with what is left of it: `first` to `next` - 1; none if both are equal."""

    number: int
    id: str
    kind: VitalsKind
    opened_utc: float
    first: int
    next: int


class Row(Struct, frozen=True):
    """A stored batch."""

    seq: int
    at_utc: float
    content: bytes


class Dropped(Struct):
    """Batches that were lost for lack of room."""

    waves: int = 0
    numerics: int = 0


class Store:
    """The file. Use from one thread at a time."""

    def __init__(self, path: Path, limit_bytes: int):
        """Open or make it; one that is damaged is put aside. Raises DeviceError."""
        self.limit_bytes = limit_bytes
        self.put_aside: Path | None = None
        self._own: dict[VitalsKind, Stream] = {}
        try:
            self._db = self._open(path)
        except sqlite3.DatabaseError as error:
            if not _is_damaged(error):
                raise DeviceError(f"vitals.store {path}: {error}") from error
            self.put_aside = _put_aside(path)
            self._db = self._open(path)
        try:
            self.streams = self._load_streams()
            (self.used_bytes,) = self._db.execute(
                "SELECT coalesce(sum(length(content) + ?), 0) FROM batch", (ROW_BYTES,)
            ).fetchone()
        except sqlite3.DatabaseError as error:  # a disk that may be read and not written
            self._db.close()
            raise DeviceError(f"vitals.store {path}: {error}") from error

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeviceError(f"vitals.store {path}: {error.strerror}") from error
        # It is opened in one thread and used in another, by one at a time.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA secure_delete=FAST")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
            elif version != SCHEMA_VERSION:
                raise DeviceError(f"vitals.store {path}: written by another version ({version})")
            (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError("malformed: " + state)
        except BaseException:
            db.close()
            raise
        return db

    def _load_streams(self) -> dict[str, Stream]:
        self._db.execute("DELETE FROM stream WHERE first = next")
        found = self._db.execute("SELECT number, id, kind, opened_utc, first, next FROM stream")
        return {stream.id: stream for stream in (Stream(*row) for row in found.fetchall())}

    def close(self) -> None:
        """Everything is on the disk already."""
        self._db.close()

    def append(
        self, entries: Sequence[Entry], at_utc: float, marks: Sequence[bytes] = ()
    ) -> Dropped:
        """Store all of them or none, durably. Raises DeviceError if the disk refuses.

        Their numbers are the next ones of this start's streams, in order. `marks` are digests of
        the monitor's messages they come from, to know one that is sent again.
        """
        dropped = Dropped()
        size = sum(len(entry.content) + ROW_BYTES for entry in entries)
        margin = int(self.limit_bytes * ROOM_SHARE)
        if self.used_bytes + size > self.limit_bytes:
            self._make_room(self.used_bytes + size - self.limit_bytes + margin, dropped)
        try:
            self._insert(entries, at_utc, marks)
        except sqlite3.Error as error:
            # The disk itself is full: waves of ours that wait are given up for what comes now.
            if "full" not in str(error) or not self.waiting("waves"):
                raise DeviceError(f"vitals cannot be stored: {error}") from error
            self._make_room(size + margin, dropped, ("waves",))
            try:
                self._insert(entries, at_utc, marks)
            except sqlite3.Error as still:
                raise DeviceError(f"vitals cannot be stored: {still}") from still
        self.used_bytes += size
        return dropped

    def _insert(self, entries: Sequence[Entry], at_utc: float, marks: Sequence[bytes]) -> None:
        """One transaction; raises sqlite3.Error, and then nothing of it is there."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for entry in entries:
                    self._open_stream(entry.kind, at_utc)
                counts = dict.fromkeys(self._own, 0)
                for entry in entries:
                    stream = self._own[entry.kind]
                    self._db.execute(
                        "INSERT INTO batch VALUES (?, ?, ?, ?)",
                        (stream.number, stream.next + counts[entry.kind], at_utc, entry.content),
                    )
                    counts[entry.kind] += 1
                self._insert_marks(marks)
                for kind, count in counts.items():
                    self._db.execute(
                        "UPDATE stream SET next = next + ? WHERE number = ?",
                        (count, self._own[kind].number),
                    )
        except sqlite3.Error:
            self._forget_unwritten_streams()
            raise
        for kind, count in counts.items():
            self._own[kind].next += count
            self.streams[self._own[kind].id] = self._own[kind]

    def _insert_marks(self, marks: Sequence[bytes]) -> None:
        for mark in marks:
            self._db.execute("INSERT INTO mark (digest) VALUES (?)", (mark,))
        if marks:
            self._db.execute(
                "DELETE FROM mark WHERE number <= (SELECT max(number) FROM mark) - ?",
                (MARKS_MAX,),
            )

    def _open_stream(self, kind: VitalsKind, at_utc: float) -> None:
        if kind in self._own:
            return
        identity = secrets.token_hex(16)
        (number,) = self._db.execute(
            "INSERT INTO stream (id, kind, opened_utc, first, next) VALUES (?, ?, ?, 1, 1)"
            " RETURNING number",
            (identity, kind, at_utc),
        ).fetchone()
        self._own[kind] = Stream(number, identity, kind, at_utc, 1, 1)

    def _forget_unwritten_streams(self) -> None:
        """Their transaction was rolled back."""
        self._own = {kind: own for kind, own in self._own.items() if own.id in self.streams}

    def read(self, stream_id: str, seq: int, max_bytes: int) -> list[Row]:
        """Batches from `seq` on, in order, one at least if there is one, up to `max_bytes`."""
        stream = self.streams.get(stream_id)
        if stream is None:
            return []
        rows: list[Row] = []
        size = 0
        found = self._db.execute(
            "SELECT seq, at_utc, content FROM batch WHERE stream = ? AND seq >= ? ORDER BY seq",
            (stream.number, seq),
        )
        with closing(found):
            for found_seq, at_utc, content in found:
                size += len(content)
                if rows and size > max_bytes:
                    break
                rows.append(Row(found_seq, at_utc, content))
        return rows

    def forget(self, stream_id: str, through: int) -> None:
        """The hub has stored this stream up to `through`. Raises DeviceError."""
        stream = self.streams.get(stream_id)
        if stream is None or not stream.first <= through < stream.next:
            return
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                size = self._delete(stream, through)
                is_over = through + 1 == stream.next and stream not in self._own.values()
                if is_over:
                    self._db.execute("DELETE FROM stream WHERE number = ?", (stream.number,))
        except sqlite3.Error as error:
            raise DeviceError(f"vitals cannot be deleted: {error}") from error
        self.used_bytes -= size
        stream.first = through + 1
        if is_over:
            del self.streams[stream_id]

    def marks(self) -> list[bytes]:
        """Digests of the last MARKS_MAX messages, oldest first."""
        found = self._db.execute("SELECT digest FROM mark ORDER BY number")
        return [digest for (digest,) in found.fetchall()]

    def snapshot(self) -> list[Stream]:
        """Copies of all streams, oldest first."""
        return [Stream(**msgspec.structs.asdict(one)) for one in self.streams.values()]

    def prove(self, at_utc: float) -> None:
        """Write something and see it on the disk, so that an idle service knows it could store.

        Raises DeviceError.
        """
        try:
            self._db.execute("UPDATE proof SET at_utc = ?", (at_utc,))
        except sqlite3.Error as error:
            raise DeviceError(f"vitals cannot be stored: {error}") from error

    def waiting(self, kind: VitalsKind) -> int:
        """Number of batches of this kind."""
        return sum(one.next - one.first for one in self.streams.values() if one.kind == kind)

    def oldest_utc(self) -> float | None:
        """When the oldest batch was stored."""
        found: tuple[float | None] = self._db.execute("SELECT min(at_utc) FROM batch").fetchone()
        return found[0]

    def _delete(self, stream: Stream, through: int) -> int:
        """Inside a transaction; the bytes that became free."""
        where = (stream.number, through)
        (size,) = self._db.execute(
            "SELECT coalesce(sum(length(content) + ?), 0) FROM batch WHERE stream = ? AND seq <= ?",
            (ROW_BYTES, *where),
        ).fetchone()
        self._db.execute("DELETE FROM batch WHERE stream = ? AND seq <= ?", where)
        self._db.execute(
            "UPDATE stream SET first = ? WHERE number = ?", (through + 1, stream.number)
        )
        return int(size)

    def _make_room(
        self,
        wanted: int,
        dropped: Dropped,
        kinds: tuple[VitalsKind, ...] = ("waves", "numerics"),
    ) -> None:
        """Drop oldest waves, then oldest numerics, until `wanted` bytes are free."""
        for kind in kinds:
            for stream in sorted(self.streams.values(), key=lambda one: one.number):
                if wanted > 0 and stream.kind == kind and stream.first < stream.next:
                    through, freed = self._oldest(stream, wanted)
                    count = through + 1 - stream.first
                    self.forget(stream.id, through)
                    wanted -= freed
                    if kind == "waves":
                        dropped.waves += count
                    else:
                        dropped.numerics += count

    def _oldest(self, stream: Stream, wanted: int) -> tuple[int, int]:
        """How far to delete so that `wanted` bytes become free, and how many do."""
        freed, through = 0, stream.first
        found = self._db.execute(
            "SELECT seq, length(content) + ? FROM batch WHERE stream = ? ORDER BY seq",
            (ROW_BYTES, stream.number),
        )
        with closing(found):
            for seq, size in found:
                through, freed = seq, freed + size
                if freed >= wanted:
                    break
        return through, freed


def _is_damaged(error: sqlite3.DatabaseError) -> bool:
    return "malformed" in str(error) or "not a database" in str(error)


def _put_aside(path: Path) -> Path:
    """Rename the damaged file, its log too, so that a technician can look at it."""
    aside = path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
