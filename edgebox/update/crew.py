"""Is the box in use? Folds what the services say; told the time, no I/O.

Nobody can tell while the broker is away, and for a while after it came back: media may not have
spoken yet. Media that says nothing at all is not in a mission, or a broken one could never be
mended by an update; one that died while it sent counts as sending, for it goes on by itself.
"""

import math

from edgebox.messages.base import Message
from edgebox.messages.headset import HeadsetStatus
from edgebox.messages.pairing import PairingStatus
from edgebox.messages.services import ServiceName, ServiceStatus
from edgebox.messages.session import MediaSession
from edgebox.messages.support import SupportSession
from edgebox.update.plan import Crew

SETTLE_S = 60.0
"""Time for every service to speak."""


class CrewWatch:
    """Fed by the service."""

    def __init__(self, now: float):
        self._heard_since: float | None = None
        self._free_since = math.inf
        self._session: MediaSession | None = None
        self._support: SupportSession | None = None
        self._headset: HeadsetStatus | None = None
        self._pairing: PairingStatus | None = None
        self._stopped: set[ServiceName] = set()
        self.look(now)

    def connect(self, now: float) -> None:
        """The broker is there."""
        self._heard_since = now

    def disconnect(self, now: float) -> None:
        """It is away. A mission needs no broker: whether one is on stays."""
        self._heard_since = None
        self._support = self._headset = self._pairing = None
        self.look(now)

    def receive(self, said: Message, now: float) -> None:
        """What one of them says."""
        match said:
            case MediaSession():
                self._session = said
            case SupportSession():
                self._support = said
            case HeadsetStatus():
                self._headset = said
            case PairingStatus():
                self._pairing = said
            case ServiceStatus():
                if said.state == "stopped":
                    self._stopped.add(said.service)
                else:
                    self._stopped.discard(said.service)
        self.look(now)

    def look(self, now: float) -> Crew:
        """Who uses the box, most important first; empty: nobody."""
        using = self._using(now)
        if using:
            self._free_since = math.inf
        elif self._free_since == math.inf:
            self._free_since = now
        return using

    def free_s(self, now: float) -> float:
        """For how long nobody has."""
        return max(0.0, now - self._free_since)

    def _using(self, now: float) -> Crew:
        if self._session is not None and self._session.state == "live":
            return "mission"
        if self._support is not None and self._is_there("support") and self._support.state != "off":
            return "support"
        if self._is_there("headset") and self._has_headset():
            return "headset"
        if self._heard_since is None or now - self._heard_since < SETTLE_S:
            return "unsure"
        return ""

    def _is_there(self, service: ServiceName) -> bool:
        """What a dead one said last is worth nothing."""
        return service not in self._stopped

    def _has_headset(self) -> bool:
        paired = self._pairing is not None and any(
            card.state == "paired" for card in self._pairing.cards
        )
        return paired or (self._headset is not None and bool(self._headset.headsets))
