"""A stand-in for BlueZ on a D-Bus of its own, with devices near it. Linux only, like BlueZ.

There is no radio: what a client (bleak) asks of org.bluez is answered as BlueZ documents it
(adapter, device, GATT services and characteristics below /org/bluez/hci0), and what the device
measures comes as a changed `Value`. Who talks to it sets DBUS_SYSTEM_BUS_ADDRESS.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from dbus_fast import BusType, PropertyAccess
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import (
    DBusBool,
    DBusBytes,
    DBusDict,
    DBusInt16,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
)
from dbus_fast.service import ServiceInterface, dbus_property, method

ADAPTER = "/org/bluez/hci0"
START_S = 5.0
ADVERTISES_S = 0.1
RSSI = -50
Strings = Annotated[list[str], DBusSignature("as")]


def path_of(address: str) -> str:
    """Of a device's object."""
    return f"{ADAPTER}/dev_{address.replace(':', '_')}"


def uuid_of(number: int) -> str:
    """Of a 16-bit number of the Bluetooth SIG."""
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"


class Adapter(ServiceInterface):
    """org.bluez.Adapter1."""

    def __init__(self, devices: Sequence["Device"]):
        super().__init__("org.bluez.Adapter1")
        self._devices = devices
        self._discovering = False

    @dbus_property(access=PropertyAccess.READ)
    def Address(self) -> DBusStr:  # noqa: N802
        """Its own."""
        return "00:00:00:00:00:01"

    @dbus_property(access=PropertyAccess.READ)
    def Powered(self) -> DBusBool:  # noqa: N802
        """The radio is on."""
        return True

    @dbus_property(access=PropertyAccess.READ)
    def Roles(self) -> Strings:  # noqa: N802
        """What it can be at once."""
        return ["central", "peripheral"]

    @dbus_property(access=PropertyAccess.READ)
    def Discovering(self) -> DBusBool:  # noqa: N802
        """Somebody looks for devices."""
        return self._discovering

    @method()
    def SetDiscoveryFilter(self, properties: DBusDict) -> None:  # noqa: N802
        """Taken, and of no effect: one device is there."""

    @method()
    def StartDiscovery(self) -> None:  # noqa: N802
        """Look."""
        self._discovering = True
        self.emit_properties_changed({"Discovering": True})
        for one in self._devices:
            asyncio.get_running_loop().call_later(ADVERTISES_S, one.advertise)

    @method()
    def StopDiscovery(self) -> None:  # noqa: N802
        """Look no more."""
        self._discovering = False
        self.emit_properties_changed({"Discovering": False})


class Device(ServiceInterface):
    """org.bluez.Device1."""

    def __init__(self, address: str, name: str, *, paired: bool):
        super().__init__("org.bluez.Device1")
        self._address = address
        self._name = name
        self._paired = paired
        self.connected = False

    @dbus_property(access=PropertyAccess.READ)
    def Adapter(self) -> DBusObjectPath:  # noqa: N802
        """That hears it."""
        return ADAPTER

    @dbus_property(access=PropertyAccess.READ)
    def Address(self) -> DBusStr:  # noqa: N802
        """As configured."""
        return self._address

    @dbus_property(access=PropertyAccess.READ)
    def Alias(self) -> DBusStr:  # noqa: N802
        """Its name."""
        return self._name

    @dbus_property(access=PropertyAccess.READ)
    def Name(self) -> DBusStr:  # noqa: N802
        """Its name."""
        return self._name

    @dbus_property(access=PropertyAccess.READ)
    def Paired(self) -> DBusBool:  # noqa: N802
        """Keys were agreed."""
        return self._paired

    @dbus_property(access=PropertyAccess.READ)
    def RSSI(self) -> DBusInt16:  # noqa: N802
        """It was heard just now."""
        return RSSI

    @dbus_property(access=PropertyAccess.READ)
    def UUIDs(self) -> Strings:  # noqa: N802
        """Services in its advertisements."""
        return []

    @dbus_property(access=PropertyAccess.READ)
    def Connected(self) -> DBusBool:  # noqa: N802
        """There is a link."""
        return self.connected

    @dbus_property(access=PropertyAccess.READ)
    def ServicesResolved(self) -> DBusBool:  # noqa: N802
        """Its services are known."""
        return self.connected

    @method()
    def Connect(self) -> None:  # noqa: N802
        """Take the link up."""
        self.set_connected(True)

    @method()
    def Disconnect(self) -> None:  # noqa: N802
        """Give it up."""
        self.set_connected(False)

    def advertise(self) -> None:
        """It is heard, if it is not connected."""
        if not self.connected:
            self.emit_properties_changed({"RSSI": RSSI})

    def set_connected(self, connected: bool) -> None:
        """By us, or by the device itself."""
        self.connected = connected
        self.emit_properties_changed({"Connected": connected, "ServicesResolved": connected})


class Service(ServiceInterface):
    """org.bluez.GattService1."""

    def __init__(self, number: int, device: str):
        super().__init__("org.bluez.GattService1")
        self._number = number
        self._device = device

    @dbus_property(access=PropertyAccess.READ)
    def UUID(self) -> DBusStr:  # noqa: N802
        """Of the SIG."""
        return uuid_of(self._number)

    @dbus_property(access=PropertyAccess.READ)
    def Device(self) -> DBusObjectPath:  # noqa: N802
        """That has it."""
        return self._device

    @dbus_property(access=PropertyAccess.READ)
    def Primary(self) -> DBusBool:  # noqa: N802
        """Always."""
        return True


class Characteristic(ServiceInterface):
    """org.bluez.GattCharacteristic1."""

    def __init__(self, number: int, service: str, *, indicates: bool):
        super().__init__("org.bluez.GattCharacteristic1")
        self._number = number
        self._service = service
        self._flags = ["indicate" if indicates else "notify"]
        self.notifying = False
        self._value = b""

    @dbus_property(access=PropertyAccess.READ)
    def UUID(self) -> DBusStr:  # noqa: N802
        """Of the SIG."""
        return uuid_of(self._number)

    @dbus_property(access=PropertyAccess.READ)
    def Service(self) -> DBusObjectPath:  # noqa: N802
        """That has it."""
        return self._service

    @dbus_property(access=PropertyAccess.READ)
    def Flags(self) -> Strings:  # noqa: N802
        """What can be done with it."""
        return self._flags

    @dbus_property(access=PropertyAccess.READ)
    def Value(self) -> DBusBytes:  # noqa: N802
        """What was measured last."""
        return self._value

    @dbus_property(access=PropertyAccess.READ)
    def Notifying(self) -> DBusBool:  # noqa: N802
        """Somebody listens."""
        return self.notifying

    @method()
    def StartNotify(self) -> None:  # noqa: N802
        """Listen."""
        self.notifying = True

    @method()
    def StopNotify(self) -> None:  # noqa: N802
        """Listen no more."""
        self.notifying = False

    def notify(self, value: bytes) -> None:
        """The device measured something."""
        self._value = value
        if self.notifying:
            self.emit_properties_changed({"Value": value})


class Peripheral:
    """One device with its services, known to the stand-in."""

    def __init__(self, address: str, name: str, *, paired: bool = True):
        self._path = path_of(address)
        self.device = Device(address, name, paired=paired)
        self.characteristics: dict[int, Characteristic] = {}
        self._objects: list[tuple[str, ServiceInterface]] = [(self._path, self.device)]

    def add(self, service: int, *characteristics: tuple[int, bool]) -> None:
        """A service with characteristics: number, and whether it indicates."""
        path = f"{self._path}/service{len(self._objects):04x}"
        self._objects.append((path, Service(service, self._path)))
        for number, indicates in characteristics:
            one = Characteristic(number, path, indicates=indicates)
            self.characteristics[number] = one
            self._objects.append((f"{path}/char{len(self._objects):04x}", one))

    def say(self, characteristic: int, value: bytes) -> None:
        """A measurement, for who listens."""
        if self.device.connected:
            self.characteristics[characteristic].notify(value)

    def leave(self) -> None:
        """The device ends the connection."""
        for one in self.characteristics.values():
            one.notifying = False
        self.device.set_connected(False)

    def export(self, bus: MessageBus) -> None:
        """As objects."""
        for path, one in self._objects:
            bus.export(path, one)


@contextlib.asynccontextmanager
async def bluez(directory: Path, *peripherals: Peripheral) -> AsyncIterator[str]:
    """BlueZ with these devices, on a dbus-daemon of its own; its address."""
    address = f"unix:path={directory / 'bus'}"
    daemon = await asyncio.create_subprocess_exec(
        "dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}"
    )
    try:
        bus = await _connected(address)
        bus.export(ADAPTER, Adapter([one.device for one in peripherals]))
        for one in peripherals:
            one.export(bus)
        await bus.request_name("org.bluez")
        try:
            yield address
        finally:
            bus.disconnect()
            await bus.wait_for_disconnect()
    finally:
        daemon.terminate()
        await daemon.wait()


async def _connected(address: str) -> Any:
    """A connection to the daemon that is just starting."""
    async with asyncio.timeout(START_S):
        while True:
            bus = MessageBus(bus_address=address, bus_type=BusType.SESSION)
            try:
                return await bus.connect()
            except (FileNotFoundError, ConnectionRefusedError):
                bus.disconnect()
                await asyncio.sleep(0.05)
