"""A simulated Bluetooth LE device: oximeter, thermometer and blood pressure cuff in one. No radio.

Payloads as the Bluetooth SIG has them (PLXS, HTS, BLS), through bluez.py. Faults: silence, half,
reboot (the connection ends), clock, lead-off, demo.
"""

import asyncio
import struct
import time
from datetime import datetime, tzinfo
from pathlib import Path

from edgebox.sim.monitors.bluez import Peripheral, bluez
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient

ADDRESS = "00:A0:50:12:34:56"
CONTINUOUS, TEMPERATURE, PRESSURE = 0x2A5F, 0x2A1C, 0x2A35
SLOW_EVERY_S = 5.0
"""Temperature and blood pressure."""
NAN = 0x07FF


def sfloat(value: float, places: int = 0) -> bytes:
    """Two bytes."""
    return struct.pack("<H", (-places & 0xF) << 12 | round(value * 10**places) & 0xFFF)


def float32(value: float, places: int) -> bytes:
    """Four bytes."""
    return struct.pack("<I", (-places & 0xFF) << 24 | round(value * 10**places) & 0xFFFFFF)


class BluetoothMonitor:
    """Sends what it measures while somebody listens."""

    def __init__(self, patient: Patient, faults: Faults, zone: tzinfo, *, paired: bool = True):
        self.patient = patient
        self.faults = faults
        self._zone = zone
        self.peripheral = Peripheral(ADDRESS, "SIM oximeter", paired=paired)
        self.peripheral.add(0x1822, (CONTINUOUS, False))
        self.peripheral.add(0x1809, (TEMPERATURE, True))
        self.peripheral.add(0x1810, (PRESSURE, True))

    async def run(self) -> None:
        """Measure until cancelled."""
        slow_at = 0.0
        while True:
            now = time.monotonic()
            if self.faults.reboot:
                self.faults.reboot = False
                self.peripheral.leave()
            if not self.faults.is_silent(now):
                self._say(CONTINUOUS, self.continuous())
                if now >= slow_at and self.peripheral.device.connected:
                    slow_at = now + SLOW_EVERY_S
                    self._say(TEMPERATURE, self.temperature(time.time()))
                    self._say(PRESSURE, self.pressure(time.time()))
            await asyncio.sleep(1.0)

    def _say(self, characteristic: int, value: bytes) -> None:
        if self.faults.half:
            self.faults.half = False
            value = value[: len(value) // 2]
        self.peripheral.say(characteristic, value)

    def continuous(self) -> bytes:
        """PLX continuous measurement, with status."""
        off = self.faults.lead_off
        spo2, pulse = (
            struct.pack("<H", NAN) if off else sfloat(value)
            for value in (self.patient.spo2, self.patient.heart_rate)
        )
        status = (0x2000 if off else 0x0100) | (0x0400 if self.faults.demo else 0)
        return b"\x04" + spo2 + pulse + struct.pack("<H", status)

    def temperature(self, now_utc: float) -> bytes:
        """Temperature measurement, with time and place."""
        return b"\x06" + float32(self.patient.temperature, 1) + self._time(now_utc) + b"\x02"

    def pressure(self, now_utc: float) -> bytes:
        """Blood pressure measurement, with time, pulse and status."""
        p = self.patient
        values = b"".join(sfloat(one) for one in (p.systolic, p.diastolic, p.mean))
        return b"\x16" + values + self._time(now_utc) + sfloat(p.heart_rate) + b"\x00\x00"

    def _time(self, now_utc: float) -> bytes:
        at = datetime.fromtimestamp(now_utc + self.faults.clock_s, self._zone)
        return struct.pack("<H5B", at.year, at.month, at.day, at.hour, at.minute, at.second)


async def run_in(directory: Path, patient: Patient, faults: Faults, zone: tzinfo) -> None:
    """Until cancelled; the bus's address is in `bus-address`, the entry in `monitor.toml`."""
    directory.mkdir(parents=True, exist_ok=True)
    monitor = BluetoothMonitor(patient, faults, zone)
    async with bluez(directory, monitor.peripheral) as address:
        (directory / "bus-address").write_text(address)
        (directory / "monitor.toml").write_text(
            "[[vitals.monitor]]\nid = 'bluetooth'\nname = 'Bluetooth'\nkind = 'bluetooth'\n"
            f"identity = '{ADDRESS}'\n"
        )
        await monitor.run()
