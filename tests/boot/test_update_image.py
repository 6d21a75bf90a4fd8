"""Updates of the whole image in user-mode Linux: real slots, dm-verity, boot loader and power cuts.

What the hub, the download and the plan do is in tests/integration/test_update_*.py. Bundles come in
by hostfs, as a disk that is plugged in.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.uml import BOOTCONFIG, IMAGE, Box, Disk, PoweredOffError, running
from tests.boot.update_bundle import NEXT, bundles

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not IMAGE.exists(), reason="there is no image: make image"),
]

INSTALL_S = 900.0
BUNDLES = "/run/bundles"
SYSTEM_B = 5
SLOT = "/usr/lib/edgebox/boot-slot"
ASK = """cat >/run/ask.py <<'END'
import asyncio
from pathlib import Path
from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.update import UPDATE_STATUS
async def main():
    config = load(Path("/etc/edgebox/edgebox.toml"))
    said = asyncio.get_running_loop().create_future()
    async def take(status, keys):
        if not said.done():
            said.set_result(status)
    async with Bus(config.bus.address, "ask", box=config.box.id) as bus:
        await bus.subscribe(UPDATE_STATUS, take)
        one = await asyncio.wait_for(said, 20)
        print(one.version, one.state, one.reason)
asyncio.run(main())
END
/opt/edgebox/venv/bin/python3 /run/ask.py"""


@pytest.fixture(scope="module")
def made() -> tuple[Path, Path]:
    return bundles()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    one = Disk.new(tmp_path)
    yield one
    one.path.unlink()


@contextlib.contextmanager
def started(disk: Disk, directory: Path) -> Iterator[Box]:
    """Booted, with RAUC there and the bundles in `directory` within reach."""
    with running(disk) as box:
        box.until_up(timeout_s=300)
        box.until_active("rauc.service", timeout_s=300)
        box.run("mkdir", "-p", BUNDLES)
        box.run("mount", "-t", "hostfs", "-o", f"ro,{directory}", "none", BUNDLES)
        yield box


def version(box: Box) -> str:
    return box.sh("sed -n 's/^IMAGE_VERSION=//p' /usr/lib/os-release")


def said(box: Box) -> list[str]:
    """Version, state and reason, as the update service says them."""
    return box.sh(ASK, timeout_s=120).split()


def install(box: Box, bundle: Path) -> str:
    """What RAUC says that is wrong; empty: it is installed."""
    try:
        box.run("rauc", "install", f"{BUNDLES}/{bundle.name}", timeout_s=INSTALL_S)
    except subprocess.CalledProcessError as error:
        return f"{error.stdout} {error.stderr}"
    return ""


def restart(box: Box) -> None:
    """As the update service asks for it: by its file. User-mode Linux would start the same system
    again by itself, past the firmware: it ends where it says so."""
    with contextlib.suppress(PoweredOffError):
        box.run("install", "-o", "edgebox-update", "-m", "600", "/dev/null",
                "/run/edgebox-update/restart")  # fmt: skip
    box.until(lambda: "reboot: Restarting system" in box.console(), "the restart", 180)
    box.cut_power()


def next_start(disk: Disk) -> str:
    return disk.read_file(BOOTCONFIG, "autoboot.txt")


def test_installed_tried_fallen_back_tried_again_and_kept(
    disk: Disk, made: tuple[Path, Path]
) -> None:
    with started(disk, made[0].parent) as box:
        old = version(box)
        assert old != NEXT
        box.until_active("edgebox-update.service", timeout_s=300)
        box.until(lambda: said(box)[:2] == [old, "current"], "the update service to speak")
        box.sh("echo kept >/var/lib/edgebox/probe; echo kept >/etc/edgebox/probe; sync")
        assert install(box, made[0]) == ""
        assert "boot_partition=2\n[tryboot]" in next_start(disk), "nothing is decided yet"
        assert box.run(SLOT, "get-primary") == "b"
        restart(box)
    # Tried once, and the plug is pulled before it has shown itself well.
    with started(disk, made[0].parent) as box:
        assert version(box) == NEXT
        assert box.sh("cat /var/lib/edgebox/probe /etc/edgebox/probe").split() == ["kept", "kept"]
        assert box.run(SLOT, "get-state", "b") == "bad"
        box.until_active("edgebox-update.service", "edgebox-panel.service", timeout_s=300)
        box.until(lambda: said(box)[1] == "trying", "it to know that it is tried")
        box.cut_power()
    with started(disk, made[0].parent) as box:
        assert version(box) == old, "the boot loader came back by itself"
        restart(box)
    with started(disk, made[0].parent) as box:
        assert version(box) == NEXT
        box.run("rauc", "status", "mark-good")
        assert "boot_partition=3\n[tryboot]" in next_start(disk)
        box.cut_power()
    with started(disk, made[0].parent) as box:
        assert version(box) == NEXT, "confirmed, it is what is started from now on"
        assert box.sh("cat /var/lib/edgebox/probe /etc/edgebox/probe").split() == ["kept", "kept"]
        assert box.run("findmnt", "-no", "OPTIONS", "/bootconfig").split(",")[0] == "ro"


def test_what_is_not_ours_or_was_changed_is_not_installed(
    disk: Disk, made: tuple[Path, Path], tmp_path: Path
) -> None:
    ours, theirs = made
    changed = tmp_path / "bundles"
    changed.mkdir()
    subprocess.run(["cp", "--sparse=auto", theirs, changed / "other.raucb"], check=True)
    (changed / "short.raucb").write_bytes(ours.read_bytes()[:100_000])
    # Blocks in the middle: the signature is whole, the hash tree finds them.
    payload = changed / "payload.raucb"
    subprocess.run(["cp", "--sparse=auto", ours, payload], check=True)
    size = payload.stat().st_size
    with payload.open("r+b") as file:
        for part in range(1, 8):
            file.seek(size * part // 9)
            file.write(b"changed")
    with started(disk, changed) as box:
        for name in ("other", "short", "payload"):
            assert install(box, changed / f"{name}.raucb"), name
            assert box.run(SLOT, "get-primary") == "a", name
        # Who is not the update service does not get at RAUC at all.
        stranger = ("setpriv", "--reuid=edgebox-panel", "--regid=edgebox", "--clear-groups")
        with pytest.raises(subprocess.CalledProcessError, match="exit status"):
            box.run(*stranger, "rauc", "install", f"{BUNDLES}/other.raucb")
        box.cut_power()
    with started(disk, changed) as box:
        assert "rauc.slot=a" in box.sh("cat /proc/cmdline")


def test_a_system_that_does_not_boot_is_left_by_itself(disk: Disk, made: tuple[Path, Path]) -> None:
    with started(disk, made[0].parent) as box:
        old = version(box)
        assert install(box, made[0]) == ""
        restart(box)
    # What was written is rubbish: the kernel finds no root.
    disk.write(SYSTEM_B, 0, b"\0" * 8 * 1024 * 1024)
    with running(disk) as box:
        box.until(lambda: "Kernel panic" in box.console(), "the kernel to give up", 180)
    with started(disk, made[0].parent) as box:
        assert version(box) == old


def test_the_plug_is_pulled_in_every_phase(disk: Disk, made: tuple[Path, Path]) -> None:
    """While it installs, early and late; while the boot loader's file is written; while it is
    tried. Each time the next start is a whole system, and the update can be had again."""
    for cut_s in (2.0, 25.0):
        with started(disk, made[0].parent) as box:
            old = version(box)
            box.sh(f"rauc install {BUNDLES}/{made[0].name} >/dev/null 2>&1 &")
            time.sleep(cut_s)
            box.cut_power()
    again = f"while :; do {SLOT} set-primary b; {SLOT} set-primary a; done >/dev/null 2>&1 &"
    for cut_s in (0.3, 1.7):
        with started(disk, made[0].parent) as box:
            assert version(box) == old
            box.sh(again)
            time.sleep(cut_s)
            box.cut_power()
        assert "[all]\ntryboot_a_b=1\nboot_partition=2\n" in next_start(disk)
    with started(disk, made[0].parent) as box:
        assert version(box) == old
        assert install(box, made[0]) == ""
        restart(box)
    with running(disk) as box:
        time.sleep(3)
        box.cut_power()
    with started(disk, made[0].parent) as box:
        assert version(box) == old
        restart(box)
    with started(disk, made[0].parent) as box:
        assert version(box) == NEXT
