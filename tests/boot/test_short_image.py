"""The image's own part of a start, on the root file system that containers boot too (`make check`).

The whole image, with everything it bears, is `make test-image`.
"""

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator

import pytest

from tests.boot.machine import LIBRARIES, ROOT, SOURCE, box_system
from tests.boot.uml import PROGRAM, Disk, running

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which(PROGRAM), reason="user-mode Linux is not here"),
]

SLOT_MB = 640
PLACES = ("data", "bootconfig", "var/log/journal", "var/lib/edgebox", "var/lib/chrony",
          "var/lib/NetworkManager", "var/lib/bluetooth", "var/lib/alsa",
          "etc/NetworkManager/system-connections", "opt/edgebox/source",
          "opt/edgebox/libraries")  # fmt: skip
SERVICES = tuple(f"edgebox-{one}.service" for one in ("bus", "bond", "panel"))


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    directory = tmp_path_factory.mktemp("s")
    root = box_system(directory)
    overlay = f"{ROOT}/image-build/overlay/."
    subprocess.run(
        ["cp", "-a", "--no-preserve=ownership", "--remove-destination", overlay, root], check=True
    )
    for place in PLACES:
        (root / place).mkdir(parents=True, exist_ok=True)
    (root / "etc/machine-id").write_text("")
    subprocess.run([ROOT / "image-build/disk.sh", root, directory, str(SLOT_MB)], check=True)
    shutil.rmtree(root)
    (directory / "system.ext4").unlink()
    disk = Disk(directory / "box.img")
    yield disk
    disk.path.unlink()


@pytest.fixture(scope="module")
def prepare(disk: Disk) -> str:
    """Program and libraries are this machine's, by names that a kernel's command line can hold."""
    seen = {
        "source": (str(ROOT), SOURCE),
        "libraries": (sysconfig.get_path("purelib"), LIBRARIES),
    }
    for name, (ours, _) in seen.items():
        (disk.path.parent / name).symlink_to(ours)
    mounts = (
        f"mount -t hostfs -o {disk.path.parent / name} none {theirs};"
        for name, (_, theirs) in seen.items()
    )
    return " ".join(mounts)


def test_read_only_root_with_its_state_on_data(disk: Disk, prepare: str) -> None:
    with running(disk, prepare=prepare, memory_mb=768) as box:
        box.until_up()
        box.until_active(*SERVICES)
        assert box.run("findmnt", "-no", "OPTIONS", "/").split(",")[0] == "ro"
        assert box.run("cat", "/run/edgebox-boot/data") == "good"
        machine = box.run("cat", "/etc/machine-id")
        box.sh("echo kept >/var/lib/edgebox/kept; sync /var/lib/edgebox/kept")
        box.cut_power()
    disk.write(6, 0, bytes(4096))  # the first block is lost as well
    with running(disk, prepare=prepare, memory_mb=768) as box:
        box.until_up()
        assert box.run("cat", "/var/lib/edgebox/kept", "/etc/machine-id") == f"kept\n{machine}"
