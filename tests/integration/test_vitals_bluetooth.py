"""A simulated Bluetooth device behind a stand-in for BlueZ: bleak itself runs, no radio does."""

import asyncio
from pathlib import Path

import pytest

from edgebox.bus import Bus
from edgebox.config.vitals import Monitor
from edgebox.observation import Numeric
from edgebox.sim.monitors.bluetooth import ADDRESS, BluetoothMonitor
from edgebox.sim.monitors.bluez import bluez
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient
from tests.conftest import Broker
from tests.integration.test_vitals_hl7 import Panel
from tests.integration.test_vitals_serial import OSLO, incidents, running, spo2
from tests.integration.vitals_box import BOX, box, config_of, hub

DEVICE = Monitor(id="m1", name="M", kind="bluetooth", identity=ADDRESS, stale_after_s=3.0)


async def test_a_paired_device_reaches_the_hub(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, panel = Faults(), Panel()
    monitor = BluetoothMonitor(Patient(), faults, OSLO)
    async with bluez(tmp_path, monitor.peripheral) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with (
            running(monitor.run()),
            hub(broker) as there,
            Bus(broker.address, "panel", box=BOX) as bus,
            box(config_of(broker, tmp_path, DEVICE)),
        ):
            await panel.listen(bus)
            status = await panel.until("connected")
            assert status.device == "SIM oximeter"
            found = await there.until(lambda all_of: len(spo2(all_of)) >= 2)
            assert set(spo2(found)) == {97.0}
            values = {one.name: one for one in found if isinstance(one, Numeric)}
            assert values["MDC_TEMP"].value == 36.8
            assert values["MDC_PRESS_BLD_NONINV_SYS"].value == 128.0
            assert values["MDC_PRESS_BLD_NONINV_SYS"].episodic
            faults.half = True
            found = await there.until(lambda all_of: "damaged" in incidents(all_of))
            assert set(spo2(found)) == {97.0}
            faults.lead_off = True
            await there.until(lambda all_of: spo2(all_of)[-1] is None)
            faults.lead_off = False
            faults.reboot = True
            before = len(spo2(await there.stored()))
            found = await there.until(lambda all_of: len(spo2(all_of)) >= before + 3)
            assert "gone" not in incidents(found), "it came back within its grace"


async def test_what_is_not_paired_is_not_connected_to(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel()
    monitor = BluetoothMonitor(Patient(), Faults(), OSLO, paired=False)
    async with bluez(tmp_path, monitor.peripheral) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with (
            running(monitor.run()),
            Bus(broker.address, "panel", box=BOX) as bus,
            box(config_of(broker, tmp_path, DEVICE)),
        ):
            await panel.listen(bus)
            status = await panel.until("waiting")
            async with asyncio.timeout(15):
                while "not paired" not in status.detail:
                    await asyncio.sleep(0.05)
                    status = await panel.until("waiting")
            assert not monitor.peripheral.device.connected


async def test_a_box_without_bluetooth_says_so(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    async with (
        Bus(broker.address, "panel", box=BOX) as bus,
        box(config_of(broker, tmp_path, DEVICE)),
    ):
        await panel.listen(bus)
        status = await panel.until("waiting")
        async with asyncio.timeout(15):
            while "Bluetooth" not in status.detail:
                await asyncio.sleep(0.05)
                status = await panel.until("waiting")
