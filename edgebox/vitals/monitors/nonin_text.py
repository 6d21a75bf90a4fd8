"""Nonin oximeters that send text: Avant 4000 and 9600, 8500, and others. No I/O.

9600 baud, a line each second, as their operator's manuals have it (real-time patient data output);
`---` is no value, ` F` marks fast-responding values, `*` that somebody pressed a key:

    SPO2=097 HR=072

There is no checksum: a line counts only if every character of it is as it must be. A digit that
became another digit cannot be noticed by anyone. It says nothing of how good a value is, and no
time. What is sent at power-up stands before the first line and is passed over.
"""

import re

from edgebox.observation import Numeric, Observation
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors.line import Speed
from edgebox.vitals.monitors.listening import Listening
from edgebox.vitals.monitors.nonin import Nonin

LINE_MAX_BYTES = 200
BEGIN = b"SPO2="
LINE = re.compile(rb"SPO2=([0-9]{3}|---) +HR=([0-9]{3}|---)(?: +F)?(?: *\*)?")
SPO2_MAX, RATE_MAX = 100, 321
"""What these models can measure; more is damage."""
SPO2, PULSE = nomenclature.TERMS[150456], nomenclature.TERMS[149530]


class NoninText(Listening):
    """One oximeter."""

    speed = Speed(9600)
    name = "Nonin"

    def __init__(self, device: str):
        super().__init__()
        self._device = device
        self._buffer = bytearray()

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).strip()
            del self._buffer[: end + 1]
            if line:
                self._take(line, now_utc)
        if len(self._buffer) > LINE_MAX_BYTES:
            self._buffer.clear()
            self.damaged += self.readable > 0

    def _take(self, line: bytes, now_utc: float) -> None:
        begin = line.rfind(BEGIN)
        found = LINE.fullmatch(line[begin:]) if begin >= 0 else None
        spo2, rate = (_number(one) for one in found.groups()) if found else (None, None)
        if found is None or (spo2 or 0) > SPO2_MAX or (rate or 0) > RATE_MAX:
            self.damaged += self.readable > 0  # before the first one: what we came in the middle of
            return
        self.damaged += self.readable > 0 and begin > 0
        self.readable += 1
        for term, value in ((SPO2, spo2), (PULSE, rate)):
            self._found.append(
                Numeric(
                    device=self._device,
                    received_utc=now_utc,
                    source_utc=None,
                    code=term.code,
                    name=term.name,
                    unit=term.unit,
                    value=value,
                    validity="unavailable" if value is None else "valid",
                    loinc=term.loinc,
                )
            )


class AnyNonin(Listening):
    """An oximeter of which only the maker is known: frames or text."""

    speed = Speed(9600)
    name = "Nonin"

    def __init__(self, device: str):
        super().__init__()
        self._frames, self._text = Nonin(device), NoninText(device)

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        for one in (self._frames, self._text):
            one.receive(data, now, now_utc)
        self.readable = self._frames.readable + self._text.readable
        # What the one cannot read is no damage while the other can.
        self.damaged = (self._text if self._text.readable else self._frames).damaged

    def observations(self) -> list[Observation]:
        """As `Line`."""
        return self._frames.observations() + self._text.observations()


def _number(text: bytes) -> float | None:
    return float(text) if text.isdigit() else None
