"""[box] and [bus]: which box this is, and its broker."""

from typing import Annotated

from msgspec import Meta

from edgebox.config.kinds import Name, Section


class Box(Section, frozen=True):
    """Who this vehicle is."""

    id: Name = "box-1"
    """Identity of the box towards the hub; equals the name in its certificate."""
    vehicle: Annotated[str, Meta(min_length=1, max_length=40)] = "Ambulance 1"
    """What people call the vehicle; shown on panel and remote page."""


class Bus(Section, frozen=True):
    """The local MQTT broker (mosquitto)."""

    address: Annotated[str, Meta(min_length=1)] = "/run/edgebox/bus.sock"
    """Path of the broker's Unix socket, or `host:port`."""
