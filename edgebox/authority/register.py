"""What the authority remembers: vouchers that are open, certificates it issued. SQLite.

The operator's commands and the running service use the file at the same time.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgebox.errors import DeviceError

_TABLES = """
CREATE TABLE IF NOT EXISTS voucher (
    box TEXT PRIMARY KEY, vehicle TEXT NOT NULL, secret BLOB NOT NULL, expires_utc REAL NOT NULL,
    key BLOB, certificate TEXT);
CREATE TABLE IF NOT EXISTS certificate (
    serial TEXT PRIMARY KEY, box TEXT NOT NULL, issued_utc REAL NOT NULL, ends_utc REAL NOT NULL,
    revoked_utc REAL);
CREATE INDEX IF NOT EXISTS certificate_box ON certificate (box);
"""


class Open(NamedTuple):
    """A voucher. Once used, it still answers the same key: the first answer may have been lost."""

    vehicle: str
    secret: bytes
    expires_utc: float
    key: bytes | None = None
    """SubjectPublicKeyInfo it was used with."""
    certificate: str | None = None


class Issued(NamedTuple):
    """A certificate. `serial` in upper-case hex, as in the list of what is shut out."""

    serial: str
    box: str
    issued_utc: float
    ends_utc: float
    revoked_utc: float | None


class Register:
    """The file. Methods raise DeviceError when it cannot be read or written."""

    def __init__(self, path: Path):
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from error
        with self._open() as file:
            file.executescript(_TABLES)

    def put_voucher(self, box: str, voucher: Open) -> None:
        """Replaces the box's earlier one."""
        with self._open() as file:
            file.execute(
                "INSERT OR REPLACE INTO voucher VALUES (?, ?, ?, ?, ?, ?)", (box, *voucher)
            )

    def voucher(self, box: str) -> Open | None:
        """The box's, whatever its age."""
        with self._open() as file:
            row = file.execute(
                "SELECT vehicle, secret, expires_utc, key, certificate FROM voucher WHERE box = ?",
                (box,),
            ).fetchone()
        return Open(*row) if row else None

    def use_voucher(
        self, box: str, secret: bytes, key: bytes, certificate: str, issued: Issued
    ) -> bool:
        """Note its use and what was issued for it; False if it is used or another one by now."""
        with self._open() as file:
            done = file.execute(
                "UPDATE voucher SET key = ?, certificate = ?"
                " WHERE box = ? AND secret = ? AND key IS NULL",
                (key, certificate, box, secret),
            )
            if done.rowcount:
                self._note(file, issued)
            return done.rowcount == 1

    def add(self, issued: Issued) -> None:
        """A certificate was issued."""
        with self._open() as file:
            self._note(file, issued)

    def find(self, serial: str) -> Issued | None:
        """By its serial number."""
        with self._open() as file:
            row = file.execute("SELECT * FROM certificate WHERE serial = ?", (serial,)).fetchone()
        return Issued(*row) if row else None

    def certificates(self, box: str = "") -> list[Issued]:
        """Of one box or of all, newest first."""
        with self._open() as file:
            rows = file.execute(
                "SELECT * FROM certificate WHERE box = ? OR ? = '' ORDER BY issued_utc DESC",
                (box, box),
            ).fetchall()
        return [Issued(*row) for row in rows]

    def revoke(self, box: str, now_utc: float) -> list[str]:
        """Shut out all certificates the box has; gives those that were not yet and still last."""
        found = [
            one.serial
            for one in self.certificates(box)
            if one.revoked_utc is None and one.ends_utc > now_utc
        ]
        with self._open() as file:
            file.executemany(
                "UPDATE certificate SET revoked_utc = ? WHERE serial = ?",
                [(now_utc, serial) for serial in found],
            )
        return found

    def _note(self, file: sqlite3.Connection, issued: Issued) -> None:
        file.execute("INSERT INTO certificate VALUES (?, ?, ?, ?, ?)", issued)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=5)) as file, file:
                file.execute("PRAGMA synchronous = FULL")
                yield file
        except sqlite3.Error as error:
            raise DeviceError(f"{self._path}: {error}") from error
