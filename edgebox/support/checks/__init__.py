"""Every check of the self-test. One file each: facts, a thin `read`, a pure `judge`."""

from edgebox.support.checks.bond import BOND
from edgebox.support.checks.broker import BROKER
from edgebox.support.checks.camera import CAMERA
from edgebox.support.checks.certificate import CERTIFICATE
from edgebox.support.checks.check import AnyCheck
from edgebox.support.checks.clock import CLOCK
from edgebox.support.checks.configuration import CONFIGURATION
from edgebox.support.checks.disk_health import DISK_HEALTH
from edgebox.support.checks.disk_space import DISK_SPACE
from edgebox.support.checks.gnss import GNSS
from edgebox.support.checks.headset import HEADSET
from edgebox.support.checks.hub import HUB
from edgebox.support.checks.link import LINK
from edgebox.support.checks.memory import MEMORY
from edgebox.support.checks.modem import MODEM
from edgebox.support.checks.monitor import MONITOR
from edgebox.support.checks.power import POWER
from edgebox.support.checks.service import SERVICE
from edgebox.support.checks.sound import SOUND
from edgebox.support.checks.storage import STORAGE
from edgebox.support.checks.temperature import TEMPERATURE
from edgebox.support.checks.turn import TURN
from edgebox.support.checks.unit import UNIT
from edgebox.support.checks.update import UPDATE

CHECKS: tuple[AnyCheck, ...] = (
    POWER,
    TEMPERATURE,
    STORAGE,
    DISK_SPACE,
    DISK_HEALTH,
    MEMORY,
    CLOCK,
    CONFIGURATION,
    UPDATE,
    UNIT,
    SERVICE,
    BROKER,
    CERTIFICATE,
    MODEM,
    LINK,
    BOND,
    TURN,
    HUB,
    CAMERA,
    SOUND,
    MONITOR,
    HEADSET,
    GNSS,
)
"""Carried out side by side; the order is that of the technician's list."""
