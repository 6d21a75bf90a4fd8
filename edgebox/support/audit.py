"""Who did what when, append-only, each entry sealed to the one before. On box and hub alike.

One JSON object a line:

    n, at_utc, what, box, session, who, serial, detail, before, hash

`before` is the hash of the line before (64 zeros in the first), `hash` the SHA-256 of the line's
JSON without `hash`, keys in this order, no spaces. Changing, dropping or inserting a line breaks
the chain from there on; that its end was cut off shows by the other side's trail: the box tells the
hub each new `hash`, and the hub writes it into its own.

An entry is on the disk before what it speaks of happens. If it cannot be written nothing happens:
`AuditError`.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from edgebox.errors import EdgeboxError

FIRST = "0" * 64
LINE_MAX = 4096


class AuditError(EdgeboxError):
    """The trail cannot be written, or does not hold; the text says where."""


class Entry(Struct, frozen=True, kw_only=True):
    """One line."""

    n: int
    at_utc: float
    what: str
    box: str = ""
    session: str = ""
    who: str = ""
    serial: str = ""
    detail: str = ""
    before: str
    hash: str = ""


class Trail:
    """One file; for one process."""

    def __init__(self, path: Path):
        """Raises AuditError if what is there cannot be continued."""
        self.path = path
        self.entries, self.head = 0, FIRST
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            torn = _cut_torn_line(path)
            for entry in verify(path):
                self.entries, self.head = entry.n, entry.hash
        except OSError as error:
            raise AuditError(f"{path}: {error.strerror}") from error
        if torn:
            self.append("torn", 0.0, detail="the last line was cut off by a power failure")

    def append(
        self,
        what: str,
        at_utc: float,
        *,
        box: str = "",
        session: str = "",
        who: str = "",
        serial: str = "",
        detail: str = "",
    ) -> Entry:
        """Write one entry and wait until the disk has it. Raises AuditError."""
        entry = Entry(
            n=self.entries + 1,
            at_utc=at_utc,
            what=what,
            box=box,
            session=session,
            who=who[:60],
            serial=serial,
            detail=detail[:300],
            before=self.head,
        )
        entry = msgspec.structs.replace(entry, hash=_hash(entry))
        try:
            self._write(msgspec.json.encode(entry) + b"\n")
        except OSError as error:
            raise AuditError(f"{self.path}: {error.strerror}") from error
        self.entries, self.head = entry.n, entry.hash
        return entry

    def _write(self, line: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(self.path, flags, 0o600)
        try:
            size = os.fstat(file).st_size
            try:
                if os.write(file, line) != len(line):
                    raise OSError(28, "no space left for a whole line")
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)


def open_trail(path: Path, now_utc: float) -> Trail:
    """A trail to write to. One that does not hold is put aside, which the new one begins with.

    Raises AuditError if nothing can be written.
    """
    try:
        return Trail(path)
    except AuditError as error:
        aside = path.with_name(f"{path.name}.broken-{int(now_utc)}")
        try:
            path.rename(aside)
        except OSError:
            raise error from None
        trail = Trail(path)
        trail.append("trail-broken", now_utc, detail=f"{error}; kept as {aside.name}")
        return trail


def verify(path: Path) -> Iterator[Entry]:
    """Every entry, proved to follow the one before. Raises AuditError at the first that does not.

    A file that is not there has no entries.
    """
    if not path.exists():
        return
    before, number = FIRST, 0
    with path.open("rb") as file:
        while line := file.readline(LINE_MAX):
            number += 1
            try:
                entry = msgspec.json.decode(line, type=Entry)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                raise AuditError(f"{path}:{number}: no entry: {error}") from error
            if not line.endswith(b"\n"):
                raise AuditError(f"{path}:{number}: cut off")
            if (entry.n, entry.before, entry.hash) != (number, before, _hash(entry)):
                raise AuditError(f"{path}:{number}: does not follow the line before: changed")
            before = entry.hash
            yield entry


def _hash(entry: Entry) -> str:
    fields = msgspec.structs.asdict(entry)
    del fields["hash"]
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def _cut_torn_line(path: Path) -> bool:
    """A line without its end was never answered for; True if there was one."""
    if not path.exists():
        return False
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        file.truncate(whole)
        return whole != len(content)
