"""Is it too hot in the box? Linux Documentation/driver-api/thermal/sysfs-api: millidegrees."""

from dataclasses import dataclass

from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

WARM_C, HOT_C = 78.0, 85.0
"""A Raspberry Pi slows down from 80 °C on and more so from 85 °C on."""
POSSIBLE_C = (-40.0, 150.0)
"""Sensors that are not there show anything."""


@dataclass(frozen=True)
class Facts:
    """What each sensor shows, by its name, in °C."""

    celsius: tuple[tuple[str, float], ...]


async def read(here: Surroundings) -> Facts:
    """All thermal zones."""
    found = []
    for name in here.glob("/sys/class/thermal/thermal_zone*/temp"):
        milli = here.read_number(name)
        kind = here.read(name.removesuffix("temp") + "type")
        if milli is not None and POSSIBLE_C[0] <= milli / 1e3 <= POSSIBLE_C[1]:
            found.append((kind or name.split("/")[-2], milli / 1e3))
    return Facts(tuple(found))


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """By the hottest."""
    if not facts.celsius:
        return (untested("absent", "no temperature sensor here"),)
    name, celsius = max(facts.celsius, key=lambda one: one[1])
    measured = f"{name} {celsius:.0f} °C"
    look_at = "air around the box, dust, fan, sun; processor load (top)"
    if celsius >= HOT_C:
        return (fault("hot", measured, look_at),)
    if celsius >= WARM_C:
        return (attention("warm", measured, look_at),)
    return (good(measured),)


TEMPERATURE = Check("temperature", read, judge)
