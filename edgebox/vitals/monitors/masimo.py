"""Masimo oximeters (Radical and others), ASCII output. No I/O.

9600 baud 8N1, a line each second, which fields depends on the model; `---` is no value:

    03/17/98 19:30:14 SN=0000070986 SPO2=098% BPM=072 PI=02.50% SPCO=--.-% DESAT=00 ... EXC=000000

There is no checksum: a line counts only if every character of it is as it must be, so that a piece
that is missing or a letter that is wrong costs the line. A digit that became another digit cannot
be noticed by anyone. EXC holds exceptions in hexadecimal; they say how far the values can be used.
"""

import re
from datetime import datetime, tzinfo

from edgebox.observation import WITHOUT_VALUE, Numeric, Validity, known_time
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors.line import Speed
from edgebox.vitals.monitors.listening import Listening

LINE_MAX_BYTES = 400
LINE = re.compile(
    rb"(\d\d)/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)"
    rb"((?: +[A-Z][A-Z0-9]{0,11}=(?:[+-]?[0-9]{1,10}(?:\.[0-9]{1,3})?%?|[+-]?-[-.]{0,9}%?"
    rb"|[0-9A-F]{2,8})?)+) *"
)
BEGIN = re.compile(rb"\d\d/\d\d/\d\d \d\d:")
FIELD = re.compile(rb"([A-Z][A-Z0-9]*)=(\S*)")
MEASURED = {
    b"SPO2": nomenclature.TERMS[150456],
    b"BPM": nomenclature.TERMS[149530],
    b"PI": nomenclature.TERMS[150448],
    b"SPCO": nomenclature.Term(0, "SPCO", "%", "20563-3"),
    b"SPMET": nomenclature.Term(0, "SPMET", "%", "2614-6"),
    b"SPHB": nomenclature.Term(0, "SPHB", "g/dL", "718-7"),
    b"PVI": nomenclature.Term(0, "PVI", "%"),
}
NOT_MEASURED = 0x000001 | 0x000002 | 0x000020 | 0x000080
"""No sensor, defective sensor, sensor off, unrecognized sensor."""
DOUBTFUL = 0x000004 | 0x000008 | 0x000010 | 0x000040 | 0x000400
"""Low perfusion, pulse search, interference, ambient light, low signal quality."""


class Masimo(Listening):
    """One oximeter."""

    speed = Speed(9600)

    def __init__(self, device: str, zone: tzinfo):
        super().__init__()
        self._device = device
        self._zone = zone
        self._buffer = bytearray()
        self._is_in_step = False
        """A line's beginning was seen: what we came in the middle of is no damage."""
        self.name = "Masimo"

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            self._take(line, now_utc)
        if len(self._buffer) > LINE_MAX_BYTES:
            self._buffer.clear()
            self.damaged += 1

    def _take(self, line: bytes, now_utc: float) -> None:
        if not line.strip():
            return
        start = max((begin.start() for begin in BEGIN.finditer(line)), default=0)
        self.damaged += self._is_in_step and start > 0
        line = line[start:]
        found = LINE.fullmatch(line)
        fields = FIELD.findall(line)
        names = [name for name, _ in fields]
        if found is None or len(set(names)) != len(names) or not {b"SPO2", b"BPM"} <= set(names):
            self.damaged += self._is_in_step
            self._is_in_step = True
            return
        self._is_in_step = True
        self.readable += 1
        values = dict(fields)
        source_utc = self._time([int(part) for part in found.groups()[:6]])
        validity = _validity(values.get(b"EXC", b""))
        for name, term in MEASURED.items():
            if name in values:
                self._found.append(self._numeric(term, values[name], validity, source_utc, now_utc))
        if (serial := values.get(b"SN")) and serial.isalnum():
            self.name = f"Masimo {serial.decode('ascii')}"

    def _numeric(
        self,
        term: nomenclature.Term,
        text: bytes,
        validity: Validity,
        source_utc: float | None,
        now_utc: float,
    ) -> Numeric:
        number = text.rstrip(b"%")
        value = float(number) if re.fullmatch(rb"[0-9]+(\.[0-9]+)?", number) else None
        if value is None and validity not in WITHOUT_VALUE:
            validity = "unavailable"
        return Numeric(
            device=self._device,
            received_utc=now_utc,
            source_utc=source_utc,
            code=term.code,
            name=term.name,
            unit=term.unit,
            value=None if validity in WITHOUT_VALUE else value,
            validity=validity,
            loinc=term.loinc,
        )

    def _time(self, parts: list[int]) -> float | None:
        month, day, year, hour, minute, second = parts
        try:
            moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=self._zone)
            return known_time(moment.timestamp())
        except (ValueError, OverflowError):
            return None


def _validity(exceptions: bytes) -> Validity:
    bits = int(exceptions, 16) if re.fullmatch(rb"[0-9A-F]{1,8}", exceptions) else 0
    if bits & NOT_MEASURED:
        return "unavailable"
    return "questionable" if bits & DOUBTFUL else "valid"
