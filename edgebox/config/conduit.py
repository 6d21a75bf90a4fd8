"""[conduit]."""

from edgebox.config.kinds import Address, Section


class Conduit(Section, frozen=True):
    """TCP connections over the bond, for the brokers of box and hub. It has the bond's role."""

    listen: Address = "127.0.0.1:18883"
    """Box: TCP address for its broker's bridge; it listens while the hub's end can be reached."""
    via: Address = "127.0.0.1:4434"
    """Box: the bond's forward that leads to `serve` of the hub."""
    serve: Address = "127.0.0.1:4434"
    """Hub: UDP address that its bond's end sends to; `bond.allow` lists it."""
    to: Address = "127.0.0.1:8883"
    """Hub: the broker, the one place that boxes' connections are led to."""
