"""The hub's memory of leases: which box gave a device its newest one.

Boxes ask when they can reach the hub, and tell it afterwards when they could not. The first of two
that gave a lease at the same moment keeps it. Told the time; `hub.fleet` keeps it in the database.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from edgebox.pairing.lease import Known

FRESH_S = 45.0
"""A box repeats its claim every 20 s while the lease lasts."""
Result = Literal["granted", "elsewhere", "cloned"]


class Entry(Struct, frozen=True):
    """The newest lease of a device."""

    box: str
    counter: int
    confirmed: bool
    seen_utc: float


class Ledger:
    """All devices of the fleet."""

    def __init__(self, entries: Mapping[str, Entry]):
        self.entries = dict(entries)

    def claim(
        self, device: str, box: str, shown: int, *, confirmed: bool, now_utc: float
    ) -> tuple[Result, str]:
        """A box's claim: what becomes of it, and the box whose lease of this device ends, or ""."""
        entry = self.entries.get(device)
        new = Entry(box, shown + 1, confirmed, now_utc)
        if entry is None:
            self.entries[device] = new
            return "granted", ""
        if entry.box == box and entry.counter == shown + 1:
            # Said again; what was confirmed stays so.
            self.entries[device] = Entry(box, entry.counter, confirmed or entry.confirmed, now_utc)
            return "granted", ""
        if not Known(entry.counter, entry.confirmed).fits(shown):
            return "cloned", ""
        if shown < entry.counter and now_utc - entry.seen_utc < FRESH_S:
            return "elsewhere", ""
        self.entries[device] = new
        return "granted", entry.box if entry.box != box else ""
