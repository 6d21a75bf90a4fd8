"""What can be proved of images without booting one: the Raspberry Pi's builder is not run here.

rpi-image-gen's documentation says what a layer is ("Layer Documentation") and in which order hooks
run ("Execution Flow").
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RPI = ROOT / "image-build/rpi"
LAYERS = sorted([*(RPI / "layer").glob("*.yaml"), *(RPI / "image").glob("*.yaml")])
CONFIGS = sorted((RPI / "config").glob("*.yaml"))
THEIRS = {
    *("rpi4", "rpi5", "rpi-cm4", "rpi-cm5"),
    *("trixie-minbase", "image-base", "device-base", "systemd-min"),
}
"""Layers that come with rpi-image-gen."""
FIELDS = {"Name", "Category", "Desc", "Version", "Type", "Generator", "Requires", "Provides"}
ATTRIBUTES = {"Desc", "Required", "Valid", "Set"}
LISTS = ("run", "vehicle", "kiosk", "system")
FIREWALL = """set -e
ip link set lo up
(unshare --net sleep 30 >/dev/null 2>&1 & echo $! >{0}.pid)
other=$(cat {0}.pid)
trap 'kill $other' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
number=0
for name in eth0 wwan0 wwp1s0u1i4 enx0280e4112233 wlan0; do
    number=$((number + 1))
    ip link add $name type veth peer name there$number netns $other
    ip address add 10.0.$number.1/24 dev $name
    ip link set $name up
    nsenter -t $other -n ip address add 10.0.$number.2/24 dev there$number
    nsenter -t $other -n ip link set there$number up
done
nft -f {0}
nft list ruleset
python3 -m http.server 8080 >/dev/null 2>&1 &
server=$!
trap 'kill $other $server' EXIT
until ss -ltn | grep -q :8080; do :; done
number=0
for name in eth0 wwan0 wwp1s0u1i4 enx0280e4112233 wlan0; do
    number=$((number + 1))
    ask="import socket; socket.create_connection(('10.0.$number.1', 8080), 0.5)"
    ! nsenter -t $other -n python3 -c "$ask" 2>/dev/null || echo reached by $name
done
"""
"""Another machine on five interfaces tries to reach a server of this one."""
PARTITIONS = ["bootconfig", "boot_a", "boot_b", "system_a", "system_b", "data"]


def metadata(path: Path) -> dict[str, str]:
    """Fields between METABEGIN and METAEND, as DEB822: further lines begin with a space."""
    text = path.read_text().split("# METABEGIN\n")[1].split("# METAEND")[0]
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        assert line.startswith("#"), line
        content = line.removeprefix("#").removeprefix(" ")
        if content.startswith(" "):
            found[name] += content
        elif content:
            name, colon, value = content.partition(":")
            assert colon, line
            assert name not in found, line
            found[name] = value.strip()
    return found


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.stem)
def test_layers_are_as_their_documentation_wants_them(path: Path) -> None:
    fields = metadata(path)
    own = {name.removeprefix("X-Env-Layer-") for name in fields if "X-Env-Layer-" in name}
    assert own <= FIELDS
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["X-Env-Layer-Version"])
    known = THEIRS | {metadata(one)["X-Env-Layer-Name"] for one in LAYERS}
    assert set(fields["X-Env-Layer-Requires"].split(",")) <= known
    variables = {name for name in fields if re.fullmatch(r"X-Env-Var-[a-z0-9_]+", name)}
    assert variables
    assert "X-Env-VarPrefix" in fields
    for name in variables:
        assert {one for one in ATTRIBUTES if f"{name}-{one}" in fields} == ATTRIBUTES, name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations_name_layers_that_exist(path: Path) -> None:
    known = THEIRS | {metadata(one)["X-Env-Layer-Name"] for one in LAYERS}
    text = path.read_text()
    named = re.findall(r"^  (?:layer|base|app): (\S+)$", text, re.MULTILINE)
    assert len(named) == 4
    assert set(named) <= known
    (storage,) = re.findall(r"storage_type: (\S+)", text)
    assert storage in {"sd", "emmc", "nvme"}


def test_packages_are_those_of_the_test_image(tmp_path: Path) -> None:
    layer = RPI / "layer/edgebox-box.yaml"
    generator, *words = metadata(layer)["X-Env-Layer-Generator"].split()
    made = tmp_path / "layer.yaml"
    subprocess.run([RPI / "bin/generators" / generator, layer, made, *words], check=True)
    packages = made.read_text().split("  packages:\n")[1].split("  customize-hooks:")[0]
    named = {line.strip().removeprefix("- ") for line in packages.splitlines()}
    lists = [(ROOT / f"image-build/packages/{one}.txt").read_text() for one in LISTS]
    shared = {line.split("#")[0].strip() for text in lists for line in text.splitlines()} - {""}
    assert named == shared | {"rpi-eeprom", "raspi-utils-core"}
    assert (
        "names run.txt vehicle.txt kiosk.txt system.txt"
        in (ROOT / "image-build/image.sh").read_text()
    )


def prepared(directory: Path) -> tuple[Path, Path]:
    """Root file system and genimage's input, after the hook has run."""
    root, made = directory / "root", directory / "input"
    (root / "boot/firmware").mkdir(parents=True)
    (root / "boot/firmware/config.txt").write_text("arm_64bit=1\n")
    (root / "boot/firmware/cmdline.txt").write_text("root=ROOTDEV\n")
    made.mkdir()
    environment = {
        "LAYER_DIR": str(RPI / "image"),
        "IGconf_edgebox_source": str(ROOT),
        "IGconf_image_name": "edgebox",
        "IGconf_image_suffix": "img",
        "IGconf_image_boot_part_size": "8M",
        "IGconf_image_system_part_size": "16M",
        "IGconf_image_data_part_size": "16M",
        "IGconf_device_sector_size": "512",
    }
    hook = RPI / "image/edgebox-ab.d/hooks/preimage.sh"
    subprocess.run([hook, root, made], env=os.environ | environment, check=True)
    return root, made / "genimage.cfg"


def test_each_slot_starts_with_its_own_root(tmp_path: Path) -> None:
    root, _ = prepared(tmp_path)
    firmware = root / "boot/firmware"
    config = (firmware / "config.txt").read_text()
    assert config.startswith("arm_64bit=1\n")
    for slot, number in (("a", 2), ("b", 3)):
        line = (firmware / f"cmdline-{slot}.txt").read_text()
        assert line.count("\n") == 1, "the firmware reads one line"
        assert f"root=PARTLABEL=system_{slot} " in line
        assert f" rauc.slot={slot} " in line
        assert f"[boot_partition={number}]\ncmdline=cmdline-{slot}.txt\n" in config
    assert not (firmware / "cmdline.txt").exists()
    assert "dtparam=watchdog=on" in config
    assert config.rstrip().endswith("gpio=17=ip,pu")
    assert "[all]" in config[config.rindex("[cm5]") :], "the pin is for all models"
    autoboot = (root / "bootconfig/autoboot.txt").read_text()
    assert "tryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n" in autoboot


@pytest.mark.skipif(not shutil.which("genimage"), reason="genimage is not here: make image")
def test_disk_has_the_partitions_of_the_test_image(tmp_path: Path) -> None:
    root, config = prepared(tmp_path)
    images = tmp_path / "images"
    words: dict[str, Path] = {
        "rootpath": root,
        "tmppath": tmp_path / "tmp",
        "inputpath": config.parent,
        "outputpath": images,
        "config": config,
    }
    command = ["genimage", *(f"--{name}={path}" for name, path in words.items())]
    subprocess.run(command, check=True, capture_output=True)
    done = subprocess.run(
        ["sgdisk", "--print", images / "edgebox.img"], check=True, capture_output=True, text=True
    )
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"\s+\d", line)]
    assert [row[-1] for row in rows] == PARTITIONS
    script = (ROOT / "image-build/disk.sh").read_text()
    assert re.findall(r"--change-name=\d:(\w+)", script) == PARTITIONS


@pytest.mark.skipif(not shutil.which("nft") or os.geteuid() != 0, reason="no nft, or not root")
def test_firewall_lets_strangers_in_by_the_vehicles_own_socket_alone(tmp_path: Path) -> None:
    rules = (ROOT / "image-build/overlay/etc/nftables.conf").read_text()
    rules = rules.replace("/etc/nftables.d", str(ROOT / "config/access-point"))
    path = tmp_path / "nftables.conf"
    path.write_text(rules)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", FIREWALL.format(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert 'iifname "wlan1" jump from_devices' in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("reached")] == [
        "reached by eth0"
    ]
