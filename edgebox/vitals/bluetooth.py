"""Bluetooth LE devices, by BlueZ: found, connected, listened to; again and again.

Who may send us values: the device whose address is configured, and only if it is paired with this
box (`bluetoothctl pair`, docs/monitors.md). With a paired device BlueZ encrypts the link by the key
that was agreed then, so that another one with a copied address is not heard. Devices that are not
paired are not connected to, and nothing is ever paired by itself: whatever is near would be.
"""

import asyncio
import time
import zoneinfo
from uuid import UUID

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError
from dbus_fast.errors import DBusError

from edgebox.config.vitals import Monitor
from edgebox.vitals.attendant import Attendant
from edgebox.vitals.monitors import bluetooth
from edgebox.vitals.recorder import Recorder

SEARCH_S = 10.0
CONNECT_S = 15.0
TRY_AGAIN_S = 1.0
SIG_BASE = UUID("00000000-0000-1000-8000-00805f9b34fb").int
EXPECTED = (BleakError, DBusError, OSError, EOFError, TimeoutError, KeyError, AssertionError)
"""What a radio, a device that walks away and a BlueZ that restarts bring about. bleak looks for
objects of BlueZ that may just have gone (KeyError), and asserts that its own bus is still there."""


class BluetoothDevice:
    """One configured address."""

    def __init__(self, monitor: Monitor, attendant: Attendant, recorder: Recorder):
        self._monitor = monitor
        self._attendant = attendant
        self._recorder = recorder
        self._core = bluetooth.Bluetooth(monitor.id, zoneinfo.ZoneInfo(monitor.timezone))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._take_part()
            except EXPECTED as error:
                self._attendant.failed(f"Bluetooth: {str(error)[:120] or type(error).__name__}")
            await asyncio.sleep(TRY_AGAIN_S)

    async def _take_part(self) -> None:
        device = await BleakScanner.find_device_by_address(self._monitor.identity, SEARCH_S)
        if device is None:
            self._attendant.failed(f"{self._monitor.identity} is not heard: is it on and near?")
        elif not _is_paired(device):
            self._attendant.failed(f"{self._monitor.identity} is not paired with this box")
        else:
            await self._listen(device)

    async def _listen(self, device: BLEDevice) -> None:
        gone = asyncio.Event()
        async with BleakClient(device, lambda _: gone.set(), timeout=CONNECT_S) as client:
            listening = 0
            for characteristic in client.services.characteristics.values():
                if _number(characteristic.uuid) in bluetooth.CHARACTERISTICS:
                    await client.start_notify(characteristic, self._take)
                    listening += 1
            if not listening:
                self._attendant.failed("it has no oximeter, thermometer or blood pressure service")
                return
            self._attendant.device = (device.name or "")[:60]
            self._attendant.opened(time.monotonic())
            await gone.wait()
        # Cuffs and thermometers end the connection after each measurement.
        now, now_utc, grace_s = time.monotonic(), time.time(), self._monitor.stale_after_s
        self._recorder.record(
            self._attendant.closed(now, now_utc, "the device ended the connection", grace_s)
        )

    def _take(self, characteristic: BleakGATTCharacteristic, data: bytearray) -> None:
        now, now_utc = time.monotonic(), time.time()
        core = self._core
        readable, damaged = core.readable, core.damaged
        core.receive(_number(characteristic.uuid), bytes(data), now_utc)
        found = core.observations()
        self._recorder.record([*found, *self._attendant.observe(found, now)])
        self._recorder.record(
            self._attendant.heard(
                len(data), core.readable - readable, core.damaged - damaged, now, now_utc
            )
        )


def _is_paired(device: BLEDevice) -> bool:
    """As BlueZ says: org.bluez.Device1, property Paired."""
    details = device.details
    return isinstance(details, dict) and bool(details.get("props", {}).get("Paired"))


def _number(uuid: str) -> int:
    """The 16-bit number in a UUID of the Bluetooth SIG; -1 for others."""
    number = (UUID(uuid).int - SIG_BASE) >> 96
    same = UUID(uuid).int - (number << 96) == SIG_BASE
    return number if same and 0 <= number < 2**16 else -1
