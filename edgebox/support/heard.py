"""What the services say of themselves on the bus, as last heard. Told the time; no I/O.

A state counts as long as it can be true: the bond's word for BOND_FRESH_S, a session while the
instance of media that said it lives, and nothing at all while the broker is away.
"""

import asyncio
from typing import Literal

from edgebox.messages.bond import BondStatus
from edgebox.messages.services import ServiceName, ServiceStatus
from edgebox.messages.session import MediaSession
from edgebox.messages.update import UpdateStatus
from edgebox.messages.vehicle import Modems
from edgebox.messages.vitals import VitalsStatus

BOND_FRESH_S = 2.0
VITALS_FRESH_S = 5.0


class Heard:
    """Fed by `listening.listen`."""

    def __init__(self) -> None:
        self.broker = False
        """Whether the box's broker is there now."""
        self.bridge: bool | None = None
        """The broker's word on its connection to the hub; only believed when it is bad."""
        self.services: dict[ServiceName, ServiceStatus] = {}
        self.modems: Modems | None = None
        self.update: UpdateStatus | None = None
        self.mission = asyncio.Event()
        """Set while pictures are sent."""
        self._session: MediaSession | None = None
        self._bond: BondStatus | None = None
        self._vitals: VitalsStatus | None = None

    def forget(self) -> None:
        """The broker went. Whether a session is live stays: pictures need no broker."""
        self.broker = False
        self.bridge = None
        self.services.clear()
        self.modems = None
        self.update = None
        self._bond = None
        self._vitals = None

    def receive_service(self, status: ServiceStatus) -> None:
        """A service's own word, or the broker's `stopped` for it."""
        self.services[status.service] = status

    def receive_session(self, session: MediaSession) -> None:
        """Media's word on what is sent."""
        self._session = session
        if session.state == "live":
            self.mission.set()
        else:
            self.mission.clear()

    def receive_bond(self, status: BondStatus) -> None:
        """Ten times a second."""
        self._bond = status

    def receive_vitals(self, status: VitalsStatus) -> None:
        """Each second."""
        self._vitals = status

    def receive_modems(self, modems: Modems) -> None:
        """Whenever something changes."""
        self.modems = modems

    def receive_update(self, status: UpdateStatus) -> None:
        """What runs, and what waits."""
        self.update = status

    def bond(self, now_utc: float) -> BondStatus | None:
        """None: the bond says nothing."""
        status = self._bond
        fresh = status is not None and abs(now_utc - status.at_utc) <= BOND_FRESH_S
        return status if fresh else None

    def vitals(self, now_utc: float) -> VitalsStatus | None:
        """None: the vitals service says nothing."""
        status = self._vitals
        fresh = status is not None and abs(now_utc - status.at_utc) <= VITALS_FRESH_S
        return status if fresh else None

    @property
    def session(self) -> MediaSession | None:
        """None while the media that said it is not there."""
        media = self.services.get("media")
        if self._session is None or media is None or media.state == "stopped":
            return None
        return self._session if media.instance == self._session.instance else None

    @property
    def sending(self) -> Literal["live", "idle", "unknown"]:
        """Whether a mission may be on the air. A media that is away resumes what was live."""
        if self._session is None:
            return "unknown"
        return self._session.state
