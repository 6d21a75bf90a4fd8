"""Two network name spaces, a vehicle's and a hub's, and three links between them.

    vehicle wwan0  198.51.100.1/30  ---  198.51.100.2/30  hub
            wwan1  198.51.100.5/30  ---  198.51.100.6/30       203.0.113.1 on all ways
            wwan2  198.51.100.9/30  ---  198.51.100.10/30

Addresses are those for documentation (RFC 5737): coturn relays to no private network. Needs root.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator

HUB = "203.0.113.1"
LINKS = ("wwan0", "wwan1", "wwan2")


def ip(*arguments: str) -> None:
    """ip(8)."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Roads:
    """The two name spaces by name, and the links."""

    def __init__(self) -> None:
        self.vehicle = f"eb-v-{os.getpid()}"
        self.hub = f"eb-h-{os.getpid()}"

    def path(self, name: str) -> str:
        """For systemd-nspawn(1), --network-namespace-path=."""
        return f"/run/netns/{name}"

    def build(self) -> None:
        """Interfaces, addresses and routes."""
        for name in (self.vehicle, self.hub):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        # Not on lo, which a browser leaves out.
        ip("-n", self.hub, "link", "add", "public", "type", "veth", "peer", "name", "nobody")
        ip("-n", self.hub, "address", "add", f"{HUB}/32", "dev", "public")
        for name in ("public", "nobody"):
            ip("-n", self.hub, "link", "set", name, "up")
        for number, link in enumerate(LINKS):
            here, there = f"198.51.100.{4 * number + 1}", f"198.51.100.{4 * number + 2}"
            ip("-n", self.vehicle, "link", "add", link, "type", "veth",
               "peer", "name", f"way{number}", "netns", self.hub)  # fmt: skip
            ip("-n", self.vehicle, "address", "add", f"{here}/30", "dev", link)
            ip("-n", self.hub, "address", "add", f"{there}/30", "dev", f"way{number}")
            self.join(number)
        # Leads nowhere; but a Chromium without one gathers no candidates.
        ip("-n", self.hub, "route", "add", "default", "via", "198.51.100.1")

    def join(self, number: int) -> None:
        """The link carries."""
        link = LINKS[number]
        ip("-n", self.hub, "link", "set", f"way{number}", "up")
        ip("-n", self.vehicle, "link", "set", link, "up")
        ip("-n", self.vehicle, "route", "replace", f"{HUB}/32", "via",
           f"198.51.100.{4 * number + 2}", "dev", link, "metric", str(100 + number))  # fmt: skip

    def cut(self, number: int) -> None:
        """The interface goes down, as a modem's does that loses its network."""
        ip("-n", self.vehicle, "link", "set", LINKS[number], "down")

    def remove(self) -> None:
        """All of it."""
        for name in (self.vehicle, self.hub):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@contextlib.contextmanager
def roads() -> Iterator[Roads]:
    """Built, and gone at the end."""
    made = Roads()
    try:
        made.build()
        yield made
    finally:
        made.remove()
