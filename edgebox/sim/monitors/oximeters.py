"""Simulated oximeters: Nonin serial formats 2 and 7, Nonin and Masimo lines of text. No I/O."""

import random
from datetime import UTC, datetime, tzinfo

from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient

NONIN_FRAMES_HZ = 75


class NoninMonitor:
    """Sends frames of five bytes, 75 each second."""

    def __init__(self, patient: Patient, faults: Faults, *, now: float, number: int = 2):
        """`number`: of the data format, 2 or 7."""
        self.patient = patient
        self.faults = faults
        self._number = number
        self._next = now
        self._frame = 0
        self._random = random.Random(1)

    def tick(self, now: float) -> bytes:
        """What is due by now."""
        out = bytearray()
        while self._next <= now:
            self._next += 1 / NONIN_FRAMES_HZ
            if self.faults.reboot:
                self.faults.reboot, self._frame = False, 0
            if not self.faults.is_silent(now):
                out += self._damage(self._make(self._next))
            self._frame = (self._frame + 1) % 25
        return bytes(out)

    def _make(self, at_s: float) -> bytes:
        off = self.faults.lead_off
        rate = 511 if off else round(self.patient.heart_rate)
        spo2 = 127 if off else round(self.patient.spo2)
        data = {0: rate >> 7 & 3, 1: rate & 0x7F, 2: spo2, 3: 47}.get(self._frame, 0)
        status = 0x80 | (0x40 if off else 0) | (1 if self._frame == 0 else 0)
        level = min(1.0, self.patient.pleth(at_s))
        if self._number == 2:
            body = bytes([1, status, round(254 * level), data])
        else:
            body = bytes([status]) + round(65_000 * level).to_bytes(2, "big") + bytes([data])
        return body + bytes([sum(body) & 0xFF])

    def _damage(self, frame: bytes) -> bytes:
        if self.faults.checksum:
            self.faults.checksum = False
            frame = frame[:4] + bytes([frame[4] ^ 0x55])
        if self.faults.half:
            self.faults.half = False
            frame = frame[:3]
        if self.faults.garbage_bytes:
            frame = self._random.randbytes(self.faults.garbage_bytes) + frame
            self.faults.garbage_bytes = 0
        return frame


class MasimoMonitor:
    """Sends a line each second."""

    def __init__(self, patient: Patient, faults: Faults, *, now: float, zone: tzinfo = UTC):
        self.patient = patient
        self.faults = faults
        self._zone = zone
        self._next = now
        self._random = random.Random(1)

    def tick(self, now: float, now_utc: float) -> bytes:
        """What is due by now."""
        out = bytearray()
        while self._next <= now:
            at_utc = now_utc - (now - self._next)
            self._next += 1.0
            if not self.faults.is_silent(now):
                out += self._damage(self._line(at_utc))
        return bytes(out)

    def _line(self, at_utc: float) -> bytes:
        moment = datetime.fromtimestamp(at_utc + self.faults.clock_s, self._zone)
        off = self.faults.lead_off
        spo2 = "---" if off else f"{self.patient.spo2:03.0f}"
        rate = "---" if off else f"{self.patient.heart_rate:03.0f}"
        exceptions = "000001" if off else "000000"
        return (
            f"{moment:%m/%d/%y %H:%M:%S} SN=0000070986 SPO2={spo2}% BPM={rate} PI=02.50% "
            f"SPCO=--.-% DESAT=00 PIDELTA=+00 ALARM=0000 EXC={exceptions}\r\n"
        ).encode()

    def _damage(self, line: bytes) -> bytes:
        if self.faults.half:
            self.faults.half = False
            line = line[: len(line) // 2]
        if self.faults.garbage_bytes:
            line = self._random.randbytes(self.faults.garbage_bytes) + line
            self.faults.garbage_bytes = 0
        return line


class NoninTextMonitor(MasimoMonitor):
    """Sends a shorter line each second, without a time."""

    def _line(self, at_utc: float) -> bytes:
        if self.faults.lead_off:
            return b"SPO2=--- HR=---\r\n"
        return f"SPO2={self.patient.spo2:03.0f} HR={self.patient.heart_rate:03.0f}\r\n".encode()
