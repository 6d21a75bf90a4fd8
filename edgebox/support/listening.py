"""Keeps Heard up to date from the bus."""

import asyncio

from edgebox.bus import Bus
from edgebox.messages.base import Done
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.selftest import ECHO, Echo
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.messages.update import UPDATE_STATUS, UpdateStatus
from edgebox.messages.vehicle import MODEMS, Modems
from edgebox.messages.vitals import VITALS_STATUS, VitalsStatus
from edgebox.support.heard import Heard

LOOK_EVERY_S = 0.2


class Listening:
    """Between one bus and one Heard."""

    def __init__(self, bus: Bus, heard: Heard):
        self._bus = bus
        self._heard = heard

    async def start(self) -> None:
        """Subscribe; the broker may come later."""
        await self._bus.subscribe(SERVICE_STATUS, self._receive_service)
        await self._bus.subscribe(MEDIA_SESSION, self._receive_session)
        await self._bus.subscribe(BOND_STATUS, self._receive_bond)
        await self._bus.subscribe(MODEMS, self._receive_modems)
        await self._bus.subscribe(UPDATE_STATUS, self._receive_update)
        await self._bus.subscribe(VITALS_STATUS, self._receive_vitals)
        await self._bus.watch_bridge(self._receive_bridge)
        await self._bus.serve(ECHO, self._answer_echo)

    async def run(self) -> None:
        """Notice the broker's going and coming, until cancelled."""
        while True:
            self.follow_broker()
            await asyncio.sleep(LOOK_EVERY_S)

    def follow_broker(self) -> None:
        """Before each message too: what is retained must not be forgotten after it came."""
        connected = self._bus.connected.is_set()
        if connected == self._heard.broker:
            return
        self._heard.forget()
        self._heard.broker = connected

    async def _receive_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        self.follow_broker()
        self._heard.receive_service(status)

    async def _receive_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        self.follow_broker()
        self._heard.receive_session(session)

    async def _receive_bond(self, status: BondStatus, keys: dict[str, str]) -> None:
        self.follow_broker()
        self._heard.receive_bond(status)

    async def _receive_modems(self, modems: Modems, keys: dict[str, str]) -> None:
        self.follow_broker()
        self._heard.receive_modems(modems)

    async def _receive_vitals(self, status: VitalsStatus, keys: dict[str, str]) -> None:
        self.follow_broker()
        self._heard.receive_vitals(status)

    async def _receive_update(self, status: UpdateStatus, keys: dict[str, str]) -> None:
        self.follow_broker()
        self._heard.receive_update(status)

    async def _receive_bridge(self, up: bool) -> None:
        self.follow_broker()
        self._heard.bridge = up

    async def _answer_echo(self, question: Echo, keys: dict[str, str]) -> Done:
        return Done()
