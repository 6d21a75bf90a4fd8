"""Payloads over Bluetooth's own layers: bumble as device and as box, two controllers on one link.

What it shows: that what a GATT server notifies and indicates, on the link of two that have paired
and encrypted, arrives as our parser takes it. It is not BlueZ, and no radio.
"""

import asyncio

from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.gatt import Characteristic, Service
from bumble.testing.test_utils import TwoDevices

from edgebox.observation import Numeric
from edgebox.sim.monitors.bluetooth import CONTINUOUS, PRESSURE, TEMPERATURE, BluetoothMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals.monitors.bluetooth import Bluetooth
from tests.integration.test_vitals_serial import OSLO

NOW_UTC = 1_795_000_000.0
SERVICES = {0x1822: CONTINUOUS, 0x1809: TEMPERATURE, 0x1810: PRESSURE}
ENCRYPTED = Characteristic.Permissions.READ_REQUIRES_ENCRYPTION
Said = dict[int, Characteristic[bytes]]


def serve(device: Device) -> Said:
    """Oximeter, thermometer and cuff; the first notifies, the others indicate."""
    said: Said = {}
    for service, measurement in SERVICES.items():
        notifies = measurement == CONTINUOUS
        how = Characteristic.Properties.NOTIFY if notifies else Characteristic.Properties.INDICATE
        said[measurement] = Characteristic(UUID.from_16_bits(measurement), how, ENCRYPTED, b"")
        device.add_service(Service(UUID.from_16_bits(service), [said[measurement]]))
    return said


async def subscribe(connection: Connection, core: Bluetooth, arrived: asyncio.Event) -> None:
    """As the box does: all measurements that the device has."""
    peer = Peer(connection)
    await peer.discover_services()
    await peer.discover_characteristics()
    for measurement in SERVICES.values():
        (proxy,) = peer.get_characteristics_by_uuid(UUID.from_16_bits(measurement))

        def take(value: bytes, measurement: int = measurement) -> None:
            core.receive(measurement, value, NOW_UTC)
            arrived.set()

        await proxy.subscribe(take, prefer_notify=measurement == CONTINUOUS)


async def test_measurements_arrive_over_a_paired_link() -> None:
    two, core, arrived = TwoDevices(), Bluetooth("m1", OSLO), asyncio.Event()
    monitor = BluetoothMonitor(Patient(), Faults(), OSLO)
    said = serve(two[1])
    await two.setup_connection()
    box = two.connections[0]
    await box.pair()
    assert box.is_encrypted
    await subscribe(box, core, arrived)
    for measurement, value in (
        (CONTINUOUS, monitor.continuous()),
        (TEMPERATURE, monitor.temperature(NOW_UTC)),
        (PRESSURE, monitor.pressure(NOW_UTC)),
    ):
        arrived.clear()
        if measurement == CONTINUOUS:
            await two[1].notify_subscribers(said[measurement], value)
        else:
            await two[1].indicate_subscribers(said[measurement], value)
        async with asyncio.timeout(5):
            await arrived.wait()
    values = {one.name: one.value for one in core.observations() if isinstance(one, Numeric)}
    assert core.damaged == 0
    assert values["MDC_PULS_OXIM_SAT_O2"] == 97.0
    assert values["MDC_TEMP"] == 36.8
    assert values["MDC_PRESS_BLD_NONINV_SYS"] == 128.0
    await box.disconnect()
