"""How much each link has carried this month, kept over restarts and power cuts.

What is on disk is never less than what was carried: before a link uses more than the file says, a
block is added there in advance. A crash loses the rest of that block, at most, to the operator's
favour. The file is JSON, replaced as a whole (rename(2)), so it is never half written.

Months begin at 00:00 UTC of the operator's day. They only go forward: a box that starts without a
network believes it is some other year, and must not begin to count anew for that.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edgebox.config.bond import Link
from edgebox.errors import EdgeboxError
from edgebox.host.files import write_whole

BLOCK_BYTES = 8_000_000
BLOCK_LEAST = 1_000_000
BLOCK_SHARE = 0.005
"""Of a cap, within these bounds: so much is written in advance."""
FILE_MAX = 65_536


class UsageError(EdgeboxError):
    """The file cannot be trusted."""


class Count(Struct, frozen=True):
    """One link in the file."""

    month: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    """First day of the month it counts, UTC."""
    used_bytes: Annotated[int, Meta(ge=0)]


class Usage:
    """The counts of all links; no file, told the date."""

    def __init__(self, links: tuple[Link, ...], stored: Mapping[str, Count], today: datetime.date):
        self._links = {link.name: link for link in links}
        self._month: dict[str, str] = {}
        self._used: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._others = {name: count for name, count in stored.items() if name not in self._links}
        """Links that are not configured now may be again."""
        for name in self._links:
            count = stored.get(name)
            self._month[name] = count.month if count else ""
            self._used[name] = self._written[name] = count.used_bytes if count else 0
        self.turn(today)

    def used_bytes(self, name: str) -> int:
        """This month."""
        return self._used[name]

    def add(self, name: str, size: int) -> None:
        """Bytes were carried."""
        self._used[name] += size

    def turn(self, today: datetime.date) -> None:
        """Begin a new month where it has come."""
        for name, link in self._links.items():
            month = month_of(today, link.month_starts_on).isoformat()
            if month > self._month[name]:
                if self._month[name]:
                    self._used[name] = self._written[name] = 0
                self._month[name] = month

    @property
    def is_due(self) -> bool:
        """A block is nearly used up: `to_store` and write."""
        return any(
            self._used[name] + self._block(name) / 2 > self._written[name] for name in self._links
        )

    def covered_bytes(self, name: str) -> int:
        """What the file already says of this link: more must not be carried under a cap."""
        return self._written[name]

    def to_store(self, *, exact: bool = False) -> dict[str, Count]:
        """For the file; `exact` at the end, else a block in advance. Then call `stored`."""
        ahead = {name: 0 if exact else self._block(name) for name in self._links}
        counts = {
            name: Count(self._month[name], self._used[name] + ahead[name]) for name in self._links
        }
        return {**self._others, **counts}

    def stored(self, counts: Mapping[str, Count]) -> None:
        """These are on disk now."""
        for name in self._links:
            if counts[name].month == self._month[name]:
                self._written[name] = counts[name].used_bytes

    def _block(self, name: str) -> int:
        cap = self._links[name].monthly_cap_mb * 1_000_000
        share = max(BLOCK_LEAST, round(cap * BLOCK_SHARE))
        return min(BLOCK_BYTES, share) if cap else BLOCK_BYTES


def month_of(today: datetime.date, starts_on: int) -> datetime.date:
    """First day of the operator's month that holds this day."""
    if today.day >= starts_on:
        return today.replace(day=starts_on)
    return (today.replace(day=1) - datetime.timedelta(days=1)).replace(day=starts_on)


def today_utc() -> datetime.date:
    """By this machine's clock."""
    return datetime.datetime.now(datetime.UTC).date()


def load(path: Path) -> dict[str, Count]:
    """What is stored; nothing if there is no file yet. Raises UsageError for one we cannot trust:
    to begin at 0 could exceed a cap."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(FILE_MAX), type=dict[str, Count])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: damaged: {error}; delete it to count anew") from error


def save(path: Path, counts: Mapping[str, Count]) -> None:
    """Whole or not at all, also in a power cut. Blocks on the disk. Raises DeviceError."""
    write_whole(path, msgspec.json.encode(counts), mode=0o644)
