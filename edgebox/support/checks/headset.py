"""The access point headsets, phones and tablets come by: its radio, its program, our door.

/sys/class/net/<name>/operstate is `up` when an access point serves (Linux
Documentation/ABI/testing/sysfs-class-net).
"""

import asyncio
import contextlib
from dataclasses import dataclass

from edgebox.config import parse_address
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, good, untested
from edgebox.support.surroundings import Surroundings

CONNECT_S = 2.0
STATE_WORDS = {"active": True, "inactive": False, "failed": False}


@dataclass(frozen=True)
class Facts:
    """`interface`: its operstate, empty if it is not there, None if none is named. `program`:
    whether hostapd runs; None: not by systemd. `door`: whether our service accepts."""

    configured: bool
    name: str = ""
    interface: str | None = None
    program: bool | None = None
    door: bool = False


async def read(here: Surroundings) -> Facts:
    """Look, and knock at the door."""
    headset = here.config.headset
    if not headset.listen:
        return Facts(configured=False)
    state = None
    if headset.interface:
        state = here.read(f"/sys/class/net/{headset.interface}/operstate") or ""
    said = await here.run("systemctl", "is-active", "hostapd.service")
    program = STATE_WORDS.get(said.text.strip()) if said is not None else None
    return Facts(True, headset.interface, state, program, await _accepts(headset.listen))


async def _accepts(address: str) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(*parse_address(address))
        writer.close()
        return True
    return False


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """From the radio upwards: the first that fails."""
    if not facts.configured:
        return (untested("absent", "headset.listen is empty: no headsets here"),)
    if facts.interface == "":
        look_at = "ip link, lsusb, iw dev: its driver and firmware"
        return (attention("no-radio", f"{facts.name} is not there", look_at),)
    running = {True: "runs", False: "does not run", None: "not known"}[facts.program]
    measured = f"{facts.name or 'interface'} {facts.interface or '?'}, hostapd {running}"
    if facts.interface not in {None, "up"}:
        look_at = "systemctl status hostapd, rfkill, iw reg get"
        return (attention("radio-off", measured, look_at),)
    if not facts.door:
        look_at = "systemctl status edgebox-headset; headset.listen"
        return (attention("no-door", f"{measured}, nobody listens", look_at),)
    return (good(f"{measured}, the door accepts"),)


HEADSET = Check("headset", read, judge)
