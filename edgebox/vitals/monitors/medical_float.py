"""Numbers and times in the payloads of Bluetooth's medical profiles (ISO/IEEE 11073-20601). No I/O.

    SFLOAT      2 bytes little-endian: exponent of ten in the upper 4 bits, mantissa in the lower 12
    FLOAT       4 bytes little-endian: exponent in the upper 8 bits, mantissa in the lower 24
    date time   year (2), month, day, hour, minute, second; no zone: what the device's clock shows

Both parts of a number are in two's complement. Some mantissas with exponent 0 are no numbers: NaN,
NRes (not at this resolution), both infinities and one reserved: they all say "no value".
"""

import struct
from datetime import datetime, tzinfo

from edgebox.errors import RemoteProtocolError
from edgebox.observation import known_time

SFLOAT_SPECIAL = frozenset({0x07FE, 0x07FF, 0x0800, 0x0801, 0x0802})
FLOAT_SPECIAL = frozenset({0x007FFFFE, 0x007FFFFF, 0x00800000, 0x00800001, 0x00800002})
EXPONENT_MAX = 20
"""Beyond this a FLOAT is no measurement."""


class Cursor:
    """A payload, read from front to end. Raises RemoteProtocolError where it is too short."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self._at + count
        if end > len(self._data):
            raise RemoteProtocolError("a measurement is cut off")
        taken, self._at = self._data[self._at : end], end
        return taken

    def number(self, count: int) -> int:
        """An unsigned number, little-endian."""
        return int.from_bytes(self.take(count), "little")

    def sfloat(self) -> float | None:
        """None: no value."""
        raw = self.number(2)
        if raw in SFLOAT_SPECIAL:
            return None
        return _value(_signed(raw & 0xFFF, 12), _signed(raw >> 12, 4))

    def float32(self) -> float | None:
        """None: no value. Raises RemoteProtocolError for an exponent that no measurement has."""
        raw = self.number(4)
        if raw in FLOAT_SPECIAL:
            return None
        exponent = _signed(raw >> 24, 8)
        if abs(exponent) > EXPONENT_MAX:
            raise RemoteProtocolError("a number out of range")
        return _value(_signed(raw & 0xFFFFFF, 24), exponent)

    def date_time(self, zone: tzinfo) -> float | None:
        """Seconds since 1970; None: the device does not know, or no such time exists."""
        year, month, day, hour, minute, second = struct.unpack("<H5B", self.take(7))
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
            return known_time(moment.timestamp())
        except (ValueError, OverflowError):
            return None

    @property
    def at_end(self) -> bool:
        """Nothing is left."""
        return self._at == len(self._data)


def _signed(raw: int, bits: int) -> int:
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def _value(mantissa: int, exponent: int) -> float:
    """Divided, not multiplied by a fraction: 36.8 stays 36.8."""
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent
