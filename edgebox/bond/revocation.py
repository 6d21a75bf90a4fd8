"""Boxes and certificates that are shut out: a text file the operator of the hub keeps.

One a line, `#` begins a remark:

    ambulance-7               this box, whatever certificate it shows
    serial:5D21C0FFEE         this certificate; the box may return with a new one

The hub looks every other second whether the file has changed. What a line says holds for running
sessions as for new ones. A line nobody understands is told in the log and changes nothing else.
"""

import logging
import re
from pathlib import Path
from typing import NamedTuple

from edgebox.errors import ConfigError

logger = logging.getLogger(__name__)

LINE = re.compile(r"(?P<box>[a-z0-9][a-z0-9-]{0,31})|serial:(?P<serial>[0-9A-Fa-f:]{1,80})")


class Identity(NamedTuple):
    """Who a box has proved to be."""

    box: str
    serial: int | None = None
    """Of its certificate; None with a laboratory's static key."""
    expires_utc: float = float("inf")


class Revoked(NamedTuple):
    """What is shut out."""

    boxes: frozenset[str] = frozenset()
    serials: frozenset[int] = frozenset()

    def holds(self, identity: Identity) -> bool:
        """Whether this one is shut out."""
        return identity.box in self.boxes or identity.serial in self.serials


def parse(text: str) -> tuple[Revoked, list[int]]:
    """What the file says, and the numbers of lines that say nothing known."""
    boxes, serials, strange = set(), set(), []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        found = LINE.fullmatch(entry)
        digits = (found["serial"] or "").replace(":", "") if found else ""
        if found and found["box"]:
            boxes.add(found["box"])
        elif digits:
            serials.add(int(digits, 16))
        elif entry:
            strange.append(number)
    return Revoked(frozenset(boxes), frozenset(serials)), strange


class RevokedFile:
    """The file, read again when it changes."""

    def __init__(self, path: Path | None, setting: str = "bond.revoked"):
        """None: nothing is shut out. Raises ConfigError when it cannot be read at the start."""
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.revoked = Revoked()
        if path is not None:
            try:
                self._read(path)
            except OSError as error:
                raise ConfigError(f"{setting}: {path}: {error.strerror}") from error

    def look(self) -> bool:
        """Read it if it has changed; True if it was. What was read before holds if it cannot be."""
        if self._path is None:
            return False
        try:
            return self._read(self._path)
        except OSError as error:
            if self._seen is not None:
                logger.warning("%s: %s; what it said before holds", self._path, error.strerror)
            self._seen = None
            return False

    def _read(self, path: Path) -> bool:
        status = path.stat()
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return False
        text = path.read_text("utf-8", errors="replace")
        self._seen = seen
        self.revoked, strange = parse(text)
        for number in strange:
            logger.warning("%s:%d: neither a box id nor serial:HEX", path, number)
        return True
