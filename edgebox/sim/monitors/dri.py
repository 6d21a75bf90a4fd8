"""A simulated Datex-Ohmeda S/5 monitor, without I/O. Made from the monitor's side."""

import random
import struct

from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient

WAVE_EVERY_S = 0.2


class DriMonitor:
    """Sends what it was asked for."""

    def __init__(self, patient: Patient, faults: Faults, *, now: float):
        self.patient = patient
        self.faults = faults
        self._buffer = bytearray()
        self._interval_s = 0
        self._values_at = now
        self._waves: bytes = b""
        self._waves_at = now
        self._random = random.Random(1)

    def take(self, data: bytes, now: float, now_utc: float) -> bytes:
        """Requests from the box."""
        for byte in data:
            if byte != 0x7E:
                self._buffer.append(byte)
                continue
            record = bytes(self._buffer).replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d")
            self._buffer.clear()
            if len(record) > 40 and sum(record[:-1]) & 0xFF == record[-1]:
                self._request(record[:-1], now)
        return b""

    def tick(self, now: float, now_utc: float) -> bytes:
        """What is due."""
        if self.faults.reboot:
            self.faults.reboot = False
            self._interval_s, self._waves = 0, b""
        out = b""
        while self._interval_s and self._values_at <= now:
            self._values_at += self._interval_s
            out += self._send(self._values(now_utc), now)
        while self._waves and self._waves_at <= now:
            self._waves_at += WAVE_EVERY_S
            out += self._send(self._wave_record(self._waves_at, now_utc), now)
        return out

    def _request(self, record: bytes, now: float) -> None:
        (main_type,) = struct.unpack_from("<h", record, 14)
        if main_type == 0:
            (self._interval_s,) = struct.unpack_from("<h", record, 41)
            self._values_at = now
        elif main_type == 1:
            (stop,) = struct.unpack_from("<h", record, 40)
            self._waves = b"" if stop else record[44:52].split(b"\xff")[0]
            self._waves_at = now

    def _values(self, now_utc: float) -> bytes:
        p = self.patient
        basic = bytearray(270)
        off = self.faults.lead_off

        def group(at: int, label: int, *values: float) -> None:
            numbers = [-32767 if off else round(value) for value in values]
            struct.pack_into(f"<IH{len(numbers)}h", basic, at, 3, label, *numbers)

        group(0, 0, p.heart_rate, 10, 10, 10, p.resp_rate)
        group(16, 1, 100 * p.systolic, 100 * p.diastolic, 100 * p.mean, p.heart_rate)
        group(72, 0, 100 * p.systolic, 100 * p.diastolic, 100 * p.mean, p.heart_rate)
        group(86, 0, 100 * p.temperature)
        group(118, 0, 100 * p.spo2, p.heart_rate, 0, -32767)
        group(132, 0, 500, 10, p.resp_rate, 7600)
        time_s = round(now_utc + self.faults.clock_s)
        body = struct.pack("<I", time_s) + bytes(basic) + struct.pack("<BBH", 0, 0, 0)
        return self._record(0, [(1, body)], time_s)

    def _wave_record(self, at_s: float, now_utc: float) -> bytes:
        rates = {1: 300, 4: 100, 8: 100, 9: 25}
        subrecords = []
        for kind in self._waves:
            count = round(rates[kind] * WAVE_EVERY_S)
            times = [at_s + n / rates[kind] for n in range(count)]
            values = [self._level(kind, at) for at in times]
            raw = [-32767 if self.faults.lead_off else round(value) for value in values]
            subrecords.append((kind, struct.pack(f"<hHH{count}h", count, 0, 0, *raw)))
        return self._record(1, subrecords, round(now_utc))

    def _level(self, kind: int, at_s: float) -> float:
        if kind == 1:
            return 1000 * self.patient.ecg_mv("II", at_s)
        if kind == 4:
            return 100 * (76 + 52 * self.patient.pleth(at_s))
        if kind == 8:
            return 1000 * self.patient.pleth(at_s)
        return 13 * self.patient.co2_mmhg(at_s)

    def _record(self, main_type: int, subrecords: list[tuple[int, bytes]], time_s: int) -> bytes:
        body, listed = b"", b""
        for kind, data in subrecords:
            listed += struct.pack("<hB", len(body), kind)
            body += data
        listed = (listed + b"\0\0\xff").ljust(24, b"\0")[:24]
        head = struct.pack("<hBBHIBBHh", 40 + len(body), 1, 5, 7, time_s, 0, 0, 0, main_type)
        return head + listed + body

    def _send(self, record: bytes, now: float) -> bytes:
        if self.faults.is_silent(now):
            return b""
        record += bytes([sum(record) & 0xFF])
        if self.faults.checksum:
            self.faults.checksum = False
            record = record[:-1] + bytes([record[-1] ^ 1])
        out = b"\x7e"
        for byte in record:
            out += {0x7E: b"\x7d\x5e", 0x7D: b"\x7d\x5d"}.get(byte, bytes([byte]))
        out += b"\x7e"
        if self.faults.half:
            self.faults.half = False
            out = out[: len(out) // 2]
        if self.faults.garbage_bytes:
            out = self._random.randbytes(self.faults.garbage_bytes) + out
            self.faults.garbage_bytes = 0
        return out
