"""The vehicle service: modems, position, invitations by text message, ignition.

A process of its own, so that neither ModemManager nor gpsd nor a provider of text messages can
take the panel or the pictures along. It has no listener.
"""

import asyncio
import contextlib
import time

from edgebox.config import Config, read_secret
from edgebox.config.vehicle import Sms
from edgebox.errors import ConfigError, DeviceError
from edgebox.host import gpsd, sms_gateway
from edgebox.host.modemmanager import ModemManager
from edgebox.host.service import Service
from edgebox.messages.base import Done, Fault
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.messages.vehicle import MODEMS, POSITION, SEND_INVITE, Modem, Modems, SendInvite
from edgebox.vehicle import ignition
from edgebox.vehicle.audience import Audience

SAY_EVERY_S = 20.0
"""A third of the unit's WatchdogSec."""


async def run(config: Config) -> None:
    """Until cancelled."""
    service = Service("vehicle", config)
    vehicle = _Vehicle(service)
    async with service:
        await vehicle.listen()
        await service.set_state("running")
        await service.run(
            vehicle.tell_modems(),
            vehicle.tell_position(),
            vehicle.watch_ignition(),
            service.keep_saying(SAY_EVERY_S),
        )


class _Vehicle:
    """Between the bus and the outside."""

    def __init__(self, service: Service):
        self._bus = service.bus
        self._config = service.config
        address = service.config.modems.bus
        self._modems = None if address == "off" else ModemManager(address)
        self._audience = Audience()
        self._sending = asyncio.Lock()

    async def listen(self) -> None:
        """Who may know the position, and what is to be sent."""
        await self._bus.subscribe(SERVICE_STATUS, self._receive_service)
        await self._bus.subscribe(MEDIA_SESSION, self._receive_session)
        await self._bus.serve(SEND_INVITE, self._send_invite)

    async def tell_modems(self) -> None:
        """Until cancelled."""
        if self._modems is not None:
            await self._modems.follow(self._report)

    async def watch_ignition(self) -> None:
        """Until cancelled, or the box is off."""
        await ignition.watch(self._config, lambda: self._audience.is_live)

    async def tell_position(self) -> None:
        """Each fix, and once that there is none any more; nobody hears any of it otherwise."""
        if not self._config.gpsd.address:
            return
        async with contextlib.aclosing(gpsd.fixes(self._config.gpsd.address)) as fixes:
            async for fix in fixes:
                if self._audience.may_know_position:
                    position = gpsd.position(fix or gpsd.Fix(at_utc=None), time.time())
                    await self._bus.publish(POSITION, position)

    async def _report(self, modems: tuple[Modem, ...]) -> None:
        await self._bus.publish(MODEMS, Modems(modems=modems))

    async def _receive_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        self._audience.receive_service(status)

    async def _receive_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        self._audience.receive_session(session)

    async def _send_invite(self, question: SendInvite, keys: dict[str, str]) -> Done | Fault:
        """One at a time: it is asked by a finger. The number is in no log and no answer."""
        if self._config.sms.by == "none":
            return Fault(reason="refused", text="sms.by is none")
        if self._sending.locked():
            return Fault(reason="busy", text="another message is on its way")
        async with self._sending:
            try:
                sms = self._config.sms
                words = sms.help_text if question.purpose == "help" else sms.text
                text = words.replace("{url}", question.url)
                await self._send(international(question.phone, sms), text)
            except (DeviceError, ConfigError) as error:
                return Fault(reason="failed", text=str(error)[:200])
        return Done()

    async def _send(self, phone: str, text: str) -> None:
        sms = self._config.sms
        if sms.by == "gateway":
            secret = read_secret(self._config, sms.gateway_secret).decode()
            await sms_gateway.send(sms_gateway.write_post(sms, secret, phone, text))
        elif self._modems is not None:
            await self._modems.send_sms(phone, text)
        else:
            raise DeviceError("modems.bus is off")


def international(phone: str, sms: Sms) -> str:
    """With its country code (E.164): as typed, after 00, or else the configured one."""
    if phone.startswith("+"):
        return phone
    return f"+{phone[2:]}" if phone.startswith("00") else sms.country + phone
