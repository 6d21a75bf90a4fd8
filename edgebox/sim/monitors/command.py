"""`edgebox sim-monitor`: one simulated monitor, with faults by lines on standard input.

HL7 connects to a listener, IntelliVue listens on UDP, and every serial one stands on a pty whose
path is a link that the configuration can name as `port`. SDC, on loopback, and Bluetooth, on a
D-Bus of its own, write what the configuration needs into a directory.
"""

import asyncio
import os
import stat
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from edgebox.config import parse_address
from edgebox.errors import ConfigError
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.medibus import MedibusMonitor
from edgebox.sim.monitors.oximeters import MasimoMonitor, NoninMonitor, NoninTextMonitor
from edgebox.sim.monitors.patient import LEADS, Patient
from edgebox.sim.monitors.run import Hl7Sender
from edgebox.sim.monitors.wire import FramedIntelliVue, Pty, UdpIntelliVue
from edgebox.sim.ports import LOOPBACK


async def run(kind: str, where: str, zone: str) -> None:
    """Until cancelled. `where`: host:port, or the path of a pty. Raises ConfigError."""
    faults = Faults()
    async with asyncio.TaskGroup() as group:
        group.create_task(_read_commands(faults))
        group.create_task(_talk(kind, where, ZoneInfo(zone), faults))


async def _talk(kind: str, where: str, zone: ZoneInfo, faults: Faults) -> None:
    now, patient = time.monotonic(), Patient()
    if kind == "hl7":
        sender = Hl7Sender(Hl7Monitor(patient, faults, zone=zone), *parse_address(where))
        await sender.run()
    monitor = IntelliVueMonitor(patient, faults, now=now, zone=zone, leads=LEADS)
    if kind == "intellivue" and not where.startswith("/"):
        await UdpIntelliVue(monitor).run(*parse_address(where))
    if kind == "sdc":
        # Costs seconds and 60 MiB to import: only who wants it pays.
        from edgebox.sim.monitors import sdc

        await sdc.run_in(Path(where).resolve(), patient, faults, LOOPBACK)
    if kind == "bluetooth":
        from edgebox.sim.monitors import bluetooth

        await bluetooth.run_in(Path(where).resolve(), patient, faults, zone)
    if not where.startswith("/"):
        raise ConfigError(f"{where}: {kind} needs the path of a pty to make, from / on")
    pty = Pty(Path(where))
    pty.plug_in()
    try:
        if kind == "intellivue":
            framed = FramedIntelliVue(monitor)
            await pty.run(framed.tick, framed.take)
        elif kind == "medibus":
            medibus = MedibusMonitor(patient, faults, now=now)
            await pty.run(medibus.tick, medibus.take)
        elif kind == "dri":
            dri = DriMonitor(patient, faults, now=now)
            await pty.run(dri.tick, dri.take)
        elif kind == "masimo":
            await pty.run(MasimoMonitor(patient, faults, now=now, zone=zone).tick)
        elif kind == "nonin-text":
            await pty.run(NoninTextMonitor(patient, faults, now=now).tick)
        else:
            nonin = NoninMonitor(patient, faults, now=now)
            await pty.run(lambda at, _: nonin.tick(at))
    finally:
        pty.pull_out()


async def _read_commands(faults: Faults) -> None:
    """What is not known is answered with what is."""
    if sys.stdin is None or not _can_be_waited_for(sys.stdin.fileno()):
        return
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        text = line.decode("utf-8", "replace")
        if text.strip() and not faults.command(text, time.monotonic()):
            sys.stderr.write("silence S, garbage N, half, checksum, reboot, clock S, lead-off, ")
            sys.stderr.write("lead-on, demo, real, alarm TEXT\n")


def _can_be_waited_for(file: int) -> bool:
    """False for a file or /dev/null: no commands will come."""
    mode = os.fstat(file).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(file)
