"""What the image costs: `python -m bench.image` after `make image` (root; a few minutes).

Booted in user-mode Linux, one processor, several times slower than a Raspberry Pi 5: for comparing
one image with the next, not for what a vehicle sees. The clock starts with the kernel.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from edgebox.sim import pki
from tests.boot.uml import IMAGE, ROOT, Box, Disk, running

SERVICES = ("bus", "bond", "media", "vitals", "panel", "vehicle", "support", "headset")
PAGE = (
    "python3 -c 'import urllib.request as r;"
    ' r.urlopen("http://127.0.0.1:8080/", timeout=5).read()\''
)
LINK = '\n[[bond.link]]\nname = "lo"\nsource = "127.0.0.1"\n'
UP_S = 300.0


def main() -> None:
    """Print all of it."""
    _print_sizes()
    with tempfile.TemporaryDirectory() as name:
        disk = Disk.new(Path(name))
        for what in ("first start, /data is made", "start after that"):
            _print_start(disk, what)
        _print_services(disk, Path(name))


def _print_sizes() -> None:
    slot = ROOT / ".image/system.ext4"
    packed = ["sh", "-c", f"zstd -q -c -3 {slot} | wc -c"]
    done = subprocess.run(packed, capture_output=True, text=True, check=True)
    print(f"disk as flashed {IMAGE.stat().st_size / 1e6:.0f} MB")
    used_mb = slot.stat().st_blocks * 512 / 1e6
    print(f"one slot: {used_mb:.0f} MB used, packed {int(done.stdout) / 1e6:.0f} MB")


def _print_start(disk: Disk, what: str) -> None:
    began_at = time.monotonic()
    with running(disk) as box:
        box.until_up(UP_S)
        shell_s = time.monotonic() - began_at
        box.until(lambda: box.sh(f"{PAGE} && echo here", check=False) == "here", "the panel", UP_S)
        panel_s = time.monotonic() - began_at
        box.power_off()
    print(f"{what}: to systemd's first unit {shell_s:.1f} s, to the panel's page {panel_s:.1f} s")


def _print_services(disk: Disk, directory: Path) -> None:
    with running(disk) as box:
        box.until_up(UP_S)
        tls = pki.box_credentials(directory / "pki", "box-1")
        pair = tls.certificate.read_text() + tls.private_key.read_text()
        for file, text in (("fleet-ca.pem", tls.ca.read_text()), ("identity.pem", pair)):
            box.sh(f"cat >/etc/edgebox/credentials/{file} <<'END'\n{text}END\n")
        box.sh(f"cat >>/etc/edgebox/edgebox.toml <<'END'{LINK}END\nsync")
        box.power_off()
    began_at = time.monotonic()
    with running(disk) as box:
        box.until_up(UP_S)
        box.until_active("edgebox-bond.service", timeout_s=UP_S)
        print(f"to the bond on its first link (loopback) {time.monotonic() - began_at:.1f} s")
        box.until_active(*(f"edgebox-{name}.service" for name in SERVICES), timeout_s=UP_S)
        time.sleep(20)
        for name in SERVICES:
            print(
                f"{name:10} {_start_s(box, name):6.1f} s to start {_memory_mb(box, name):6.0f} MB"
            )
        used = box.sh("free -m | awk '/^Mem:/ {print $3}'")
        print(f"whole system {used} MB in use")
        box.power_off()


def _start_s(box: Box, name: str) -> float:
    unit = f"edgebox-{name}.service"
    begun = int(box.show(unit, "InactiveExitTimestampMonotonic"))
    return (int(box.show(unit, "ActiveEnterTimestampMonotonic")) - begun) / 1e6


def _memory_mb(box: Box, name: str) -> float:
    return int(box.show(f"edgebox-{name}.service", "MemoryCurrent")) / 1e6


if __name__ == "__main__":
    main()
