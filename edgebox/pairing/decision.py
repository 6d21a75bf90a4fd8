"""Whose device is it, and may it be live here: one table.

Signal strength may veto and never grants: the next ambulance is two metres away, and a directional
antenna makes any laptop loud.
"""

from dataclasses import dataclass
from typing import Literal

from edgebox.messages.pairing import Reason
from edgebox.pairing.registry import Device, Registry

CLOCK_S = 600.0
"""How far a device's clock may be off."""
BEHIND_S = 300.0
"""How much earlier than its registry's issue a box may believe it is."""
SIGNAL_MIN_DBM = -78
"""Weaker than this, a device is not in the vehicle's cabin."""


@dataclass(frozen=True)
class Seen:
    """What is known of a device that proved it holds the key of its id."""

    at_utc: float
    """By its own clock."""
    present: bool = False
    """Somebody in this vehicle vouches for it: a code from the panel, a tap, or a moment ago."""
    barred: bool = False
    """Somebody said "wrong car" here and nobody has vouched for it since."""
    signal_dbm: int | None = None
    """None: not known."""


@dataclass(frozen=True)
class Decision:
    """`presence`: somebody in the vehicle must vouch for it first."""

    outcome: Literal["live", "presence", "refused"]
    reason: Reason | Literal[""] = ""
    belongs: str = ""


def registry_state(
    registry: Registry | None, now_utc: float
) -> Literal["good", "ageing", "expired", "none", "clock"]:
    """Whether the list can be used, and whether somebody should see to a newer one."""
    if registry is None:
        return "none"
    if now_utc < registry.issued_utc - BEHIND_S:
        return "clock"
    if now_utc >= registry.expires_utc:
        return "expired"
    return "ageing" if now_utc >= registry.warn_utc else "good"


def find(registry: Registry | None, device: str, now_utc: float) -> Device | Decision:
    """The entry of a device, or why none counts. Nobody has proved anything yet."""
    if registry is None:
        return _refused("no-registry")
    state = registry_state(registry, now_utc)
    if state == "clock":
        return _refused("box-clock")
    if state == "expired":
        return _refused("registry-expired")
    entry = registry.by_id.get(device)
    return entry if entry is not None else _refused("unknown")


def decide(entry: Device, registry: Registry, box: str, seen: Seen, now_utc: float) -> Decision:
    """Of a device whose signature was good."""
    if entry.revoked:
        return _refused("revoked")
    if now_utc >= entry.expires_utc:
        return _refused("expired")
    if abs(seen.at_utc - now_utc) > CLOCK_S:
        return _refused("clock")
    if entry.mode == "assigned" and entry.box != box:
        home = registry.by_box.get(entry.box)
        return Decision("refused", "elsewhere", home.name if home is not None else entry.box)
    if seen.signal_dbm is not None and seen.signal_dbm < SIGNAL_MIN_DBM:
        return _refused("far")
    if seen.present or (entry.mode == "assigned" and not seen.barred):
        return Decision("live")
    return Decision("presence")


def _refused(reason: Reason) -> Decision:
    return Decision("refused", reason)
