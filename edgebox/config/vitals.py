"""[[monitor]] and [vitals]."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.config.kinds import Name, OptionalAddress, Section

MONITOR_WAYS = {
    "hl7": {"listen"},
    "intellivue": {"port", "address"},
    "masimo": {"port"},
    "medibus": {"port"},
    "dri": {"port"},
    "nonin": {"port"},
    "sdc": {"identity"},
    "bluetooth": {"identity"},
    "auto": {"port"},
}
"""How the data of each kind of monitor come in."""


MONITOR_WAY_KEYS = ("port", "listen", "address", "identity")


MONITOR_IDENTITY = {
    "sdc": (r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "urn:uuid:... in small letters"),
    "bluetooth": (r"[0-9A-F]{2}(:[0-9A-F]{2}){5}", "a Bluetooth address, 00:11:22:AA:BB:CC"),
}


SDC_NEEDS = ("interface", "ca", "certificate", "private_key")
"""There is no SDC without TLS on both sides."""


class Monitor(Section, frozen=True):
    """One patient monitor."""

    id: Name
    """Stays the same for the life of the vehicle: stored with every value."""
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    """Shown to crew and remote help."""
    kind: Literal[
        "hl7", "intellivue", "masimo", "medibus", "dri", "nonin", "sdc", "bluetooth", "auto"
    ]
    """The protocol. `auto`: what a serial port brings is recognised (docs/monitors.md)."""
    port: str = ""
    """Serial port: a stable path below /dev/serial/by-path/ or by-id/."""
    baud: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """0: the protocol's own."""
    parity: Literal["", "none", "even", "odd"] = ""
    """Empty: the protocol's own."""
    listen: OptionalAddress = ""
    """`hl7`: TCP address for the monitor to connect to. On the monitors' network only."""
    allow: tuple[str, ...] = ()
    """`hl7`: addresses or networks that may connect (10.1.2.3, 10.1.2.0/24); none: nobody."""
    address: OptionalAddress = ""
    """`intellivue`: UDP address of the monitor, port 24105, instead of a serial port."""
    identity: Annotated[str, Meta(max_length=100)] = ""
    """`sdc`: the device's endpoint reference, urn:uuid:...; `bluetooth`: its address."""
    interface: str = ""
    """`sdc`: the box's IPv4 address on the monitors' network."""
    ca: str = ""
    """`sdc`: PEM file of the authority of the devices' and the box's certificates."""
    certificate: str = ""
    """`sdc`: the box's certificate towards devices, for TLS client and server."""
    private_key: str = ""
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "Europe/Oslo"
    """What its clock shows, where it does not say so itself."""
    stale_after_s: Annotated[float, Meta(ge=2, le=600)] = 10.0
    """A value not repeated for so long is shown as stale."""
    waves: bool = True
    """Whether waves are asked for."""


class Vitals(Section, frozen=True):
    """Patient monitors."""

    store: str = "/var/lib/edgebox/vitals/vitals.db"
    """Everything is in this SQLite file until the hub has it."""
    disk_max_mb: Annotated[int, Meta(ge=16, le=1_000_000)] = 512
    """In 10^6 bytes. At the limit the oldest waves are dropped, values only when none are left."""
    monitor: tuple[Monitor, ...] = ()
