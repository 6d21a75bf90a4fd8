"""What went over the technician's command line, as an asciinema v2 file.

First line: a JSON object with `version`, `width`, `height`, `timestamp`; then a JSON array a line:
seconds since the start, "o" (shown), "i" (typed) or "r" (columns x rows), and the text
(docs.asciinema.org, asciicast v2).

Each event is in the file before anybody sees or gets what it tells of. When it cannot be written,
for a full disk, a file that was removed or one that became too long, that is a RecordingError, and
there is no command line without its recording.
"""

import codecs
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Literal

from edgebox.errors import EdgeboxError

BYTES_MAX = 8 * 1024 * 1024
ALL_BYTES_MAX = 64 * 1024 * 1024
"""Of all recordings; the oldest go first, their hashes stay in the trail."""
SYNC_S = 1.0


class RecordingError(EdgeboxError):
    """It is not recorded any more; the text says why."""


class Recording:
    """One file, begun by its constructor. Raises RecordingError."""

    def __init__(self, directory: Path, name: str, width: int, height: int, at_utc: float):
        self.path = directory / f"{name}.cast"
        self._hash = hashlib.sha256()
        self.size = 0
        self._began_at = time.monotonic()
        self._synced_at = self._began_at
        self._decoders = {
            kind: codecs.getincrementaldecoder("utf-8")(errors="replace") for kind in ("o", "i")
        }
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_room(directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
            self._file = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise RecordingError(f"{self.path}: {error.strerror}") from error
        head = {"version": 2, "width": width, "height": height, "timestamp": int(at_utc)}
        try:
            self._write(head)
        except RecordingError:
            os.close(self._file)
            raise

    def shown(self, data: bytes) -> None:
        """What the technician is about to see. Raises RecordingError."""
        self._event("o", data)

    def typed(self, data: bytes) -> None:
        """What is about to be typed. Raises RecordingError."""
        self._event("i", data)

    def resized(self, width: int, height: int) -> None:
        """The window has another size. Raises RecordingError."""
        self._write([self._age(), "r", f"{width}x{height}"])

    def close(self) -> str:
        """The SHA-256 of all that was written, in hex."""
        try:
            os.fsync(self._file)
        except OSError:
            # What could not reach the disk is missing there, and then the hash says so.
            pass
        finally:
            os.close(self._file)
        return self._hash.hexdigest()

    def _event(self, kind: Literal["o", "i"], data: bytes) -> None:
        # A character may be cut in two; its event comes with its second half.
        if text := self._decoders[kind].decode(data):
            self._write([self._age(), kind, text])

    def _age(self) -> float:
        return round(time.monotonic() - self._began_at, 6)

    def _write(self, line: object) -> None:
        content = json.dumps(line).encode() + b"\n"
        if self.size + len(content) > BYTES_MAX:
            raise RecordingError(f"{self.path}: longer than {BYTES_MAX} bytes")
        try:
            if os.fstat(self._file).st_nlink == 0:
                raise RecordingError(f"{self.path}: removed")
            if os.write(self._file, content) != len(content):
                raise RecordingError(f"{self.path}: no space for a whole line")
            if time.monotonic() - self._synced_at > SYNC_S:
                os.fdatasync(self._file)
                self._synced_at = time.monotonic()
        except OSError as error:
            raise RecordingError(f"{self.path}: {error.strerror}") from error
        self.size += len(content)
        self._hash.update(content)


def make_room(directory: Path) -> None:
    """Drop the oldest until another recording fits. Raises OSError."""
    found = sorted(directory.glob("*.cast"), key=lambda path: path.stat().st_mtime)
    size = sum(path.stat().st_size for path in found)
    for path in found:
        if size + BYTES_MAX <= ALL_BYTES_MAX:
            return
        size -= path.stat().st_size
        path.unlink()
