"""GE/Datex-Ohmeda S/5 Computer Interface (DRI, 8005313): values and waves. No I/O.

19200 baud 8E1 with RTS/CTS (115200 on newer monitors). A record goes between two 7E; within it 7E
is sent as 7D 5E and 7D as 7D 5D; its last byte is the sum of those before, unescaped. All numbers
are little-endian:

    40 bytes   length i16, number u8, level u8, plug id u16, time u32, 4 reserved, main type i16,
               eight subrecords of offset i16 and type u8; type FF ends them
    main type  0 physiological, 1 waves, 4 alarms (not asked for here)

Theory of operation. Displayed values are asked for each VALUES_EVERY_S, the least the monitor
takes, and waves as many as 600 samples a second allow; it sends until it is told to stop or is
restarted, so both are asked again when nothing has come for SILENT_S. A value of -32001 or less
is none.

A sum of eight bits lets one damaged record in 256 through: so length, offsets, types and classes
must fit as well.
"""

import itertools
import struct
from dataclasses import dataclass

from edgebox.errors import RemoteProtocolError
from edgebox.observation import (
    SAMPLES_MAX,
    Numeric,
    Observation,
    Validity,
    Wave,
    known_time,
    pack_samples,
)
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors.line import Speed
from edgebox.vitals.monitors.listening import Listening

MARK, ESCAPE = 0x7E, 0x7D
RECORD_MAX_BYTES = 1490
HEADER_BYTES = 40
PHYSIOLOGICAL, WAVES = 0, 1
DISPLAYED = 1
END_OF_LIST = 0xFF
NO_VALUE = -32001
INVALID = -32767
VALUES_EVERY_S = 5
SILENT_S = 12.0
PHDB_BYTES = 278
CLASS_BYTES = 270
EXISTS = 1
"""Of a group's status: its module is there."""


@dataclass(frozen=True)
class _Field:
    """One number of the basic class: where, and what it is."""

    at: int
    group: int
    """Where its group's header is: status u32, label u16."""
    label: str
    unit: str
    scale: float
    code: int = 0


def _pressure(number: int, at: int) -> tuple[_Field, ...]:
    names = (("systolic", "mm[Hg]", 0.01), ("diastolic", "mm[Hg]", 0.01), ("mean", "mm[Hg]", 0.01))
    return tuple(
        _Field(at + 6 + 2 * n, at, f"P{number} {name}", unit, scale)
        for n, (name, unit, scale) in enumerate(names)
    )


_FIELDS: tuple[_Field, ...] = (
    _Field(6, 0, "HR", "/min", 1, 147842),
    _Field(14, 0, "RR (impedance)", "/min", 1, 151578),
    *(field for n in range(4) for field in _pressure(n + 1, 16 + 14 * n)),
    _Field(78, 72, "NIBP systolic", "mm[Hg]", 0.01, 150021),
    _Field(80, 72, "NIBP diastolic", "mm[Hg]", 0.01, 150022),
    _Field(82, 72, "NIBP mean", "mm[Hg]", 0.01, 150023),
    *(_Field(92 + 8 * n, 86 + 8 * n, f"T{n + 1}", "Cel", 0.01, 150344) for n in range(4)),
    _Field(124, 118, "SpO2", "%", 0.01, 150456),
    _Field(126, 118, "Pulse rate", "/min", 1, 149530),
    _Field(138, 132, "CO2 end-tidal", "%", 0.01, 151728),
    _Field(140, 132, "CO2 inspired", "%", 0.01),
    _Field(142, 132, "RR (CO2)", "/min", 1, 151594),
    _Field(152, 146, "O2 end-tidal", "%", 0.01),
    _Field(154, 146, "O2 inspired", "%", 0.01),
    _Field(184, 178, "RR (flow)", "/min", 1, 151562),
    _Field(186, 178, "Peak pressure", "cm[H2O]", 0.01),
    _Field(188, 178, "PEEP", "cm[H2O]", 0.01),
    _Field(190, 178, "Plateau pressure", "cm[H2O]", 0.01),
    _Field(192, 178, "Tidal volume inspired", "mL", 0.1),
    _Field(194, 178, "Tidal volume expired", "mL", 0.1),
    _Field(198, 178, "Minute volume expired", "L/min", 0.01),
)
_PRESSURES = {1: 150032, 2: 150084, 8: 150036}
"""By the label of a pressure group: arterial, central venous, ABP; others keep their number."""


@dataclass(frozen=True)
class _Kind:
    """One kind of wave."""

    label: str
    code: int
    unit: str
    rate_hz: float
    scale: float


_WAVES = {
    1: _Kind("ECG1", 131328, "mV", 300, 0.001),
    2: _Kind("ECG2", 131328, "mV", 300, 0.001),
    3: _Kind("ECG3", 131328, "mV", 300, 0.001),
    4: _Kind("INVP1", 0, "mm[Hg]", 100, 0.01),
    5: _Kind("INVP2", 0, "mm[Hg]", 100, 0.01),
    8: _Kind("PLETH", 150452, "%", 100, 0.01),
    9: _Kind("CO2", 151724, "%", 25, 0.01),
}
ASKED = (1, 4, 8, 9)
"""525 samples a second; the line takes 600."""


class Dri(Listening):
    """One monitor."""

    speed = Speed(19_200, "even", rtscts=True)

    def __init__(self, device: str, *, waves: bool, now: float):
        super().__init__()
        self._device = device
        self._waves = waves
        self._record: bytearray | None = None
        self._out = b""
        self._ask_at = now
        self._firsts: dict[int, int] = {}
        self.name = ""

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        for byte in data:
            if byte == MARK:
                record, self._record = self._record, bytearray()
                if record:
                    self._take(bytes(record), now, now_utc)
            elif self._record is not None:
                self._record.append(byte)
                if len(self._record) > 2 * RECORD_MAX_BYTES:
                    self._record = None
                    self.damaged += 1

    def data_to_send(self) -> bytes:
        """As `Line`."""
        out, self._out = self._out, b""
        return out

    def next_timeout(self) -> float | None:
        """As `Line`."""
        return self._ask_at

    def handle_timeout(self, now: float) -> None:
        """As `Line`."""
        if now >= self._ask_at:
            self._ask_at = now + SILENT_S
            self._out += ask_values(VALUES_EVERY_S)
            if self._waves:
                self._out += ask_waves(ASKED)

    def leave(self) -> bytes:
        """As `Line`."""
        return ask_values(0) + (ask_waves(()) if self._waves else b"")

    def _take(self, raw: bytes, now: float, now_utc: float) -> None:
        try:
            record = _open(raw)
            found = self._read(record, now_utc)
        except RemoteProtocolError:
            self.damaged += 1
            return
        self.readable += 1
        self.name = "Datex-Ohmeda"
        self._ask_at = now + SILENT_S
        self._found += found

    def _read(self, record: bytes, now_utc: float) -> list[Observation]:
        """Raises RemoteProtocolError; nothing of such a record is reported."""
        main_type, subrecords = _subrecords(record)
        found: list[Observation] = []
        if main_type == PHYSIOLOGICAL:
            for kind, data in subrecords:
                if kind == DISPLAYED:
                    found += self._values(data, now_utc)
        elif main_type == WAVES:
            blocks = [(kind, _samples(data)) for kind, data in subrecords if kind in _WAVES]
            found += [self._wave(kind, samples, now_utc) for kind, samples in blocks if samples]
        return found

    def _values(self, data: bytes, now_utc: float) -> list[Observation]:
        if len(data) < PHDB_BYTES:
            raise RemoteProtocolError("values that are cut off")
        (time_s,) = struct.unpack_from("<I", data)
        (mark,) = struct.unpack_from("<H", data, PHDB_BYTES - 2)
        if (mark >> 8) & 0x0F:
            return []  # another class than the basic one
        basic = data[4 : 4 + CLASS_BYTES]
        return [
            self._numeric(basic, field, known_time(float(time_s)), now_utc)
            for field in _FIELDS
            if struct.unpack_from("<I", basic, field.group)[0] & EXISTS
        ]

    def _numeric(
        self, basic: bytes, field: _Field, source_utc: float | None, now_utc: float
    ) -> Numeric:
        (raw,) = struct.unpack_from("<h", basic, field.at)
        (group_label,) = struct.unpack_from("<H", basic, field.group + 4)
        code = field.code
        if field.label.startswith("P") and field.label[1].isdigit():
            base = _PRESSURES.get(group_label, 0)
            code = base + 1 + (field.at - field.group - 6) // 2 if base else 0
        term = nomenclature.term(code, field.label)
        validity: Validity = "valid"
        if raw <= NO_VALUE:
            validity = "invalid" if raw == INVALID else "unavailable"
        return Numeric(
            device=self._device,
            received_utc=now_utc,
            source_utc=source_utc,
            code=term.code,
            name=term.name,
            unit=field.unit,
            value=None if raw <= NO_VALUE else round(raw * field.scale, 3),
            validity=validity,
            loinc=term.loinc,
            label=field.label,
            channel=field.label if field.label[0] in "PT" and field.label[1].isdigit() else "",
            episodic=term.episodic,
        )

    def _wave(self, number: int, samples: list[int | None], now_utc: float) -> Wave:
        kind = _WAVES[number]
        first = self._firsts.get(number, 0)
        self._firsts[number] = first + len(samples)
        return Wave(
            device=self._device,
            received_utc=now_utc,
            source_utc=None,
            code=kind.code,
            name=nomenclature.term(kind.code, kind.label).name,
            unit=kind.unit,
            rate_hz=kind.rate_hz,
            scale=kind.scale,
            offset=0.0,
            first=first,
            samples=pack_samples(samples),
            validity="valid",
            label=kind.label,
            channel=kind.label,
        )


def write_record(body: bytes) -> bytes:
    """A record as it goes over the line."""
    summed = body + bytes([sum(body) & 0xFF])
    escaped = summed.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return bytes([MARK]) + escaped + bytes([MARK])


def ask_values(interval_s: int) -> bytes:
    """Displayed values of the basic class, each so many seconds; 0: no more."""
    request = struct.pack("<BhIh", DISPLAYED, interval_s, 0, 0)
    return write_record(_header(PHYSIOLOGICAL, len(request)) + request)


def ask_waves(kinds: tuple[int, ...]) -> bytes:
    """These waves from now on; none: no more."""
    listed = bytes(kinds) + bytes([END_OF_LIST] * (8 - len(kinds)))
    request = struct.pack("<hh8s10h", 0 if kinds else 1, 0, listed, *[0] * 10)
    return write_record(_header(WAVES, len(request)) + request)


def _header(main_type: int, size: int) -> bytes:
    first = struct.pack("<hBBHIBBHh", HEADER_BYTES + size, 0, 0, 0, 0, 0, 0, 0, main_type)
    return first + struct.pack("<hBhB", 0, 0, 0, END_OF_LIST) + bytes(18)


def _open(raw: bytes) -> bytes:
    """Unescape and check the sum."""
    first, *others = raw.split(bytes([ESCAPE]))
    body = bytearray(first)
    for other in others:
        if other[:1] not in {b"\x5e", b"\x5d"}:
            raise RemoteProtocolError("an escape that is none")
        body += bytes([other[0] | 0x20]) + other[1:]
    if len(body) <= HEADER_BYTES or sum(body[:-1]) & 0xFF != body[-1]:
        raise RemoteProtocolError("a record with a wrong sum")
    return bytes(body[:-1])


def _subrecords(record: bytes) -> tuple[int, list[tuple[int, bytes]]]:
    """Main type, and type and bytes of each subrecord: up to the next one's offset."""
    (length,) = struct.unpack_from("<h", record)
    (main_type,) = struct.unpack_from("<h", record, 14)
    if length != len(record) or main_type not in {PHYSIOLOGICAL, WAVES, 4, 5}:
        raise RemoteProtocolError("a record whose length does not fit")
    starts: list[tuple[int, int]] = []
    for n in range(8):
        offset, kind = struct.unpack_from("<hB", record, 16 + 3 * n)
        if kind == END_OF_LIST:
            break
        at_least = starts[-1][0] + 1 if starts else 0
        if not at_least <= offset < len(record) - HEADER_BYTES:
            raise RemoteProtocolError("a subrecord out of place")
        starts.append((offset, kind))
    bounds = [HEADER_BYTES + offset for offset, _ in starts] + [len(record)]
    return main_type, [
        (kind, record[start:end])
        for (_, kind), (start, end) in zip(starts, itertools.pairwise(bounds), strict=True)
    ]


def _samples(data: bytes) -> list[int | None]:
    """Header: number of samples i16, status u16, reserved; then the samples."""
    if len(data) < 6:
        raise RemoteProtocolError("a wave without a header")
    (count,) = struct.unpack_from("<h", data)
    if not 0 <= count <= SAMPLES_MAX or len(data) < 6 + 2 * count:
        raise RemoteProtocolError("a wave that is cut off")
    raw = struct.unpack_from(f"<{count}h", data, 6)
    return [None if one <= NO_VALUE else one for one in raw]
