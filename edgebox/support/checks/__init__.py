"""Every check of the self-test. One file each: facts, a thin `read`, a pure `judge`."""

from edgebox.support.checks.bond import BOND
from edgebox.support.checks.broker import BROKER
from edgebox.support.checks.check import AnyCheck
from edgebox.support.checks.service import SERVICE

CHECKS: tuple[AnyCheck, ...] = (BROKER, SERVICE, BOND)
"""Carried out side by side; the order is that of the technician's list."""
