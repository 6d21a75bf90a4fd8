"""[[link]], [[forward]] and [bond]."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.config.kinds import Address, Name, OptionalAddress, Section


class Link(Section, frozen=True):
    """One way out of the vehicle."""

    name: Name
    """Shown on the panel's meters."""
    interface: Annotated[
        str,
        Meta(
            pattern=r"^[^/\s]{0,15}\Z",
            description="a network interface's name, 15 characters at most, no spaces",
        ),
    ] = ""
    """Bind to this network interface (SO_BINDTODEVICE); the usual case."""
    source: str = ""
    """Or bind to this source address (IPv4 or IPv6)."""
    remote: OptionalAddress = ""
    """Reach the hub's bond here instead of at `bond.hub`."""
    label: Annotated[str, Meta(max_length=40)] = ""
    """What people call it, an operator's name for instance; empty shows `name`."""
    priority: Annotated[int, Meta(ge=1, le=9)] = 1
    """1 is used first. Links of a higher number help while those before carry less than
    `bond.enough_bps`, and at once when those before fail."""
    price_per_gb: Annotated[float, Meta(ge=0, le=100_000)] = 0.0
    """In any currency; shown with the month's volume. Of the same priority the cheaper goes first.
    A link with a price gets no copies to measure it: less than 20 kbit/s while it is idle."""
    monthly_cap_mb: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    """Never exceeded by the bond, in 10^6 bytes both ways with IP headers; 0: no cap. From 90 % on
    it is a reserve, from 98 % on for when no other link is up, at 100 % closed."""
    month_starts_on: Annotated[int, Meta(ge=1, le=28)] = 1
    """Day of the month, at 00:00 UTC, when the operator counts anew."""


class Forward(Section, frozen=True):
    """A UDP port here that comes out at an address of the far end."""

    name: Name
    listen: Address
    """Local address to receive on. Loopback unless other machines of the vehicle shall use it."""
    to: Address
    """Where the far end sends it; the far end must list it in `bond.allow`."""


class Bond(Section, frozen=True):
    """The bond of all links: a UDP port forwarder between box and hub."""

    role: Literal["box", "hub"] = "box"
    hub: Address = "hub.example.org:4500"
    """Box: UDP address of the hub's bond."""
    key_exchange: Address = "hub.example.org:4443"
    """Box: TCP address where session keys are fetched over mutually authenticated TLS 1.3."""
    listen: Address = "0.0.0.0:4500"
    """Hub: UDP address that boxes reach. Open to the Internet; strangers get no answer."""
    key_exchange_listen: Address = "0.0.0.0:4443"
    """Hub: TCP address of the key exchange. Client certificate of the fleet required."""
    ca: str = "credential:fleet-ca.pem"
    """Fleet certificate authority both ends trust."""
    certificate: str = "credential:device.pem"
    """This end's certificate; its common name is the box id, or the hub's host name."""
    private_key: str = "credential:device.key"
    static_key: str = ""
    """Lab only: file with 32 random bytes in hex on both ends; replaces the key exchange."""
    enough_bps: Annotated[int, Meta(ge=100_000, le=1_000_000_000)] = 3_500_000
    """Box: links of a later priority or a higher price are spared while the others carry this."""
    usage_file: str = "/var/lib/edgebox/bond/usage.json"
    """Box: how much each link has carried this month, kept over restarts."""
    metrics_listen: OptionalAddress = ""
    """Prometheus figures by HTTP; empty: none. It has no log-in: loopback, or a guarded network."""
    revoked: str = ""
    """Hub: file of boxes and certificates that are shut out, read again when it changes."""
    link: tuple[Link, ...] = ()
    forward: tuple[Forward, ...] = (
        Forward("turn", "127.0.0.1:3478", "127.0.0.1:3478"),
        Forward("conduit", "127.0.0.1:4434", "127.0.0.1:4434"),
    )
    """Box: what `media.turn` and `conduit.via` need, unless others are given."""
    allow: tuple[Address, ...] = ("127.0.0.1:3478", "127.0.0.1:4434")
    """Hub: the only addresses boxes may have datagrams sent to."""
