"""The satellite receiver, by gpsd: is it there, does it see the sky? gpsd_json(5).

Under a roof no receiver has a fix: that is not tried rather than wrong. Where the vehicle is, is
neither kept nor shown.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import msgspec

from edgebox.config import parse_address
from edgebox.errors import RemoteProtocolError
from edgebox.host.gpsd import FIX_2D, LINE_MAX, WATCH
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, good, untested
from edgebox.support.surroundings import Surroundings

LISTEN_S = 4.0


@dataclass(frozen=True)
class Facts:
    """`devices`: receivers gpsd has; None: it does not answer. `used`: satellites of the fix."""

    configured: bool
    devices: int | None = None
    reports: int = 0
    mode: int = 0
    seen: int | None = None
    used: int | None = None


async def read(here: Surroundings) -> Facts:
    """Listen to gpsd for some seconds, or until there is a fix."""
    address = here.config.gpsd.address
    if not address:
        return Facts(configured=False)
    lines: list[bytes] = []
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LISTEN_S):
            await _listen(address, lines)
    return parse_reports(lines) if lines else Facts(configured=True)


async def _listen(address: str, lines: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection(*parse_address(address), limit=LINE_MAX)
    try:
        writer.write(WATCH)
        with contextlib.suppress(ValueError):  # a line without end
            while line := await reader.readline():
                lines.append(line)
                if parse_reports(lines).mode >= FIX_2D:
                    return
    finally:
        writer.close()


def parse_reports(lines: list[bytes]) -> Facts:
    """What the lines say together; a line that is no report counts for nothing."""
    devices, reports, mode = 0, 0, 0
    seen: int | None = None
    used: int | None = None
    for line in lines:
        with contextlib.suppress(RemoteProtocolError):
            match parse_line(line):
                case {"class": "DEVICES", "devices": list(found)}:
                    devices = len(found)
                case {"class": "TPV", "mode": int(found)}:
                    reports, mode = reports + 1, found
                case {"class": "SKY", "satellites": list(found)}:
                    reports, seen = reports + 1, len(found)
                    used = sum(isinstance(one, dict) and one.get("used") is True for one in found)
    return Facts(True, devices, reports, mode, seen, used)


def parse_line(line: bytes) -> dict[str, Any]:
    """One report. Raises RemoteProtocolError."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"gpsd: not a report: {error}") from error


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """A receiver that speaks; a fix where there is sky."""
    if not facts.configured:
        return (untested("absent", "gpsd.address is empty"),)
    if facts.devices is None:
        look_at = "systemctl status gpsd.socket gpsd; gpsd.address"
        return (attention("no-gpsd", "gpsd does not answer", look_at),)
    measured = f"{facts.devices} receivers, {facts.used or 0} of {facts.seen or 0} satellites"
    if facts.mode >= FIX_2D:
        return (good(f"{measured}, fix"),)
    if not facts.devices and not facts.reports:
        return (attention("no-receiver", measured, "cable; DEVICES in /etc/default/gpsd"),)
    if not facts.reports:
        return (attention("silent", measured, "the receiver's speed; gpsmon"),)
    if facts.seen == 0:
        return (untested("no-sky", f"{measured}: antenna, or a roof above"),)
    return (untested("no-fix", f"{measured}, no fix yet"),)


GNSS = Check("gnss", read, judge)
