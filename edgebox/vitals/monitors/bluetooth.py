"""Bluetooth LE oximeters, thermometers and blood pressure cuffs: their measurements. No I/O.

One payload of a characteristic is one measurement (Bluetooth SIG: PLXS 1.0, HTS 1.0, BLS 1.1.1).
Each begins with flags that say which fields follow; a reserved flag may add fields of a later
version at the end, else the length must fit.

    2A5F  PLX continuous    flags, SpO2, pulse (SFLOAT), [fast], [slow], [status], [sensor], [PAI]
    2A5E  PLX spot-check    flags, SpO2, pulse, [time], [status], [sensor], [PAI]
    2A1C  temperature       flags, FLOAT, [time], [place]
    2A1E  intermediate temperature, the same
    2A35  blood pressure    flags, systolic, diastolic, mean, [time], [pulse], [user], [status]

A cuff's user number is not read. Bytes are protected by the radio's own checks and, on a paired
link, by its encryption; there is no checksum here.
"""

from collections.abc import Callable
from datetime import tzinfo

from edgebox.errors import RemoteProtocolError
from edgebox.observation import WITHOUT_VALUE, Numeric, Observation, Validity, worst
from edgebox.vitals.monitors.medical_float import Cursor
from edgebox.vitals.nomenclature import TERMS, Term

SIZE_MAX = 512
"""The longest attribute there is (Core 5.4, vol. 3, F 3.2.9)."""
SPO2, PULSE, PERFUSION = TERMS[150456], TERMS[149530], TERMS[150448]
TEMPERATURE, TYMPANIC = TERMS[150344], TERMS[150392]
SYSTOLIC, DIASTOLIC, MEAN, CUFF_PULSE = (TERMS[n] for n in (150021, 150022, 150023, 149546))
_PLX_STATUS: tuple[tuple[int, Validity], ...] = (
    (0x8000, "invalid"),
    (0x4000, "questionable"),
    (0x2000, "unavailable"),
    (0x1000, "calibrating"),
    (0x0800, "test"),
    (0x0400, "demo"),
    (0x0040, "questionable"),
)
"""PLX Measurement Status; 0040 is an early estimate. Ongoing, validated and fully qualified add
nothing; 0200 is from the device's memory, see `_STORED`."""
_STORED = 0x0200
_SENSOR: tuple[tuple[int, Validity], ...] = (
    (0x004002, "invalid"),
    (0x008800, "unavailable"),
    (0x0035FC, "questionable"),
)
"""PLX Device and Sensor Status: malfunctions; disconnected, not on the user; signal and sensor."""
_CUFF_STATUS: tuple[tuple[int, Validity], ...] = ((0x0023, "questionable"),)
"""Blood Pressure Measurement Status: the body moved, the cuff too loose, a wrong position."""
_EAR, _TYMPANUM = 3, 9


class Bluetooth:
    """One device."""

    def __init__(self, device: str, zone: tzinfo):
        """`device`: the monitor's id here. `zone`: of its clock."""
        self._device = device
        self._zone = zone
        self._found: list[Observation] = []
        self.readable = 0
        self.damaged = 0

    def receive(self, characteristic: int, data: bytes, now_utc: float) -> None:
        """A payload of one of CHARACTERISTICS. Damage is counted, never raised."""
        read = CHARACTERISTICS.get(characteristic)
        if read is None:
            return
        try:
            if len(data) > SIZE_MAX:
                raise RemoteProtocolError("longer than a value can be")
            self._found += read(self, Cursor(data), now_utc)
            self.readable += 1
        except RemoteProtocolError:
            self.damaged += 1

    def observations(self) -> list[Observation]:
        """Taken once."""
        found, self._found = self._found, []
        return found

    def _continuous(self, cursor: Cursor, now_utc: float) -> list[Numeric]:
        flags = cursor.number(1)
        spo2, pulse = cursor.sfloat(), cursor.sfloat()
        cursor.take(4 * (flags & 1) + 2 * (flags & 2))
        return self._plx(cursor, flags >> 2, (spo2, pulse), None, now_utc, is_spot=False)

    def _spot_check(self, cursor: Cursor, now_utc: float) -> list[Numeric]:
        flags = cursor.number(1)
        spo2, pulse = cursor.sfloat(), cursor.sfloat()
        at_utc = cursor.date_time(self._zone) if flags & 1 else None
        clock_unset = flags & 0x10
        at_utc = None if clock_unset else at_utc
        # The flag of an unset clock stands where continuous ones have a reserved one.
        rest = flags >> 1 & 0x07 | (flags >> 5) << 3
        return self._plx(cursor, rest, (spo2, pulse), at_utc, now_utc, is_spot=True)

    def _plx(
        self,
        cursor: Cursor,
        flags: int,
        values: tuple[float | None, float | None],
        at_utc: float | None,
        now_utc: float,
        *,
        is_spot: bool,
    ) -> list[Numeric]:
        """`flags`: 1 status, 2 sensor, 4 pulse amplitude follow; above are reserved ones."""
        status = cursor.number(2) if flags & 1 else 0
        sensor = cursor.number(3) if flags & 2 else 0
        amplitude = cursor.sfloat() if flags & 4 else None
        _end(cursor, flags >> 3)
        validity = worst([*_said(status, _PLX_STATUS), *_said(sensor, _SENSOR)])
        episodic = is_spot or bool(status & _STORED)
        terms = [(SPO2, values[0]), (PULSE, values[1])]
        if flags & 4:
            terms.append((PERFUSION, amplitude))
        return [
            self._numeric(term, value, validity, at_utc, now_utc, episodic=episodic)
            for term, value in terms
        ]

    def _temperature(self, cursor: Cursor, now_utc: float) -> list[Numeric]:
        return self._thermometer(cursor, now_utc, "valid", episodic=True)

    def _intermediate(self, cursor: Cursor, now_utc: float) -> list[Numeric]:
        """While it still measures: an estimate."""
        return self._thermometer(cursor, now_utc, "questionable", episodic=False)

    def _thermometer(
        self, cursor: Cursor, now_utc: float, validity: Validity, *, episodic: bool
    ) -> list[Numeric]:
        flags = cursor.number(1)
        value = cursor.float32()
        at_utc = cursor.date_time(self._zone) if flags & 2 else None
        place = cursor.number(1) if flags & 4 else 0
        _end(cursor, flags >> 3)
        term = TYMPANIC if place in {_EAR, _TYMPANUM} else TEMPERATURE
        unit = "[degF]" if flags & 1 else "Cel"
        return [self._numeric(term, value, validity, at_utc, now_utc, unit=unit, episodic=episodic)]

    def _pressure(self, cursor: Cursor, now_utc: float) -> list[Numeric]:
        flags = cursor.number(1)
        values = [cursor.sfloat() for _ in range(3)]
        at_utc = cursor.date_time(self._zone) if flags & 2 else None
        pulse = cursor.sfloat() if flags & 4 else None
        cursor.take(1 if flags & 8 else 0)
        status = cursor.number(2) if flags & 16 else 0
        _end(cursor, flags >> 5)
        validity = worst(_said(status, _CUFF_STATUS))
        unit = "kPa" if flags & 1 else "mm[Hg]"
        terms = zip((SYSTOLIC, DIASTOLIC, MEAN), values, strict=True)
        found = [
            self._numeric(term, value, validity, at_utc, now_utc, unit=unit, episodic=True)
            for term, value in terms
        ]
        if flags & 4:
            found.append(self._numeric(CUFF_PULSE, pulse, validity, at_utc, now_utc, episodic=True))
        return found

    def _numeric(
        self,
        term: Term,
        value: float | None,
        validity: Validity,
        at_utc: float | None,
        now_utc: float,
        *,
        unit: str = "",
        episodic: bool,
    ) -> Numeric:
        if value is None and validity not in WITHOUT_VALUE:
            validity = "unavailable"
        return Numeric(
            device=self._device,
            received_utc=now_utc,
            source_utc=at_utc,
            code=term.code,
            name=term.name,
            unit=unit or term.unit,
            value=None if validity in WITHOUT_VALUE else value,
            validity=validity,
            loinc=term.loinc,
            episodic=episodic,
        )


CHARACTERISTICS: dict[int, Callable[[Bluetooth, Cursor, float], list[Numeric]]] = {
    0x2A5F: Bluetooth._continuous,
    0x2A5E: Bluetooth._spot_check,
    0x2A1C: Bluetooth._temperature,
    0x2A1E: Bluetooth._intermediate,
    0x2A35: Bluetooth._pressure,
}
"""By the 16-bit number in their UUID."""


def _said(status: int, table: tuple[tuple[int, Validity], ...]) -> list[Validity]:
    return [validity for bits, validity in table if status & bits]


def _end(cursor: Cursor, reserved: int) -> None:
    """All of it must have been read, unless flags of a later version were set."""
    if not cursor.at_end and not reserved:
        raise RemoteProtocolError("a measurement of the wrong length")
