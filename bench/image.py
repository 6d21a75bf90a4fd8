"""What the image costs: `python -m bench.image` after `make image` (root; some ten minutes).

Booted in user-mode Linux with one processor, its modems and its hub beside it on this machine: for
comparing one image with the next. A Raspberry Pi's times are others. Times within a start count
from the kernel's first moment, by the box's own clock. Nothing is shown on a screen: the browser's
memory is not in these figures.
"""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.boot.machine import booted
from tests.boot.test_image import give_identity, units
from tests.boot.test_image_job import HUB_UNITS, configure, hub_root
from tests.boot.uml import IMAGE, ROOT, Box, Disk, running
from tests.boot.uml_roads import UmlRoads, uml_roads

SERVICES = ("bus", "bond", "media", "vitals", "panel", "vehicle", "support", "headset", "update")
UP_S = 300.0
UPTIME = "cut -d' ' -f1 /proc/uptime"
PAGE = """python3 -c '
import time, urllib.request
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:8080/", timeout=5).read()
        break
    except OSError:
        time.sleep(0.1)
print(open("/proc/uptime").read().split()[0])'"""
"""Prints when the panel's page came."""
STEADY_MB, LOOKS = 2, 5
"""What the box holds has settled when so many looks, a second apart, differ by less."""


def main() -> None:
    """Print all of it."""
    _print_sizes()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        disk = Disk.new(directory)
        with running(disk) as box:
            print(f"first start, /data is made: panel's page after {_page_s(box):.1f} s")
            box.power_off()
        with _hub(directory) as net:
            _enrol(disk, net, directory)
            _print_start(disk, net)


def _print_sizes() -> None:
    slot = ROOT / ".image/system.ext4"
    packed = ["sh", "-c", 'zstd -q -c -3 "$0" | wc -c', str(slot)]
    done = subprocess.run(packed, capture_output=True, text=True, check=True)
    used_mb = slot.stat().st_blocks * 512 / 1e6
    print(f"disk as flashed {IMAGE.stat().st_size / 1e6:.0f} MB")
    print(f"one slot: {used_mb:.0f} MB used, packed by zstd -3 {int(done.stdout) / 1e6:.0f} MB")


@contextlib.contextmanager
def _hub(directory: Path) -> Iterator[UmlRoads]:
    with uml_roads() as net, booted(hub_root(directory), net.path(net.hub)) as hub:
        hub.until_active(*HUB_UNITS)
        yield net


def _on(disk: Disk, net: UmlRoads) -> contextlib.AbstractContextManager[Box]:
    return running(disk, taps=net.taps, space=net.hub, prepare=net.prepare)


def _enrol(disk: Disk, net: UmlRoads, directory: Path) -> None:
    with _on(disk, net) as box:
        box.until_up(UP_S)
        give_identity(box, directory)
        configure(box)
        box.power_off()


def _print_start(disk: Disk, net: UmlRoads) -> None:
    with _on(disk, net) as box:
        print(f"start after that: panel's page after {_page_s(box):.1f} s")
        print(f"first of {len(net.taps) - 1} links up after {_first_link_s(box):.1f} s")
        box.until_active(*units(*SERVICES), timeout_s=UP_S)
        # All that belongs to the start has been done.
        box.run("systemctl", "is-system-running", "--wait", check=False, timeout_s=UP_S)
        print(f"whole system, no screen: {_settled_mb(box):.0f} MB in use")
        for name in SERVICES:
            start_s, memory_mb = _start_s(box, name), _memory_mb(box, name)
            print(f"{name:10} {start_s:6.1f} s to start {memory_mb:6.0f} MB", flush=True)
        for name in SERVICES:
            print(
                f"{name:10} killed, serves again after {_recovery_s(box, name):.1f} s", flush=True
            )
        box.power_off()


def _page_s(box: Box) -> float:
    box.until_up(UP_S)
    return float(box.sh(PAGE, timeout_s=UP_S))


def _first_link_s(box: Box) -> float:
    """By the bond's own word: since when a link carries something back and forth."""
    found: list[float] = []

    def look() -> bool:
        said = box.run("edgebox", "bond", "status", "--once", "--json", check=False)
        links = json.loads(said).get("links", []) if said.startswith("{") else []
        found[:] = [one["since_utc"] for one in links if one["state"] == "up"]
        return bool(found)

    box.until(look, "a link", UP_S)
    now_utc, up_s = box.sh(f"date +%s.%N; {UPTIME}").split()
    return min(found) - (float(now_utc) - float(up_s))


def _settled_mb(box: Box) -> float:
    seen: list[float] = []

    def look() -> bool:
        seen.append(float(box.sh(
            "awk '/^MemTotal/ {t = $2} /^MemAvailable/ {print (t - $2) / 1000}' /proc/meminfo;"
            " sleep 1"
        )))  # fmt: skip
        last = seen[-LOOKS:]
        return len(last) == LOOKS and max(last) - min(last) < STEADY_MB

    box.until(look, "memory to settle", UP_S)
    return seen[-1]


def _start_s(box: Box, name: str) -> float:
    (unit,) = units(name)
    begun = int(box.show(unit, "InactiveExitTimestampMonotonic"))
    return (int(box.show(unit, "ActiveEnterTimestampMonotonic")) - begun) / 1e6


def _memory_mb(box: Box, name: str) -> float:
    (unit,) = units(name)
    return int(box.show(unit, "MemoryCurrent")) / 1e6


def _recovery_s(box: Box, name: str) -> float:
    """From kill -9 until it tells systemd that it serves."""
    (unit,) = units(name)
    killed_s = float(box.sh(f"{UPTIME}; systemctl kill --kill-who=main --signal=KILL {unit}"))

    def entered_s() -> float:
        return int(box.show(unit, "ActiveEnterTimestampMonotonic")) / 1e6

    box.until(lambda: entered_s() > killed_s, f"{unit} to serve again", UP_S)
    again_s = entered_s() - killed_s
    box.until_active(*units(*SERVICES), timeout_s=UP_S)
    return again_s


if __name__ == "__main__":
    main()
