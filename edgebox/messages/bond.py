"""What the bond says of its links."""

from typing import Literal

from edgebox.messages.base import Message, Text, Topic


class LinkStatus(Message, frozen=True):
    """One link as the bond sees it now. Rates are of the last second."""

    name: str
    label: str
    state: Literal["up", "suspect", "down", "absent"]
    """`absent`: no such interface. `down`: nothing comes back. `suspect`: silent while loaded."""
    since_utc: float
    rtt_ms: float | None
    queue_ms: float
    """Queueing delay towards the hub."""
    loss: float
    """Share of packets lost towards the hub, 0 to 1."""
    capacity_bps: int
    """Estimated towards the hub; a mere starting value while `measured_utc` is None."""
    sent_bps: int
    received_bps: int
    measured_utc: float | None = None
    """When traffic last showed what the link carries; None: not since it came up."""
    use: Literal["ordinary", "reserve", "last", "closed"] = "ordinary"
    """`reserve`: only when those before it do not suffice. `last`: only when no other is up.
    `closed`: its monthly cap is used up, nothing is sent on it."""
    priority: int = 1
    price_per_gb: float = 0.0
    used_bytes: int = 0
    """On this link since its month began, both ways, IP headers included."""
    cap_bytes: int = 0
    """What it may carry in a month; 0: as much as it likes."""
    mtu_bytes: int = 0
    """Largest outer UDP payload that is known to pass towards the hub; 0: not known."""


class BondCounters(Message, frozen=True):
    """Since the start of the bond process. Dropped datagrams by cause, and repairs."""

    sent: int = 0
    duplicated: int = 0
    rescued: int = 0
    expired: int = 0
    """Dropped at the sender because they could not be in time."""
    delivered: int = 0
    late: int = 0
    garbage: int = 0
    """Not a bond packet, a wrong key or damaged."""
    replayed: int = 0
    refused: int = 0
    """Forward to an address the far end does not allow, or too many flows."""


class BondStatus(Message, frozen=True):
    """Ten times a second, and at once when `target_bps` falls by 10 % or more."""

    at_utc: float
    state: Literal["up", "connecting", "down"]
    """`connecting`: no session keys yet. `down`: keys, but no link brings anything back."""
    since_utc: float
    links: tuple[LinkStatus, ...]
    capacity_bps: int
    target_bps: int
    """What the encoders may produce together, sound and repair already taken off."""
    rtt_ms: float | None
    redundancy: float
    """Bytes sent more than once or as parity, as a share of all, last second."""
    counters: BondCounters
    problem: Text = ""
    """Why there are no session keys, for the technician."""


BOND_STATUS = Topic("box/{box}/local/bond", BondStatus, retained=True, qos=0)
