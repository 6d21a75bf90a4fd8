"""What one end of the bond tells whoever runs it."""

from collections.abc import Hashable
from typing import NamedTuple

from edgebox.bond.path import PathState
from edgebox.bond.trial import Trial


class DatagramReceived(NamedTuple):
    """An inner datagram came out."""

    flow: int
    destination: str
    """At the hub: where it shall go. At the box: empty."""
    payload: bytes


class FlowWasRefused(NamedTuple):
    """The hub does not serve this flow."""

    flow: int


class PathChanged(NamedTuple):
    """A link went up, down or silent."""

    link: int
    state: PathState


class PathMoved(NamedTuple):
    """Authenticated packets of a link come from another address."""

    link: int
    address: Hashable


class TargetFell(NamedTuple):
    """The encoders must produce less, now."""

    bps: float


class LinkTested(NamedTuple):
    """The test of a link is over."""

    trial: Trial


Event = DatagramReceived | FlowWasRefused | PathChanged | PathMoved | TargetFell | LinkTested
