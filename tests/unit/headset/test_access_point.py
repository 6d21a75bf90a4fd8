"""The access point's files: what they must say, and, where they are installed, what the programs
themselves make of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgebox.host.daemons import SYSTEM_DIRECTORIES

CONFIG = Path(__file__).parents[3] / "config/access-point"


def settings(name: str) -> dict[str, str]:
    """Key -> value; the last of a key that stands several times."""
    lines = (CONFIG / name).read_text().splitlines()
    rows = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in rows}


def program(name: str) -> str:
    """Skips where it is not installed."""
    path = shutil.which(name) or shutil.which(name, path=SYSTEM_DIRECTORIES)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def test_devices_cannot_reach_each_other_and_management_is_protected() -> None:
    wifi = settings("hostapd.conf")
    assert wifi["ap_isolate"] == "1"
    assert "SAE" in wifi["wpa_key_mgmt"].split()
    assert wifi["wpa"] == "2"
    assert wifi["sae_require_mfp"] == "1"
    assert int(wifi["ieee80211w"]) >= 1
    assert not re.search(r"ambul|\d-\d", wifi["ssid"], re.IGNORECASE)


def test_names_stay_in_the_vehicle_and_there_is_no_way_out() -> None:
    text = (CONFIG / "dnsmasq.conf").read_text()
    assert "no-resolv" in text
    assert "local=/#/" in text
    assert re.search(r"^dhcp-option=3$", text, re.MULTILINE), "a router would be offered"
    rules = (CONFIG / "access-point.nft").read_text()
    assert 'iifname "wlan1" drop' in rules


def test_all_are_about_the_same_interface_and_address() -> None:
    interface = settings("hostapd.conf")["interface"]
    assert settings("dnsmasq.conf")["interface"] == interface
    network = settings("20-edgebox-ap.network")
    assert network["Name"] == interface
    address = network["Address"].partition("/")[0]
    text = (CONFIG / "dnsmasq.conf").read_text()
    assert set(re.findall(r"address=/[^/]+/([\d.]+)", text)) == {address}
    assert f'iifname "{interface}"' in (CONFIG / "access-point.nft").read_text()


def test_dnsmasq_takes_it() -> None:
    command = (program("dnsmasq"), "--test", "-C", str(CONFIG / "dnsmasq.conf"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "syntax check OK" in done.stderr


def test_hostapd_takes_it() -> None:
    """It has no test mode: without such an interface it ends after it has read the file."""
    command = (program("hostapd"), str(CONFIG / "hostapd.conf"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    said = done.stdout + done.stderr
    assert "errors found" not in said
    assert not re.search(r"^Line \d+", said, re.MULTILINE)


def test_nft_takes_it() -> None:
    command = (program("nft"), "-c", "-f", str(CONFIG / "access-point.nft"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("may not ask the kernel")
    assert done.returncode == 0, done.stderr
