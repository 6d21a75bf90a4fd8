"""Is the disk dying? Worn flash, file system errors, a file system that turned read-only, SMART.

eMMC: `life_time` holds two estimates, 0x01 (0 to 10 % used) to 0x0A (90 to 100 %), 0x0B beyond;
`pre_eol_info` 0x01 normal, 0x02 80 % of the spare blocks used, 0x03 90 % (JEDEC JESD84-B51, EXT_CSD
267 to 269; Linux Documentation/ABI/testing/sysfs-bus-mmc). ext4 counts its errors in
/sys/fs/ext4/*/errors_count and by default goes read-only at the first (ext4(5), `errors=`).
SMART by smartctl(8), where it is installed and may open the device.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

WORN, WORN_OUT = 0x09, 0x0B
SPARE_LOW, SPARE_GONE = 0x02, 0x03
USED_MUCH_PERCENT = 80


@dataclass(frozen=True)
class Flash:
    """One eMMC. `life`: the worse of its two estimates."""

    name: str
    life: int
    spare: int


@dataclass(frozen=True)
class Smart:
    """One drive. None: it does not tell."""

    name: str
    passed: bool | None
    used_percent: int | None


@dataclass(frozen=True)
class Facts:
    """`read_only`: places the box writes to that cannot be written. `errors`: by ext4 device."""

    flash: tuple[Flash, ...] = ()
    smart: tuple[Smart, ...] = ()
    read_only: tuple[str, ...] = ()
    errors: tuple[tuple[str, int], ...] = ()
    mounted: int = 0


async def read(here: Surroundings) -> Facts:
    """From sysfs, /proc and smartctl."""
    mounts = parse_mounts(here.read("/proc/self/mountinfo") or "")
    errors = [
        (name.split("/")[-2], here.read_number(name) or 0)
        for name in here.glob("/sys/fs/ext4/*/errors_count")
    ]
    return Facts(
        flash=tuple(_flash(here)),
        smart=await _smart(here),
        read_only=_read_only(here, mounts),
        errors=tuple(errors),
        mounted=len(mounts),
    )


def _flash(here: Surroundings) -> list[Flash]:
    found = []
    for name in here.glob("/sys/block/mmcblk*/device/life_time"):
        life = [_hex(word) for word in (here.read(name) or "").split()]
        spare = here.read(name.replace("life_time", "pre_eol_info")) or "0"
        found.append(Flash(name.split("/")[3], max(life, default=0), _hex(spare)))
    return found


def _hex(word: str) -> int:
    """0 for what is no number: such an eMMC tells nothing."""
    try:
        return int(word, 16)
    except ValueError:
        return 0


def parse_mounts(text: str) -> dict[str, bool]:
    """Mount point -> whether it is read-only, of /proc/self/mountinfo (proc(5)); the last counts.

    Read-only of the file system itself, not of the service's own view (ProtectSystem=).
    """
    found = {}
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        words, more = fields.split(" "), rest.split(" ")
        if len(words) >= 6 and len(more) >= 3:
            found[words[4]] = "ro" in more[2].split(",")
    return found


def _read_only(here: Surroundings, mounts: dict[str, bool]) -> tuple[str, ...]:
    directory = Path(here.config.directory)
    stores = (here.config.vitals.store, here.config.support.store, here.config.bond.usage_file)
    places = {str((directory / store).parent) for store in stores}
    return tuple(sorted(place for place in places if mounts.get(_mount_of(place, mounts), False)))


def _mount_of(place: str, mounts: dict[str, bool]) -> str:
    for one in (Path(place), *Path(place).parents):
        if str(one) in mounts:
            return str(one)
    return ""


async def _smart(here: Surroundings) -> tuple[Smart, ...]:
    found = []
    for name in (*here.glob("/dev/nvme[0-9]"), *here.glob("/dev/sd[a-z]")):
        said = await here.run("smartctl", "--json", "--health", "--attributes", name)
        if said is not None and not said.code & 0b11:  # smartctl(8): no device was opened
            found.append(parse_smart(name, said.output))
    return tuple(found)


def parse_smart(name: str, output: bytes) -> Smart:
    """smartctl's JSON; what is missing or strange in it is not told."""
    try:
        said: Any = msgspec.json.decode(output, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Smart(name, None, None)
    passed = _get(said, "smart_status", "passed")
    used = _get(said, "nvme_smart_health_information_log", "percentage_used")
    return Smart(
        name,
        passed if isinstance(passed, bool) else None,
        used if isinstance(used, int) and not isinstance(used, bool) else None,
    )


def _get(said: dict[str, Any], *names: str) -> object:
    found: object = said
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """What is wrong; good if nothing is and something could be asked."""
    replace = "replace the disk before it fails; the box keeps its identity on it"
    found: list[Verdict] = [
        fault("read-only", f"{place} cannot be written", "dmesg, fsck at the next start", place)
        for place in facts.read_only
    ]
    for name, count in facts.errors:
        if count:
            look_at = f"dmesg, fsck of {name} at the next start; then the disk itself"
            found.append(attention("errors", f"{name}: {count} file system errors", look_at, name))
    for flash in facts.flash:
        measured = f"{flash.name}: life {flash.life:#04x}, spare {flash.spare:#04x}"
        if flash.life >= WORN_OUT or flash.spare >= SPARE_GONE:
            found.append(fault("worn-out", measured, replace, flash.name))
        elif flash.life >= WORN or flash.spare >= SPARE_LOW:
            found.append(attention("worn", measured, replace, flash.name))
        elif flash.life:
            found.append(good(measured, flash.name))
    found += [_judge_smart(one, replace) for one in facts.smart]
    if found:
        return tuple(found)
    if facts.mounted:
        return (good("no file system errors; the disk tells nothing of its wear"),)
    return (untested("absent", "nothing tells how the disk is"),)


def _judge_smart(smart: Smart, replace: str) -> Verdict:
    used = "?" if smart.used_percent is None else f"{smart.used_percent} %"
    measured = f"{smart.name}: SMART passed {smart.passed}, used {used}"
    if smart.passed is False:
        return fault("failing", measured, replace, smart.name)
    if smart.used_percent is not None and smart.used_percent >= USED_MUCH_PERCENT:
        return attention("worn", measured, replace, smart.name)
    if smart.passed is None and smart.used_percent is None:
        return untested("mute", f"{smart.name} tells nothing", smart.name)
    return good(measured, smart.name)


DISK_HEALTH = Check("disk-health", read, judge, limit_s=15)
