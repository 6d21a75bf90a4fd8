"""What the hub knows of one box, without I/O: from its retained messages and its bridge.

The box's broker connects to the hub's with `notifications true`, so that the hub's broker holds
`$SYS/broker/connection/<box id>/state` (mosquitto.conf(5)): 1 while the bridge is connected, and,
by its last will, 0 once it has been silent for one and a half keepalive intervals.
"""

from dataclasses import dataclass
from typing import Literal

from edgebox.hub.room import Room
from edgebox.messages.session import MediaSession
from edgebox.messages.vehicle import Position


@dataclass
class Box:
    """One box, seen from the hub."""

    id: str
    vehicle: str = ""
    session: MediaSession | None = None
    media: Literal["unknown", "starting", "running", "degraded", "stopped"] = "unknown"
    bridge: bool | None = None
    """None: the broker says nothing of a bridge."""
    reachable: bool = False
    reachable_since_utc: float = 0.0
    position: Position | None = None
    """The newest; None until the first."""
    room: Room | None = None
    greeted: bool = False
    """Whether this hub has said that it is there."""

    def refresh(self, broker: bool, now_utc: float) -> bool:
        """Work out `reachable` anew; True if it changed. `broker`: ours is connected."""
        reachable = broker and self.bridge is not False and self.session is not None
        if reachable == self.reachable and self.reachable_since_utc:
            return False
        self.reachable = reachable
        self.reachable_since_utc = now_utc
        return True
