"""A simulated Dräger ventilator that speaks MEDIBUS, without I/O. Made from the device's side."""

import random

from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient

CYCLE_S = 0.008
STREAMS = (
    (0x00, -10, 100, 0x7D0),
    (0x01, -180, 180, 0xE10),
    (0x06, 0, 100, 0x3E8),
    (0x0A, 0, 10, 0x3E8),
)
"""Code, least, greatest, binary value of the greatest: pressure, flow, CO2, agent."""
SILENT_S = 3.0


class MedibusMonitor:
    """Answers commands, sends realtime cycles once they are switched on."""

    def __init__(self, patient: Patient, faults: Faults, *, now: float):
        self.patient = patient
        self.faults = faults
        self._buffer = bytearray()
        self._order: list[int] = []
        self._is_on = False
        self._next = now
        self._heard = -1e9
        self._random = random.Random(1)

    def take(self, data: bytes, now: float, now_utc: float) -> bytes:
        """Bytes from the box; the answer."""
        out = b""
        for byte in data:
            if byte & 0x80:
                self._buffer.append(byte)
                if self._buffer.endswith(b"\xc0\xc0"):
                    mask = self._buffer[self._buffer.index(0xC1) + 1] & 0x0F
                    self._is_on = mask != 0
                    self._next = now
                    self._buffer.clear()
            elif byte == 0x0D:
                out += self._command(bytes(self._buffer), now)
                self._buffer.clear()
            else:
                self._buffer.append(byte)
        return out

    def tick(self, now: float, now_utc: float) -> bytes:
        """Realtime cycles that are due."""
        out = bytearray()
        if self.faults.reboot or now > self._heard + SILENT_S:
            self._is_on = self.faults.reboot = False
        while self._is_on and self._next <= now:
            self._next += CYCLE_S
            if not self.faults.is_silent(now):
                out += self._cycle(self._next)
        return bytes(out)

    def _command(self, frame: bytes, now: float) -> bytes:
        if len(frame) < 4 or frame[0] != 0x1B or self.faults.is_silent(now):
            return b""
        self._heard = now
        code, argument = frame[1], frame[2:-2]
        data = {
            0x52: b"8312'Evita 4      '04.20:06.00",
            0x53: b"".join(
                f"{c:02X}{8000:8d}{low:5d}{high:5d}{top:03X}".encode()
                for c, low, high, top in STREAMS
            ),
            0x24: self._values(),
            0x27: self._alarms(),
        }.get(code, b"")
        if code == 0x54:
            self._order = [int(argument[n : n + 2], 16) for n in range(0, len(argument), 4)]
        return self._damage(_frame(0x01, code, data))

    def _values(self) -> bytes:
        p = self.patient
        values = {
            0x7D: "  25",
            0x73: "  12",
            0x78: "   5",
            0xD6: f"{p.resp_rate:4.0f}",
            0xE6: f"{p.etco2:4.0f}",
            0xB8: " 6.3",
            0xEB: f"{p.spo2:4.0f}",
            0xC1: "    ",
        }
        if self.faults.lead_off:
            values[0xEB] = "    "
        return "".join(f"{code:02X}{value}" for code, value in values.items()).encode()

    def _alarms(self) -> bytes:
        return b"".join(
            b"7%02X%-12.12s" % (0x10 + n, text.encode("ascii", "replace"))
            for n, text in enumerate(self.faults.alarms)
        )

    def _cycle(self, at_s: float) -> bytes:
        out = bytearray([0xD0 | (1 << len(self._order)) - 1])
        for code in self._order:
            _, low, high, top = next(one for one in STREAMS if one[0] == code)
            breath = self.patient.breathing(at_s)
            value = {0x00: 15 + 10 * breath, 0x01: 60 * breath, 0x06: 19 * (1 + breath)}[code]
            raw = round((value - low) / (high - low) * top)
            out += bytes([0x80 | raw & 0x3F, 0x80 | raw >> 6])
        return bytes(out)

    def _damage(self, frame: bytes) -> bytes:
        if self.faults.checksum:
            self.faults.checksum = False
            frame = frame[:-2] + bytes([frame[-2] ^ 1]) + frame[-1:]
        if self.faults.half:
            self.faults.half = False
            frame = frame[: len(frame) // 2]
        if self.faults.garbage_bytes:
            frame = self._random.randbytes(self.faults.garbage_bytes) + frame
            self.faults.garbage_bytes = 0
        return frame


def _frame(begin: int, code: int, data: bytes) -> bytes:
    body = bytes([begin, code]) + data
    return body + f"{sum(body) % 256:02X}".encode() + b"\r"
