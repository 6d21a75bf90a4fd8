"""Who may bring a picture in: the seam between pairing and WHIP (no I/O, told the time).

Pairing hands out leases and takes them back; WHIP asks here before it does anything for a bearer,
and hears here when a lease ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

RefusedBecause = Literal["unknown", "expired", "revoked", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Lease:
    """One device's right to be a camera of this vehicle."""

    device: str
    """Id of the device (messages.base.Id); the camera's id follows from it and stays the same."""
    name: str
    """What panel and remote page show, 40 characters at most."""
    digits: str
    """Two digits that both ends show."""
    until: float
    """The bearer is good until then, monotonic seconds; a heartbeat brings a new one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a bearer is worth nothing here."""

    reason: RefusedBecause


class Door(Protocol):
    """What pairing is to WHIP."""

    def check(self, bearer: str, now: float) -> Lease | Refusal:
        """Whose bearer it is. Any text may come in; called for each POST, PATCH and DELETE."""
        ...

    def on_end(self, callback: Callable[[Lease], None]) -> None:
        """Call `callback` when a lease ends before its time (heartbeat lost, revoked, wrong car,
        taken over by another vehicle): its picture is cut at once."""
        ...
