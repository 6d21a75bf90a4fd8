"""Where the bundle's content comes from: each source by name, and how it is read.

Nothing here is redacted; whoever reads it does that before anything else (bundle.py).
"""

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from edgebox.support.surroundings import Surroundings

Read = Callable[[], Awaitable[bytes | None]]
LOG_MAX = 400_000
PROGRAM_S = 8.0
LINES = 3000
"""Of one unit's journal."""

PROGRAMS: dict[str, tuple[str, ...]] = {
    "uname": ("uname", "-a"),
    "uptime": ("uptime",),
    "processors": ("lscpu",),
    "disks": ("lsblk", "--output", "NAME,SIZE,TYPE,FSTYPE,RO,MOUNTPOINTS,MODEL"),
    "space": ("df", "--output=source,size,used,avail,ipcent,target", "--block-size=1M"),
    "usb": ("lsusb",),
    "pci": ("lspci",),
    "throttled": ("vcgencmd", "get_throttled"),
    "addresses": ("ip", "address"),
    "links": ("ip", "-s", "link"),
    "routes": ("ip", "route", "show", "table", "all"),
    "rules": ("ip", "rule"),
    "sockets": ("ss", "--summary"),
    "wireless": ("iw", "dev"),
    "modems": ("mmcli", "--list-modems"),
    "name-servers": ("resolvectl", "status"),
    "failed-units": ("systemctl", "list-units", "--failed", "--no-pager"),
    "units": ("systemctl", "status", "edgebox-*", "--no-pager", "--lines=0"),
    "unit-numbers": (
        "systemctl",
        "show",
        "edgebox-*",
        "--property=Id,ActiveState,NRestarts,MemoryCurrent,CPUUsageNSec,ExecMainStatus",
    ),
    "time": ("timedatectl",),
    "time-source": ("chronyc", "-n", "tracking"),
    "time-sources": ("chronyc", "-n", "sources"),
    "time-sync": ("timedatectl", "timesync-status"),
    "update": ("rauc", "status"),
    "packages": ("dpkg-query", "--show", "--showformat=${Package} ${Version}\\n"),
    "processes": ("ps", "-eo", "pid,user,rss,pcpu,etimes,stat,comm"),
}
FILES: dict[str, str] = {
    "os-release": "/etc/os-release",
    "model": "/proc/device-tree/model",
    "memory": "/proc/meminfo",
    "load": "/proc/loadavg",
    "pressure-cpu": "/proc/pressure/cpu",
    "pressure-memory": "/proc/pressure/memory",
    "pressure-io": "/proc/pressure/io",
    "mounts": "/proc/self/mountinfo",
    "network-counters": "/proc/net/dev",
    "udp-counters": "/proc/net/snmp",
}
UNITS = (
    "edgebox-bond",
    "edgebox-conduit",
    "edgebox-media",
    "edgebox-vitals",
    "edgebox-panel",
    "edgebox-vehicle",
    "edgebox-support",
    "edgebox-headset",
    "edgebox-bus",
    "edgebox-kiosk",
    "ModemManager",
    "NetworkManager",
    "systemd-networkd",
    "chrony",
    "systemd-timesyncd",
    "gpsd",
    "hostapd",
    "rauc",
)


def system(here: Surroundings) -> dict[str, Read]:
    """Programs and files of the operating system."""
    found: dict[str, Read] = {
        name: functools.partial(_program, here, words) for name, words in PROGRAMS.items()
    }
    found |= {name: functools.partial(_file, here, path) for name, path in FILES.items()}
    found["temperatures"] = functools.partial(_sensors, here)
    return found


def logs(here: Surroundings) -> dict[str, Read]:
    """The journal of each unit, or the log files where systemd does not run us."""
    if here.path("/run/systemd/system").exists():
        common = ("--no-pager", "--quiet", "--output=short-iso", "--reverse", f"--lines={LINES}")
        found: dict[str, Read] = {
            unit: functools.partial(_program, here, ("journalctl", f"--unit={unit}", *common))
            for unit in UNITS
        }
        warnings = ("journalctl", "--dmesg", "--priority=warning", *common)
        return found | {"kernel": functools.partial(_program, here, warnings)}
    directory = Path(here.config.directory)
    return {
        path.stem: functools.partial(_end_of, path) for path in sorted(directory.glob("*.log"))[:40]
    }


def state(here: Surroundings, now_utc: float) -> dict[str, Any]:
    """What the services say now. Of sessions no people, of monitors no values."""
    heard = here.heard
    bond, vitals, session = heard.bond(now_utc), heard.vitals(now_utc), heard.session
    return {
        "broker": heard.broker,
        "bridge": heard.bridge,
        "services": msgspec.to_builtins(list(heard.services.values())),
        "modems": msgspec.to_builtins(heard.modems),
        "bond": msgspec.to_builtins(bond),
        "vitals": msgspec.to_builtins(vitals),
        "cameras": [] if session is None else msgspec.to_builtins(session.cameras),
        "sound": None if session is None else msgspec.to_builtins(session.sound),
        "session": None if session is None else session.state,
    }


async def _program(here: Surroundings, words: tuple[str, ...]) -> bytes | None:
    said = await here.run(*words, limit_s=PROGRAM_S, most=LOG_MAX)
    if said is None or not said.cut:
        return None if said is None else said.output
    # A word that was cut in two would not be known any more for what it is.
    return said.output[: _last_gap(said.output)]


async def _file(here: Surroundings, name: str) -> bytes | None:
    text = here.read(name)
    return None if text is None else text.replace("\0", "").encode()


async def _sensors(here: Surroundings) -> bytes | None:
    names = (*here.glob("/sys/class/thermal/thermal_zone*/temp"),)
    lines = [
        f"{name} {here.read(name)}" for name in (*names, *here.glob("/sys/class/hwmon/*/name"))
    ]
    return "\n".join(lines).encode() or None


async def _end_of(path: Path) -> bytes | None:
    """Its last LOG_MAX bytes. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LOG_MAX))
        end = file.read(LOG_MAX)
    return end if size <= LOG_MAX else end[_first_gap(end) :]


def _last_gap(data: bytes) -> int:
    return max(data.rfind(b"\n"), 0) or max(data.rfind(b" "), 0)


def _first_gap(data: bytes) -> int:
    gaps = [at for at in (data.find(b"\n"), data.find(b" ")) if at >= 0]
    return gaps[0] if gaps else len(data)
