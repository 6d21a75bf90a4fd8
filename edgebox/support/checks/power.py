"""Is the voltage good? The Raspberry Pi's firmware tells, by its sensor and by `vcgencmd`.

Linux drivers/hwmon/raspberrypi-hwmon.c: `in0_lcrit_alarm` is 1 while the supply is below 4.63 V
(of 5 V). `vcgencmd get_throttled`: bit 0 too little voltage now, 1 clock capped, 2 throttled, 3 too
hot; bits 16 to 19 the same, at some time since the boot (Raspberry Pi documentation, "vcgencmd").
"""

import re
from dataclasses import dataclass

from edgebox.errors import RemoteProtocolError
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

SENSOR = "rpi_volt"
LOW_NOW, LOW_ONCE = 1 << 0, 1 << 16
SLOWED_NOW = 1 << 1 | 1 << 2


@dataclass(frozen=True)
class Facts:
    """None: this machine does not tell. `throttled`: the bits above."""

    low_now: bool | None
    throttled: int | None


async def read(here: Surroundings) -> Facts:
    """Sensor and firmware."""
    low_now = None
    for name in here.glob("/sys/class/hwmon/hwmon*/name"):
        if here.read(name) == SENSOR:
            alarm = here.read_number(name.removesuffix("name") + "in0_lcrit_alarm")
            low_now = None if alarm is None else alarm != 0
    said = await here.run("vcgencmd", "get_throttled")
    return Facts(low_now, parse_throttled(said.text) if said and said.code == 0 else None)


def parse_throttled(text: str) -> int:
    """`throttled=0x50005`. Raises RemoteProtocolError for anything else."""
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]{1,8})\s*", text)
    if found is None:
        raise RemoteProtocolError("vcgencmd: not what get_throttled answers")
    return int(found[1], 16)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """Enough now, and always since the boot."""
    if facts.low_now is None and facts.throttled is None:
        return (untested("absent", "no sensor for the supply's voltage here"),)
    bits = facts.throttled or 0
    measured = "throttled=" + ("?" if facts.throttled is None else hex(bits))
    if facts.low_now or bits & LOW_NOW:
        look_at = "5 V supply and its cable; what else hangs on it; vehicle battery under load"
        return (fault("low", measured, look_at),)
    if bits & LOW_ONCE:
        look_at = "5 V supply and its cable: it dipped since the boot, at engine start perhaps"
        return (attention("dipped", measured, look_at),)
    if bits & SLOWED_NOW:
        return (attention("slowed", measured, "supply and cooling: the processor is slowed down"),)
    return (good(measured if facts.throttled is not None else "no alarm of the sensor"),)


POWER = Check("power", read, judge)
