"""ModemManager over D-Bus: what the modems say of themselves, and text messages.

It is told by signals (ObjectManager, Properties; D-Bus specification, "Standard Interfaces"), never
asked again and again. Modems that come and go and a ModemManager that is started, stopped or not
there at all are ordinary: then there are fewer modems, or none.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from dbus_fast import BusType, Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

from edgebox.errors import DeviceError
from edgebox.host.modem_objects import MESSAGING, ModemObjects
from edgebox.messages.vehicle import Modem

logger = logging.getLogger(__name__)

NAME = "org.freedesktop.ModemManager1"
PATH = "/org/freedesktop/ModemManager1"
DBUS = "org.freedesktop.DBus"
SMS = "org.freedesktop.ModemManager1.Sms"
MATCHES = (
    f"type='signal',sender='{NAME}'",
    f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{NAME}'",
)
RECONNECT_S = 5.0
RELOAD_S = 2.0
"""A ModemManager that did not say what there is is asked again after this."""
CALL_S = 5.0
SEND_S = 15.0
"""Handing a message to the network."""

Report = Callable[[tuple[Modem, ...]], Awaitable[None]]


class ModemManager:
    """One connection to D-Bus, set up anew when it breaks."""

    def __init__(self, bus: str):
        """`bus`: "system" or a D-Bus address."""
        self._address = bus
        self._bus: MessageBus | None = None
        self._objects = ModemObjects()
        self._owner = ""
        self._loading: list[Message] | None = None
        self._changed = asyncio.Event()
        self._reload = asyncio.Event()

    async def follow(self, report: Report) -> None:
        """Report all modems at first and whenever something of them changes, until cancelled."""
        told: tuple[Modem, ...] | None = None

        async def tell(modems: tuple[Modem, ...]) -> None:
            nonlocal told
            if modems != told:
                told = modems
                await report(modems)

        while True:
            async with self._connected() as ended:
                while self._bus is not None and not ended.done():
                    await self._load(self._bus)
                    await tell(self._objects.modems())
                    await self._wait(ended)
            await tell(())
            await asyncio.sleep(RECONNECT_S)

    async def send_sms(self, phone: str, text: str) -> None:
        """Send by the first modem that can. Raises DeviceError with the cause, without the number.

        The message is taken out of the modem again, sent or not: the number is kept nowhere.
        """
        bus, modem = self._bus, self._objects.sender()
        if bus is None or modem is None:
            raise DeviceError("no registered modem that can send text messages")
        parts = {"number": Variant("s", phone), "text": Variant("s", text)}
        try:
            async with asyncio.timeout(SEND_S):
                (path,) = await self._call(bus, modem, MESSAGING, "Create", "a{sv}", parts)
                try:
                    await self._call(bus, path, SMS, "Send")
                finally:
                    with contextlib.suppress(DeviceError):
                        await self._call(bus, modem, MESSAGING, "Delete", "o", path)
        except TimeoutError:
            raise DeviceError(f"the modem did not send within {SEND_S:g} s") from None

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncio.Future[None]]:
        """Connect if D-Bus is there; gives the end of the connection."""
        bus = await self._connect()
        if bus is None:
            yield asyncio.get_running_loop().create_future()
            return
        ended = asyncio.ensure_future(_until_ended(bus))
        try:
            self._bus = bus
            yield ended
        finally:
            self._bus = None
            self._objects.replace({})
            bus.disconnect()
            await ended

    async def _connect(self) -> MessageBus | None:
        system = self._address == "system"
        try:
            bus = (
                MessageBus(bus_type=BusType.SYSTEM)
                if system
                else MessageBus(bus_address=self._address)
            )
            await bus.connect()
        except (OSError, EOFError, AuthError, InvalidAddressError) as error:
            logger.info("modems: no D-Bus at %s: %s", self._address, error)
            return None
        bus.add_message_handler(self._receive)
        self._reload.set()
        for rule in MATCHES:
            with contextlib.suppress(DeviceError):
                await self._call(bus, "/org/freedesktop/DBus", DBUS, "AddMatch", "s", rule)
        return bus

    async def _load(self, bus: MessageBus) -> None:
        """Everything anew after ModemManager came or went; nothing else to do otherwise."""
        if not self._reload.is_set():
            return
        self._reload.clear()
        self._loading = []
        try:
            self._owner = await self._find_owner(bus)
            objects = await self._find_objects(bus) if self._owner else {}
            if objects is None:
                self._reload.set()
                objects = {}
        finally:
            early, self._loading = self._loading, None
        self._objects.replace(objects)
        for message in early:  # at the end the same as in the snapshot, or newer
            self._fold(message)

    async def _find_owner(self, bus: MessageBus) -> str:
        try:
            body = await self._call(bus, "/org/freedesktop/DBus", DBUS, "GetNameOwner", "s", NAME)
        except DeviceError:
            return ""
        return str(body[0])

    async def _find_objects(self, bus: MessageBus) -> dict[str, dict[str, dict[str, Any]]] | None:
        """None: it did not answer, as one that is busy with a modem's reset."""
        try:
            body = await self._call(bus, PATH, f"{DBUS}.ObjectManager", "GetManagedObjects")
        except DeviceError as error:
            logger.warning("modems: %s", error)
            return None
        return {
            path: {name: _plain(values) for name, values in interfaces.items()}
            for path, interfaces in body[0].items()
        }

    async def _wait(self, ended: asyncio.Future[None]) -> None:
        """For a change, the end of the connection, or the time to ask again."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait(
                (changed, ended),
                timeout=RELOAD_S if self._reload.is_set() else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._changed.clear()
            changed.cancel()

    def _receive(self, message: Message) -> None:
        """Called by dbus-fast for every message that comes in."""
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.sender == DBUS:
            if message.member == "NameOwnerChanged" and message.body[:1] == [NAME]:
                self._reload.set()
                self._changed.set()
        elif self._loading is not None:
            self._loading.append(message)
        else:
            self._fold(message)

    def _fold(self, message: Message) -> None:
        """Take one signal of ModemManager itself; others cannot speak for it."""
        if message.sender != self._owner:
            return
        match message.member, message.signature, message.body:
            case "InterfacesAdded", "oa{sa{sv}}", [path, interfaces]:
                added = {name: _plain(values) for name, values in interfaces.items()}
                self._objects.add(path, added)
            case "InterfacesRemoved", "oas", [path, names]:
                self._objects.remove(path, names)
            case "PropertiesChanged", "sa{sv}as", [interface, values, _]:
                self._objects.change(message.path or "", interface, _plain(values))
            case _:
                return
        self._changed.set()

    async def _call(
        self,
        bus: MessageBus,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: object,
    ) -> list[Any]:
        """Body of the answer. Raises DeviceError: refused, nobody there, no answer in time."""
        question = Message(
            destination=DBUS if interface == DBUS else NAME,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            flags=MessageFlag.NO_AUTOSTART,
        )
        try:
            async with asyncio.timeout(SEND_S if interface == SMS else CALL_S):
                answer = await bus.call(question)
        except TimeoutError:
            raise DeviceError(f"{member}: no answer") from None
        except (OSError, EOFError) as error:
            raise DeviceError(f"{member}: {error}") from error
        if answer.message_type is MessageType.ERROR:
            raise DeviceError(f"{member}: {answer.error_name}")
        return list(answer.body)


async def _until_ended(bus: MessageBus) -> None:
    try:
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    except (OSError, EOFError) as error:
        logger.warning("modems: D-Bus connection lost: %s", error)


def _plain(values: dict[str, Variant]) -> dict[str, Any]:
    return {name: value.value for name, value in values.items()}
