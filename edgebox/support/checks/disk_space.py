"""Is there room to write? Bytes and files, where the box writes. statvfs(3)."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

LITTLE, NONE = 0.10, 0.02
"""Shares that are free."""


@dataclass(frozen=True)
class Room:
    """One file system. `files`: inodes; 0 where a file system has no such limit."""

    place: str
    total_bytes: int
    free_bytes: int
    files: int
    files_free: int


@dataclass(frozen=True)
class Facts:
    """Each file system once."""

    rooms: tuple[Room, ...]


async def read(here: Surroundings) -> Facts:
    """Where the configuration says that something is written. A read-only image has no room."""
    directory = Path(here.config.directory)
    stores = (here.config.vitals.store, here.config.support.store, here.config.bond.usage_file)
    bus = here.config.bus.address
    places = ["/", "/run", *(str((directory / store).parent) for store in stores)]
    if bus.startswith("/"):
        places.append(str(Path(bus).parent))
    seen: dict[int, Room] = {}
    for place in places:
        path = here.path(place)
        if not path.exists():
            continue
        device = path.stat().st_dev
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            continue
        seen.setdefault(device, _room(place, path))
    return Facts(tuple(seen.values()))


def _room(place: str, path: Path) -> Room:
    found = os.statvfs(path)
    total = found.f_blocks * found.f_frsize
    return Room(place, total, found.f_bavail * found.f_frsize, found.f_files, found.f_favail)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One verdict for each."""
    rooms = [room for room in facts.rooms if room.total_bytes]
    return tuple(_judge_one(room) for room in rooms) or (untested("absent", "no disk is seen"),)


def _judge_one(room: Room) -> Verdict:
    share = room.free_bytes / room.total_bytes
    files = room.files_free / room.files if room.files else 1.0
    measured = f"{room.place}: {room.free_bytes / 1e6:.0f} MB free ({share:.0%})"
    if files < LITTLE:
        measured += f", {room.files_free} more files"
    look_at = "du -x: what grew? journal size, vitals waiting for the hub, old bundles"
    if min(share, files) < NONE:
        return fault("full", measured, look_at, room.place)
    if min(share, files) < LITTLE:
        return attention("little", measured, look_at, room.place)
    return good(measured, room.place)


DISK_SPACE = Check("disk-space", read, judge)
