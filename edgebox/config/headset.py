"""[headset]."""

from typing import Annotated

from msgspec import Meta

from edgebox.config.kinds import OptionalAddress, Section


class Headset(Section, frozen=True):
    """Headsets, phones and tablets on the vehicle's own access point."""

    listen: OptionalAddress = ""
    """HTTPS, at the access point's own address; empty: no headsets. Every device on that network
    reaches it; what it does there needs a lease (docs/headset.md)."""
    interface: Annotated[
        str,
        Meta(
            pattern=r"^[^/\s]{0,15}\Z",
            description="a network interface's name, 15 characters at most, no spaces",
        ),
    ] = ""
    """The access point's: what comes in elsewhere is not taken. Empty: the address decides."""
    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z",
            description="a host name in lower case",
        ),
    ] = "headset.example.org"
    """What devices open: the same in every vehicle, where the access point's own DNS answers."""
    fleet_certificate: str = ""
    """Shown while the hub has sent none that every browser knows: for `name`, by the fleet's own
    authority, which devices must have been told to trust. Empty: none."""
    fleet_key: str = ""
    """Its private key."""
    state: str = "/var/lib/edgebox/headset"
    """Directory of what must outlive a restart: certificate and key, registry, counters."""
