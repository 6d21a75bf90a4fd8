"""The image as it is flashed, booted in user-mode Linux: what it keeps, says and bears."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebox.sim import pki
from tests.boot.machine import LOOPBACK
from tests.boot.uml import BOOTCONFIG, DATA, IMAGE, Box, Disk, running

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not IMAGE.exists(), reason="there is no image: make image"),
]


def units(*names: str) -> tuple[str, ...]:
    return tuple(f"edgebox-{name}.service" for name in names)


WITHOUT_IDENTITY = units("bus", "media", "vitals", "panel", "vehicle", "support", "headset")
PAGE = """python3 -c 'import urllib.request as r
print(r.urlopen("http://127.0.0.1:8080/", timeout=5).read().decode())'"""
FULL = "dd if=/dev/zero of=/data/filler bs=1M 2>/dev/null; dd if=/dev/zero of=/data/filler2 bs=4k"
IDENTITY = "/etc/edgebox/credentials/identity.pem"
FIREWALL = "nftables.service"
"""Debian's user-mode Linux has no tables of family `inet`; tests/boot/test_rpi.py loads them."""
NOBODY = "http://127.0.0.1:1/enrol#box-7.mzxw6ytboi4tqmjsgaztcmzvge"
"""A voucher whose hub does not answer."""
GREW_MB = 256
CUTS = 4


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    one = Disk.new(tmp_path)
    yield one
    one.path.unlink()


def put(box: Box, path: str, text: str, mode: int = 0o644) -> None:
    """A file inside, there whole or not at all, on its disk when this returns."""
    new = f"{path}.new"
    box.sh(
        f"cat >{new} <<'END_OF_FILE'\n{text}END_OF_FILE\n"
        f"chmod {mode:o} {new} && sync {new} && mv {new} {path} && sync -f {path}"
    )


def give_link(box: Box) -> None:
    """The least that a bond works with."""
    box.sh(f"cat >>/etc/edgebox/edgebox.toml <<'END'{LOOPBACK}END\nsync")


def give_identity(box: Box, directory: Path, name: str = "box-1") -> None:
    """As provisioning does, without a hub."""
    tls = pki.box_credentials(directory / "pki", name)
    put(box, "/etc/edgebox/credentials/fleet-ca.pem", tls.ca.read_text(), 0o600)
    pair = tls.certificate.read_text() + tls.private_key.read_text()
    put(box, IDENTITY, pair, 0o600)


def found(box: Box) -> dict[str, str]:
    """What the self-test says of what is not good: grade by code."""
    said = box.run("edgebox", "self-test", "--json", check=False, timeout_s=120)
    return {one["code"]: one["grade"] for one in json.loads(said)["findings"]}


def answers(box: Box) -> bool:
    """Whether the panel's page comes."""
    try:
        return "<html" in box.sh(PAGE)
    except subprocess.CalledProcessError:
        return False


def test_fresh_box_starts_keeps_its_state_and_writes_nowhere_else(tmp_path: Path) -> None:
    disk = Disk.new(tmp_path, extra_mb=GREW_MB)
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        box.until(lambda: answers(box), "the panel")
        # Read-only is the root, and nothing of it but the places named.
        assert box.run("findmnt", "-no", "OPTIONS", "/").split(",")[0] == "ro"
        for place in ("/usr/probe", "/etc/probe", "/opt/probe", "/var/lib/probe", "/probe"):
            assert box.run("touch", place, check=False) == ""
            assert box.run("ls", place, check=False) == ""
        # The data partition was made, and took the rest of a larger disk.
        size_mb = int(box.run("findmnt", "-bno", "SIZE", "/data")) / 1e6
        assert size_mb > 256 + GREW_MB / 2
        assert box.run("cat", "/run/edgebox-boot/data") == "good"
        assert box.run("systemctl", "is-enabled", "edgebox-kiosk.service") == "enabled"
        assert box.show("edgebox-kiosk.service", "ConditionResult") == "no", "there is no screen"
        failed = box.run("systemctl", "--failed", "--no-legend", "--plain").splitlines()
        assert {line.split()[0] for line in failed} <= {FIREWALL}
        # Nobody has enrolled it: that is said, by one finding, and nothing is tried meanwhile.
        said = found(box)
        assert said["certificate.not-enrolled"] == "fault"
        assert not {"bond.away", "service.stopped", "hub.away"} & {
            code for code, grade in said.items() if grade == "fault"
        }
        assert box.show("edgebox-bond.service", "ConditionResult") == "no"
        assert box.show("edgebox-bond.service", "NRestarts") == "0"
        give_link(box)
        give_identity(box, tmp_path)
        box.until_active(*WITHOUT_IDENTITY, *units("bond"))
        box.until(lambda: "certificate.not-enrolled" not in found(box), "its identity to be seen")
        machine = box.run("cat", "/etc/machine-id")
        assert len(machine) == 32
        box.power_off()
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY, *units("bond"))
        assert box.run("cat", "/etc/machine-id") == machine
        assert len(box.run("journalctl", "--list-boots", "--no-pager").splitlines()) >= 2
        assert box.run("hostname") == "box-1"
        assert box.show("edgebox-bus.service", "NRestarts") == "0"


def test_power_cut_at_any_moment_leaves_a_box_that_starts(tmp_path: Path, disk: Disk) -> None:
    rng = random.Random(8)
    with running(disk) as box:
        box.until_up()
        give_link(box)
        give_identity(box, tmp_path)
        box.sh("echo kept >/var/lib/edgebox/kept; sync /var/lib/edgebox/kept")
        box.cut_power()
    for _ in range(CUTS):
        with running(disk) as box:
            time.sleep(rng.uniform(0.5, 25))
            box.cut_power()
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY, *units("bond"))
        assert box.run("cat", "/run/edgebox-boot/data") == "good"
        assert box.run("cat", "/var/lib/edgebox/kept") == "kept"
        assert box.run("edgebox", "check-config").endswith("good")


def test_full_disk_is_said_and_stops_no_service(tmp_path: Path, disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        give_link(box)
        give_identity(box, tmp_path)
        box.sh(FULL, check=False, timeout_s=120)
        assert "disk-space.full" in found(box)
        box.power_off()
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY, *units("bond"))
        box.until(lambda: answers(box), "the panel")
        assert found(box)["disk-space.full"] == "fault"
        box.sh("rm /data/filler*")
        assert "disk-space.full" not in found(box)


def test_stick_brings_configuration_and_voucher(tmp_path: Path, disk: Disk) -> None:
    """udev's part, to notice it, is left out: there is no USB here."""
    stick = tmp_path / "stick.img"
    with stick.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.vfat", stick], check=True, capture_output=True)
    for name, text in (
        ("edgebox-voucher.txt", f"{NOBODY}\n"),
        ("edgebox.toml", LOOPBACK.replace('"lo"', '"brought"')),
    ):
        copy: list[str | Path] = ["mcopy", "-i", stick, "-", f"::{name}"]
        subprocess.run(copy, input=text.encode(), check=True)
    with running(disk, stick=stick) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        box.run("systemctl", "start", "edgebox-usb@ubdb.service")
        unit = "edgebox-voucher.service"
        box.until(lambda: "Cannot connect" in box.journal(unit), "a try")
        assert '"brought"' in box.sh("cat /run/edgebox-usb/edgebox.toml")
        assert '"brought"' not in box.sh("cat /etc/edgebox/edgebox.toml"), (
            "not before the hub's word"
        )
        assert NOBODY.partition("#")[2] not in box.journal(unit)
        assert box.sh("findmnt -rn -S /dev/ubdb", check=False) == ""


def test_clock_at_1970_becomes_plausible(disk: Disk) -> None:
    with running(disk, prepare="date -s @0;") as box:
        box.until_up()
        built = int(box.run("stat", "-c", "%Y", "/usr/lib/clock-epoch"))
        assert int(box.run("date", "+%s")) >= built
        later = built + 100 * 86_400
        box.sh(f"date -s @{later} && systemctl start remember-clock.service && sync /data/clock")
        box.cut_power()
    with running(disk, prepare="date -s @0;") as box:
        box.until_up()
        assert int(box.run("date", "+%s")) >= later
        box.until_active(*WITHOUT_IDENTITY)
        assert "clock.reset" not in found(box)


def test_damaged_configuration_is_replaced_and_said(tmp_path: Path, disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        give_link(box)
        give_identity(box, tmp_path)
        box.sh("sed -i 's/^vehicle = .*/vehicle = \"Ambulanse 7\"/' /etc/edgebox/edgebox.toml")
        box.run("systemctl", "restart", "edgebox.target")
        box.until_active(*WITHOUT_IDENTITY)
        box.sh("truncate -s 5000 /etc/edgebox/edgebox.toml; : >/etc/edgebox/mosquitto/box.conf")
        box.run("sync")
        box.cut_power()
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY, *units("bond"))
        assert "Ambulanse 7" in box.run("cat", "/etc/edgebox/edgebox.toml")
        assert found(box)["configuration.refused"] == "attention"


def test_half_written_databases_are_put_aside(disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        kept = box.sh("ls /var/lib/edgebox/*/*.db").split()
        assert {Path(one).name for one in kept} == {"vitals.db", "support.db"}
        for path in kept:
            # A page that never came to the disk, the first for one, and a file that lost its end.
            box.sh(f"rm -f {path}-wal {path}-shm; head -c 2048 /dev/urandom >{path}; sync {path}")
        box.cut_power()
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        box.until(lambda: answers(box), "the panel")
        for path in kept:
            assert box.sh(f"ls {path}.damaged*"), "a technician may look at it"
            assert box.sh(f"head -c 6 {path}") == "SQLite"


def test_read_only_data_is_said_and_stops_no_service(tmp_path: Path, disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        give_link(box)
        give_identity(box, tmp_path)
        box.until_active(*WITHOUT_IDENTITY, *units("bond"))
        # As after an error of the card: errors=remount-ro.
        box.sh("echo u >/proc/sysrq-trigger")
        box.until(lambda: not box.sh("touch /data/x && echo kept", check=False), "no more writing")
        assert found(box)["disk-health.read-only"] == "fault"
        for name in (*WITHOUT_IDENTITY, *units("bond")):
            box.run("systemctl", "restart", name)
        box.until_active(*WITHOUT_IDENTITY, *units("bond"))
        box.until(lambda: answers(box), "the panel")
        assert found(box)["disk-health.read-only"] == "fault"


def test_broken_certificate_leaves_the_panel_working(disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        for name in ("fleet-ca.pem", "identity.pem"):
            put(box, f"/etc/edgebox/credentials/{name}", "-----BEGIN CERTIFICATE-----\nx\n", 0o600)
        box.cut_power()
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        box.until(lambda: answers(box), "the panel")
        assert found(box)["certificate.damaged"] == "fault"


def test_missing_modem_is_said(disk: Disk) -> None:
    link = '\n[[bond.link]]\nname = "lte-1"\ninterface = "wwan7"\nlabel = "Telenor"\n'
    with running(disk) as box:
        box.until_up()
        box.sh(f"cat >>/etc/edgebox/edgebox.toml <<'END'{link}END\n")
        box.run("systemctl", "restart", "edgebox.target")
        box.until_active(*WITHOUT_IDENTITY)
        assert any(code.startswith(("link.", "modem.")) for code in found(box))


def test_data_that_cannot_be_mended_is_left_alone_and_said(disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        box.power_off()
    # Another file system than the box's own: nothing of it is touched.
    begin, size = disk.place(DATA)
    foreign = disk.path.with_name("foreign")
    with foreign.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.vfat", foreign], check=True, capture_output=True)
    before = foreign.read_bytes()[: 1 << 20]
    disk.write(DATA, 0, before)
    with running(disk) as box:
        box.until_up()
        box.until_active(*WITHOUT_IDENTITY)
        assert found(box)["storage.lost"] == "fault"
        box.power_off()
    with disk.path.open("rb") as file:
        file.seek(begin)
        assert file.read(len(before)) == before
    foreign.unlink()


def test_lost_first_block_of_data_is_mended(disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        box.sh("echo kept >/var/lib/edgebox/kept")
        box.power_off()
    disk.write(DATA, 0, bytes(4096))
    with running(disk) as box:
        box.until_up()
        assert box.run("cat", "/run/edgebox-boot/data") == "good"
        assert box.run("cat", "/var/lib/edgebox/kept") == "kept"


def test_other_slot_starts_when_the_firmware_is_told(disk: Disk) -> None:
    with running(disk) as box:
        box.until_up()
        assert "rauc.slot=a" in box.run("cat", "/proc/cmdline")
        box.sh(
            "mount -o remount,rw /bootconfig && touch /bootconfig/tryboot"
            " && mount -o remount,ro /bootconfig"
        )
        box.power_off()
    with running(disk) as box:
        box.until_up()
        assert "rauc.slot=b" in box.run("cat", "/proc/cmdline")
        box.cut_power()
    assert "boot_partition=2" in disk.read_file(BOOTCONFIG, "autoboot.txt")
    with running(disk) as box:
        box.until_up()
        assert "rauc.slot=a" in box.run("cat", "/proc/cmdline"), "a try is good for one start"
