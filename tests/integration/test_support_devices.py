"""Faults of disks, modems, receivers, certificates: in real parts, or in what the kernel says."""

import asyncio
import contextlib
import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dbus_fast import Variant

from edgebox.bus import Bus
from edgebox.config.bond import Bond, Link
from edgebox.config.vehicle import Gpsd
from edgebox.host.modem_objects import MODEM
from edgebox.host.modemmanager import ModemManager
from edgebox.messages.vehicle import Modem, Modems
from edgebox.support.heard import Heard
from edgebox.support.surroundings import Surroundings
from tests.conftest import Broker
from tests.integration.selftest_rig import codes, config_for, surroundings, until
from tests.integration.small_disk import small_disk
from tests.integration.vehicle_rig import Receiver, mocking, private_bus

# What the kernel and programs say -----------------------------------------------------------------


RAUC = {
    "boot_primary": "rootfs.0",
    "slots": [
        {"rootfs.0": {"bootname": "A", "state": "booted", "boot_status": "good"}},
        {"rootfs.1": {"bootname": "B", "state": "inactive", "boot_status": "bad"}},
        {"data.0": {"state": "active"}},
    ],
}
MOUNTS = (
    "22 1 179:2 / / rw,relatime - ext4 /dev/root {}\n36 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw\n"
)
MEMORY = "MemTotal:        4000000 kB\nMemFree:          100 kB\nMemAvailable:     {} kB\n"
SYSTEMCTL = """case "$1" in
list-units) echo "{} loaded failed failed Something";;
show) printf 'Id=edgebox-media.service\\nNRestarts={}\\n\\nId=edgebox-bond.service\\n';;
esac"""

KERNEL: tuple[tuple[str, str, dict[str, str], dict[str, str]], ...] = (
    ("power", "power.low", {"/sys/class/hwmon/hwmon1/name": "rpi_volt",
                            "/sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1"}, {}),
    ("power", "power.dipped", {}, {"vcgencmd": "echo throttled=0x50000"}),
    ("power", "good", {}, {"vcgencmd": "echo throttled=0x0"}),
    ("temperature", "temperature.hot", {"/sys/class/thermal/thermal_zone0/temp": "91000",
                                        "/sys/class/thermal/thermal_zone0/type": "cpu"}, {}),
    ("disk-health", "disk-health.read-only", {"/proc/self/mountinfo": MOUNTS.format("ro")}, {}),
    ("disk-health", "good", {"/proc/self/mountinfo": MOUNTS.format("rw")}, {}),
    ("disk-health", "disk-health.errors", {"/sys/fs/ext4/mmcblk0p2/errors_count": "4"}, {}),
    ("disk-health", "disk-health.worn-out", {"/sys/block/mmcblk0/device/life_time": "0x0b 0x04",
                                             "/sys/block/mmcblk0/device/pre_eol_info": "0x01"}, {}),
    ("disk-health", "disk-health.failing", {"/dev/sda": ""},
     {"smartctl": "echo '{\"smart_status\": {\"passed\": false}}'; exit 8"}),
    ("memory", "memory.none", {"/proc/meminfo": MEMORY.format(40_000)}, {}),
    ("memory", "memory.killed", {"/proc/meminfo": MEMORY.format(2_000_000),
                                 "/proc/vmstat": "nr_free 1\noom_kill 3"}, {}),
    ("update", "update.no-way-back", {}, {"rauc": f"echo '{json.dumps(RAUC)}'"}),
    ("unit", "unit.failed", {"/run/systemd/system/x": ""},
     {"systemctl": SYSTEMCTL.format("edgebox-media.service", 0)}),
    ("unit", "unit.restarts", {"/run/systemd/system/x": ""},
     {"systemctl": SYSTEMCTL.format("apt.service", 12)}),
    ("clock", "clock.unsynchronised", {}, {"timedatectl": "echo no"}),
)  # fmt: skip


@pytest.mark.parametrize(("check", "code", "files", "programs"), KERNEL)
async def test_what_kernel_and_programs_say_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: str,
    code: str,
    files: dict[str, str],
    programs: dict[str, str],
) -> None:
    monkeypatch.setattr("edgebox.support.checks.clock.HUB_S", 0.1)
    (tmp_path / "bin").mkdir()
    for name, text in files.items():
        path = tmp_path / "root" / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    bus = Bus("/nowhere/bus.sock", "test", box="b1")
    async with bus:
        here = Surroundings(
            config_for("/nowhere/bus.sock", Path("/var/lib/edgebox")),
            bus,
            Heard(),
            tmp_path / "root",
            str(tmp_path / "bin"),
        )
        assert code in await codes(check, here)


async def test_full_disk_is_found(tmp_path: Path, broker: Broker) -> None:
    with small_disk(tmp_path) as disk:
        async with surroundings(config_for(broker.address, disk)) as here:
            assert "disk-space.full" not in await codes("disk-space", here)
            (disk / "flood").write_bytes(bytes(1_040_000))
            assert (await codes("disk-space", here))["disk-space.full"] == "fault"


# Modems, receiver, certificates -------------------------------------------------------------------

MODEM_FAULTS: tuple[tuple[str, dict[str, Variant]], ...] = (
    ("modem.no-sim", {"State": Variant("i", -1), "StateFailedReason": Variant("u", 2)}),
    ("modem.locked", {"State": Variant("i", 2), "UnlockRequired": Variant("u", 2)}),
    ("modem.no-network", {"State": Variant("i", 7)}),
    ("modem.no-data", {"State": Variant("i", 8)}),
    ("good", {"State": Variant("i", 11)}),
)


async def test_faults_of_a_modem_are_found(tmp_path: Path) -> None:
    link = Link(name="lte-1", interface="wwan0", label="Telenor")
    config = config_for("/nowhere", tmp_path, bond=Bond(link=(link,)))
    here = Surroundings(config, Bus("/nowhere", "test", box="b1"), Heard())

    async def report(modems: tuple[Modem, ...]) -> None:
        here.heard.receive_modems(Modems(modems=modems))

    with private_bus() as dbus:
        dbus.start_modem_manager()
        async with mocking(dbus) as mock:
            await mock.until_there()
            following = asyncio.create_task(ModemManager(dbus.address).follow(report))
            path = await mock.plug(0, "wwan0")
            await until(lambda: here.heard.modems and here.heard.modems.modems)
            for code, change in MODEM_FAULTS:
                before = here.heard.modems
                await mock.change(path, MODEM, **change)
                await until(lambda before=before: here.heard.modems is not before)
                assert code in await codes("modem", here)
            await mock.unplug(path)
            await until(lambda: here.heard.modems and not here.heard.modems.modems)
            assert await codes("modem", here) == {"modem.missing": "attention"}
            await mock.plug(1, "wwan0", SignalQuality=Variant("(ub)", [7, True]))
            await until(lambda: here.heard.modems and here.heard.modems.modems)
            assert await codes("modem", here) == {"modem.weak": "attention"}
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following


async def test_satellite_receiver_is_heard_and_its_absence_found(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        config = config_for("/nowhere", tmp_path, gpsd=Gpsd(address=receiver.address))
        here = Surroundings(config, Bus("/nowhere", "test", box="b1"), Heard())
        async with asyncio.timeout(20):
            while (found := await codes("gnss", here)) != {"good": "good"}:
                await asyncio.sleep(0.2)
        assert "good" in found
        receiver.kill()
        assert await codes("gnss", here) == {"gnss.no-gpsd": "attention"}


def write_certificate(path: Path, name: str, begun_days: float, left_days: float) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=begun_days))
        .not_valid_after(now + datetime.timedelta(days=left_days))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize(
    ("name", "begun_days", "left_days", "code"),
    [
        ("b1", 10, 300, "good"),
        ("b1", 200, 150, "certificate.old"),
        ("b1", 360, 3, "certificate.last-days"),
        ("b1", 360, -1, "certificate.expired"),
        ("b1", -2, 300, "certificate.early"),
        ("b2", 10, 300, "certificate.wrong-name"),
    ],
)
async def test_certificates_are_read(
    tmp_path: Path, name: str, begun_days: float, left_days: float, code: str
) -> None:
    write_certificate(tmp_path / "ca.pem", "fleet", 100, 3000)
    write_certificate(tmp_path / "device.pem", name, begun_days, left_days)
    here = Surroundings(
        config_for("/nowhere", tmp_path), Bus("/nowhere", "test", box="b1"), Heard()
    )
    assert await codes("certificate", here) == {"good": "good"} | {
        code: (await codes("certificate", here))[code]
    }
