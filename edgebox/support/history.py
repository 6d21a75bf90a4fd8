"""What the box remembers of its own health: past self-tests and how each link was, in SQLite.

    test    id, started_utc, grade, boot, content (SelfTest as JSON)    the last TESTS_MAX
    link    at_utc, name, state, rtt_ms, loss, sent_bps, received_bps, capacity_bps, signal
                                                  one row a link each minute, for LINKS_KEPT_S

No patient data, no positions and nobody's name are in it. A file that is damaged is put aside and
begun anew: history is worth less than a support process that starts.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from edgebox.messages.selftest import SelfTest

logger = logging.getLogger(__name__)

TESTS_MAX = 400
LINKS_KEPT_S = 14 * 86_400.0
LINK_ROWS_MAX = 400_000
"""Twenty links for a fortnight. About 30 MB."""
_TABLES = """
CREATE TABLE IF NOT EXISTS test (
    id TEXT PRIMARY KEY, started_utc REAL NOT NULL, grade TEXT NOT NULL, boot TEXT NOT NULL,
    content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS link (
    at_utc REAL NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, rtt_ms REAL, loss REAL NOT NULL,
    sent_bps INTEGER NOT NULL, received_bps INTEGER NOT NULL, capacity_bps INTEGER NOT NULL,
    signal INTEGER);
CREATE INDEX IF NOT EXISTS link_at ON link (at_utc);
"""


class LinkMinute(Struct, frozen=True, kw_only=True):
    """How one link was at one moment."""

    at_utc: float
    name: str
    state: str
    rtt_ms: float | None
    loss: float
    sent_bps: int
    received_bps: int
    capacity_bps: int
    signal: int | None


class History:
    """For one thread. Writing that fails (a full or read-only disk) is logged and survived."""

    def __init__(self, path: Path):
        self._path = path
        self._database = _open(path)

    def close(self) -> None:
        """No more is kept."""
        self._database.close()

    def keep_test(self, test: SelfTest, boot: str) -> None:
        """Keep a test, or what it has become. `boot`: the kernel's id of this boot."""
        content = msgspec.json.encode(test)
        with self._writing():
            self._database.execute(
                "INSERT OR REPLACE INTO test VALUES (?, ?, ?, ?, ?)",
                (test.id, test.started_utc, test.grade, boot, content),
            )
            self._database.execute(
                "DELETE FROM test WHERE id NOT IN "
                "(SELECT id FROM test ORDER BY started_utc DESC LIMIT ?)",
                (TESTS_MAX,),
            )

    def tests(self, limit: int = TESTS_MAX) -> list[SelfTest]:
        """The last ones, newest first. Rows of another version are left out."""
        rows = self._rows("SELECT content FROM test ORDER BY started_utc DESC LIMIT ?", (limit,))
        return list(_decoded(content for (content,) in rows))

    def tested_boot(self, boot: str) -> bool:
        """Whether this boot has had its test."""
        return bool(self._rows("SELECT 1 FROM test WHERE boot = ? LIMIT 1", (boot,)))

    def keep_links(self, minutes: Sequence[LinkMinute]) -> None:
        """Keep them, and forget what is too old."""
        if not minutes:
            return
        newest_utc = minutes[-1].at_utc
        with self._writing():
            self._database.executemany(
                "INSERT INTO link VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [msgspec.structs.astuple(one) for one in minutes],
            )
            self._database.execute(
                "DELETE FROM link WHERE at_utc < ?", (newest_utc - LINKS_KEPT_S,)
            )
            self._database.execute(
                "DELETE FROM link WHERE rowid <= (SELECT MAX(rowid) FROM link) - ?",
                (LINK_ROWS_MAX,),
            )

    def links(self, since_utc: float, limit: int = 50_000) -> list[LinkMinute]:
        """Oldest first; of too many the newest."""
        rows = self._rows(
            "SELECT * FROM link WHERE at_utc >= ? ORDER BY at_utc DESC LIMIT ?", (since_utc, limit)
        )
        names = LinkMinute.__struct_fields__
        return [LinkMinute(**dict(zip(names, row, strict=True))) for row in reversed(rows)]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._database:
                yield
        except sqlite3.Error as error:
            logger.warning("history: not kept: %s", error)

    def _rows(self, question: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(question, values).fetchall()
        except sqlite3.Error as error:
            logger.warning("history: not read: %s", error)
            return []


def _decoded(contents: Iterator[object]) -> Iterator[SelfTest]:
    for content in contents:
        with contextlib.suppress(msgspec.DecodeError):
            if isinstance(content, bytes):
                yield msgspec.json.decode(content, type=SelfTest)


def _open(path: Path) -> sqlite3.Connection:
    """In memory if the disk takes none."""
    for attempt in ("as it is", "anew"):
        database = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = sqlite3.connect(path)
            database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            database.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            logger.warning("history: %s cannot be used %s: %s", path, attempt, error)
            if database is not None:
                database.close()
            _put_aside(path)
        else:
            return database
    database = sqlite3.connect(":memory:")
    database.executescript(_TABLES)
    return database


def _put_aside(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.replace(path.with_name(path.name + ".damaged"))
