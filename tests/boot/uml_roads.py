"""A hub's network name space with a booted image on three links, and a way to its panel.

    box  wwan0  198.51.100.1/30 (by DHCP)  ---  way0  198.51.100.2/30  hub
         wwan1  198.51.100.5/30            ---  way1  198.51.100.6/30       203.0.113.1
         wwan2  198.51.100.9/30            ---  way2  198.51.100.10/30
         maint0 192.0.2.2/30               ---  maint 192.0.2.1/30

Addresses are those for documentation (RFC 5737). By `maint0`, which no box has, a test reaches the
panel: it listens on loopback and asks for its own address. Needs root.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.boot.roads import HUB, LINKS, ip
from tests.boot.uml import Box

PANEL = "127.0.0.1:8080"
DOOR = "192.0.2.2:8080"
RENAME = "ip link set vec{0} name {1};"
CUTS = """table inet cuts {
    set dead { type ifname; }
    chain input { type filter hook input priority filter; iifname @dead drop; }
    chain output { type filter hook output priority filter; oifname @dead drop; }
}
"""
DIRECTLY = "ip address add 192.0.2.2/30 dev maint0; ip link set maint0 up;"


class UmlRoads:
    """Its name space is a hub's; the browsers of hospital and cabin are in there too."""

    def __init__(self) -> None:
        self.hub = self.vehicle = f"eb-u-{os.getpid()}"
        self.taps = (*(f"way{number}" for number in range(len(LINKS))), "maint")

    @property
    def prepare(self) -> str:
        """For `running`: names that interfaces have in a vehicle."""
        names = (*LINKS, "maint0")
        return "".join(RENAME.format(*pair) for pair in enumerate(names)) + DIRECTLY

    def path(self, name: str) -> str:
        """For systemd-nspawn(1), --network-namespace-path=."""
        return f"/run/netns/{name}"

    def build(self) -> None:
        """Interfaces, addresses and routes."""
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "set", "lo", "up")
        ip("-n", self.hub, "link", "add", "public", "type", "veth", "peer", "name", "nobody")
        ip("-n", self.hub, "address", "add", f"{HUB}/32", "dev", "public")
        for name in ("public", "nobody"):
            ip("-n", self.hub, "link", "set", name, "up")
        for number, tap in enumerate(self.taps):
            ip("-n", self.hub, "tuntap", "add", "dev", tap, "mode", "tap")
            address = f"198.51.100.{4 * number + 2}/30" if tap != "maint" else "192.0.2.1/30"
            ip("-n", self.hub, "address", "add", address, "dev", tap)
            ip("-n", self.hub, "link", "set", tap, "up")
        nft = ["ip", "netns", "exec", self.hub, "nft", "-f", "-"]
        subprocess.run(nft, input=CUTS, text=True, check=True)
        # Leads nowhere; but a Chromium without one gathers no candidates.
        ip("-n", self.hub, "route", "add", "default", "via", "198.51.100.1")

    def cut(self, number: int) -> None:
        """Nothing comes through any more; the modem does not notice."""
        self._nft("add", number)

    def join(self, number: int) -> None:
        """The link carries."""
        self._nft("delete", number)

    def _nft(self, verb: str, number: int) -> None:
        element = f'{{ "{self.taps[number]}" }}'
        ip("netns", "exec", self.hub, "nft", verb, "element", "inet", "cuts", "dead", element)

    @contextlib.contextmanager
    def addresses(self) -> Iterator[None]:
        """A mobile network's part: each modem gets one."""
        ranges: list[str] = []
        for number in range(len(LINKS)):
            box, hub = (f"198.51.100.{4 * number + end}" for end in (1, 2))
            ranges.append(f"--dhcp-range=set:way{number},{box},{box},255.255.255.252,10m")
            ranges.append(f"--dhcp-option=tag:way{number},3,{hub}")
        command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
                   "--leasefile-ro", "--dhcp-authoritative", "--pid-file", "--user=root",
                   *ranges]  # fmt: skip
        with self._kept(*command):
            yield

    @contextlib.contextmanager
    def panel(self, box: Box) -> Iterator[None]:
        """The box's panel is at http://127.0.0.1:8080/ of the name space."""
        box.run("systemd-run", "--unit=panel-door", "systemd-socket-activate", "-l", DOOR,
                "/usr/lib/systemd/systemd-socket-proxyd", PANEL)  # fmt: skip
        forward = Path(__file__).with_name("forward.py")
        with self._kept(sys.executable, str(forward), PANEL, DOOR):
            yield

    @contextlib.contextmanager
    def _kept(self, *command: str) -> Iterator[None]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.hub, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def remove(self) -> None:
        """All of it."""
        subprocess.run(["ip", "netns", "delete", self.hub], check=False, capture_output=True)


@contextlib.contextmanager
def uml_roads() -> Iterator[UmlRoads]:
    """Built, and gone at the end."""
    made = UmlRoads()
    try:
        made.build()
        with made.addresses():
            yield made
    finally:
        made.remove()
