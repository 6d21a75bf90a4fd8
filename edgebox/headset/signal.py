"""How strongly the access point hears a device. It may veto a pairing and never grants one.

The kernel's table of neighbours (/proc/net/arp) gives the hardware address for an IP address, and
iw(8), `station dump`, the signal for a hardware address. Where the interface is no Wi-Fi, or iw is
missing, nothing is known and nothing is vetoed.
"""

import asyncio
import logging
import re
import time
from pathlib import Path

from edgebox.host.program import end_program

logger = logging.getLogger(__name__)

FRESH_S = 2.0
IW_S = 1.0
STATION = re.compile(r"^Station ([0-9a-f:]{17}) ", re.MULTILINE)
SIGNAL = re.compile(r"^\s+signal:\s+(-\d{1,3})\b", re.MULTILINE)


class Signals:
    """Of the stations of one access point."""

    def __init__(self, interface: str, *, system: Path = Path("/")):
        """`system`: where proc and sys are."""
        self._interface = interface
        self._arp = system / "proc/net/arp"
        wifi = system / "sys/class/net" / interface / "phy80211"
        self._is_wifi = bool(interface) and wifi.exists()
        self._stations: dict[str, int] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def of(self, address: str) -> int | None:
        """In dBm; None if it is not known."""
        if not self._is_wifi:
            return None
        async with self._reading:
            if time.monotonic() - self._read_at > FRESH_S:
                self._stations = parse_stations(await self._dump())
                self._read_at = time.monotonic()
        try:
            neighbours = parse_neighbours(self._arp.read_text(errors="replace"))
        except OSError:
            return None
        return self._stations.get(neighbours.get(address, ""))

    async def _dump(self) -> str:
        command = ("iw", "dev", self._interface, "station", "dump")
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=null)
        except OSError as error:
            logger.warning("iw: %s: no signal strengths", error.strerror)
            self._is_wifi = False
            return ""
        try:
            async with asyncio.timeout(IW_S):
                out, _ = await process.communicate()
        except TimeoutError:
            return ""
        finally:
            await end_program(process)
        return out.decode(errors="replace")


def parse_stations(text: str) -> dict[str, int]:
    """Hardware address -> dBm, from `iw dev ... station dump`."""
    found = {}
    parts = STATION.split(text)[1:]
    for address, rest in zip(parts[::2], parts[1::2], strict=True):
        signal = SIGNAL.search(rest)
        if signal:
            found[address] = int(signal[1])
    return found


def parse_neighbours(text: str) -> dict[str, str]:
    """IP address -> hardware address, from /proc/net/arp (proc(5))."""
    rows = (line.split() for line in text.splitlines()[1:])
    return {row[0]: row[3].lower() for row in rows if len(row) >= 4}
