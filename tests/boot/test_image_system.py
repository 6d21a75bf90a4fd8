"""What the image brings besides our own services: time, satellites, networks and Wi-Fi."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.test_image import WITHOUT_IDENTITY
from tests.boot.uml import IMAGE, Box, Disk, running

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not IMAGE.exists(), reason="there is no image: make image"),
]

FEED = Path(__file__).with_name("gnss_feed.py")
POSITION_S, REACHED_S = 60.0, 180.0
HOSTAPD = "/etc/edgebox/access-point/hostapd.conf"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    disk = Disk.new(tmp_path_factory.mktemp("y"))
    with running(disk) as one:
        one.until_up()
        one.until_active(*WITHOUT_IDENTITY, "chrony.service", "NetworkManager.service")
        yield one
    disk.path.unlink()


def test_time_comes_from_satellites_as_well(box: Box) -> None:
    box.run("chronyd", "-p", "-f", "/etc/chrony/chrony.conf")
    box.sh(f"python3 - {POSITION_S:g} <<'END' >/dev/null\n{FEED.read_text()}END\n", timeout_s=120)

    def reach() -> int:
        """Of the receiver: the last eight times it was asked, an octal number."""
        rows = [line.split(",") for line in box.run("chronyc", "-c", "sources").splitlines()]
        return next(int(row[5], 8) for row in rows if row[2] == "GNSS")

    box.until(lambda: reach() > 0, "chrony to have the receiver's time", REACHED_S)


def test_profiles_of_modems_and_vehicle_are_taken(box: Box) -> None:
    said = box.run("nmcli", "-t", "-f", "NAME,TYPE", "connection", "show").splitlines()
    assert {
        "modem-mobile:gsm",
        "modem-ethernet:802-3-ethernet",
        "vehicle-lan:802-3-ethernet",
    } <= set(said)
    several = ("-g", "connection.multi-connect", "connection", "show")
    for name in ("modem-mobile", "modem-ethernet"):
        assert box.run("nmcli", *several, name).startswith("3"), "on several devices at once"
    ways = ("-g", "ipv4.never-default", "connection", "show", "vehicle-lan")
    assert box.run("nmcli", *ways) == "yes"
    assert "invalid" not in box.journal("NetworkManager.service")


def test_private_access_point_of_a_modem_is_kept(box: Box) -> None:
    box.run("nmcli", "connection", "add", "type", "gsm", "ifname", "*", "con-name", "private",
            "gsm.apn", "fleet.example")  # fmt: skip
    kept = box.sh("cat /data/keep/etc/NetworkManager/system-connections/private.nmconnection")
    assert "apn=fleet.example" in kept


def test_wifi_of_the_vehicle_is_one_that_its_programs_take(box: Box) -> None:
    """There is no adapter here: they read their files and miss it."""
    box.run("/usr/lib/edgebox/access-point")
    first = box.sh(f"cat {HOSTAPD}")
    assert "replace-me" not in first
    said = box.sh(f"timeout 10 hostapd {HOSTAPD} 2>&1", check=False)
    assert "wlan1" in said, "it came as far as the adapter"
    assert "error" not in said.replace("Could not read interface wlan1 flags", ""), said
    assert "Line " not in said, said
    box.run("dnsmasq", "--test", "--conf-file=/run/access-point/dnsmasq.conf")
    box.run("/usr/lib/edgebox/access-point")
    assert box.sh(f"cat {HOSTAPD}") == first, "drawn once"
