"""What the box remembers of updates over a restart and a loss of power: one small JSON file.

It lies with the bundle in the service's own directory, is written whole (host.files) before
anything it speaks of is done, and one that is damaged counts as empty: then nothing is known of
releases that ended, and the boot loader's own word on the running system still holds.
"""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from edgebox.host.files import write_whole
from edgebox.messages.update import Reason, Release

ENDED_MAX = 20
FILE_MAX = 64 * 1024


class Attempt(Struct, frozen=True, kw_only=True):
    """A release that is being put on this box."""

    release: Release
    from_version: str
    phase: Literal["installing", "installed", "tried", "given-up"]
    """`tried`: it was asked to be started; without that, a restart is not its own. `given-up`: it
    ran and was not well."""
    boot_id: str
    """Of the boot that said so: another one means that there was a restart since."""
    tries: int = 0
    faults: tuple[str, ...] = ()
    """What the self-test called a fault before the restart."""


class Ended(Struct, frozen=True, kw_only=True):
    """How a release ended here."""

    sha256: str
    turn: int
    version: str
    state: Literal["good", "fell-back", "refused", "failed"]
    reason: Reason = ""


class Memory(Struct, frozen=True, kw_only=True):
    """All of it. `checked`: the release whose whole bundle was looked at and found good."""

    attempt: Attempt | None = None
    checked: str = ""
    ended: tuple[Ended, ...] = ()

    def end(self, ended: Ended) -> "Memory":
        """The attempt, if any, is over; the oldest ends are forgotten."""
        others = tuple(one for one in self.ended if one.sha256 != ended.sha256)
        kept = (*others, ended)[-ENDED_MAX:]
        return Memory(ended=kept)

    def how_ended(self, release: Release) -> Ended | None:
        """None: not yet, or staff want it tried once more."""
        for one in self.ended:
            if one.sha256 == release.sha256 and (one.turn >= release.turn or one.state == "good"):
                return one
        return None


def load(path: Path) -> Memory:
    """What was kept; nothing for a file that is missing or damaged."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(FILE_MAX), type=Memory)
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeError):
        return Memory()


def save(path: Path, memory: Memory) -> None:
    """On the disk when it returns. Raises DeviceError."""
    write_whole(path, msgspec.json.encode(memory), mode=0o600)
