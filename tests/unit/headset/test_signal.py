"""Signal strengths, from what the kernel and iw(8) print."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.headset.signal import Signals, parse_neighbours, parse_stations

ARP = """IP address       HW type     Flags       HW address            Mask     Device
10.77.0.14       0x1         0x2         02:00:00:00:01:0A     *        wlan1
10.77.0.15       0x1         0x0         00:00:00:00:00:00     *        wlan1
"""
STATIONS = """Station 02:00:00:00:01:0a (on wlan1)
\tinactive time:\t12 ms
\tsignal:  \t-47 [-50, -51] dBm
\tsignal avg:\t-46 dBm
Station 02:00:00:00:02:0b (on wlan1)
\tinactive time:\t3 ms
\tsignal:\t-83 dBm
Station 02:00:00:00:03:0c (on wlan1)
\tinactive time:\t3 ms
"""


def test_stations() -> None:
    assert parse_stations(STATIONS) == {"02:00:00:00:01:0a": -47, "02:00:00:00:02:0b": -83}


def test_neighbours() -> None:
    assert parse_neighbours(ARP)["10.77.0.14"] == "02:00:00:00:01:0a"


@given(text=st.text(max_size=300))
def test_any_text(text: str) -> None:
    parse_stations(text)
    parse_neighbours(text)


def lay_out(root: Path, program: str) -> None:
    """An access point's files, and an iw that prints them."""
    (root / "sys/class/net/wlan1/phy80211").mkdir(parents=True)
    (root / "proc/net").mkdir(parents=True)
    (root / "proc/net/arp").write_text(ARP)
    iw = root / "bin/iw"
    iw.parent.mkdir()
    iw.write_text(program)
    iw.chmod(0o755)


async def test_of_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path, f"#!/bin/sh\ncat <<'END'\n{STATIONS}END\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    signals = Signals("wlan1", system=tmp_path)
    assert await signals.of("10.77.0.14") == -47
    assert await signals.of("10.77.0.99") is None


async def test_nothing_is_known_without_wifi_or_iw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await Signals("eth0", system=tmp_path).of("10.77.0.14") is None
    lay_out(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert await Signals("wlan1", system=tmp_path).of("10.77.0.14") is None
