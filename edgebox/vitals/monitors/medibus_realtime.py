"""MEDIBUS realtime data: bytes with bit 7 set, between the slow ones. No I/O.

    1101 ssss             sync: a cycle begins, with a sample of each stream whose bit is set
    1100 cccc 11aa aaaa   sync command and argument; CF: the data are corrupt
    10ll llll 10hh hhhh   one sample, low six bits first

Streams have the order in which they were asked for. What a stream is (slow command 53): code, 2
hexadecimal letters; sampling interval in microseconds, 8; least and greatest value, 5 each; the
binary value of the greatest, 3 hexadecimal letters. A cycle counts only if it has exactly its
samples; else each stream gets a gap.
"""

import re
from dataclasses import dataclass, field

from edgebox.observation import Observation, Wave, pack_samples
from edgebox.vitals import nomenclature

RECORD = re.compile(
    rb"([0-9A-F]{2})( *\d+ *)( *-?\d+\.?\d* *)( *-?\d+\.?\d* *)([0-9A-F ]{2}[0-9A-F])"
)
RECORD_BYTES = 23
SYNC, COMMAND, CORRUPT = 0xD0, 0xC0, 0xCF
ENABLE = 0xC1
"""Sync command: streams 1 to 4 by the bits of its argument."""
STREAMS_MAX = 4
WANTED = (0x00, 0x01, 0x06, 0x07, 0x08, 0x02, 0x03)
"""Airway pressure, flow, CO2 (mmHg, kPa, %), pleth, volume."""
BLOCK_S = 0.25
_KINDS: dict[int, tuple[str, int, str]] = {
    0x00: ("MDC_PRESS_AWAY", 151792, "mbar"),
    0x01: ("MDC_FLOW_AWAY", 151764, "L/min"),
    0x02: ("MDC_PULS_OXIM_PLETH", 150452, "1"),
    0x03: ("Volume", 0, "mL"),
    0x06: ("MDC_AWAY_CO2", 151724, "mm[Hg]"),
    0x07: ("MDC_AWAY_CO2", 151724, "kPa"),
    0x08: ("MDC_AWAY_CO2", 151724, "%"),
}


@dataclass
class Stream:
    """One wave of the device."""

    code: int
    interval_us: int
    low: float
    high: float
    top: int
    """Binary value of `high`; that of `low` is 0."""
    samples: list[int | None] = field(default_factory=list)
    first: int = 0

    @classmethod
    def read_all(cls, data: bytes) -> "list[Stream] | None":
        """From an answer to 53; None if it is not as it must be."""
        if len(data) % RECORD_BYTES:
            return None
        found = []
        for at in range(0, len(data), RECORD_BYTES):
            part = data[at : at + RECORD_BYTES]
            fields = (part[:2], part[2:10], part[10:15], part[15:20], part[20:23])
            if RECORD.fullmatch(b"".join(fields)) is None:
                return None
            try:
                code, interval = int(fields[0], 16), int(fields[1])
                found.append(
                    cls(code, interval, float(fields[2]), float(fields[3]), int(fields[4], 16))
                )
            except ValueError:
                return None
        return found

    @property
    def is_usable(self) -> bool:
        """False for one that cannot be drawn."""
        return 100 <= self.interval_us <= 10**8 and 0 < self.top < 4096 and self.high > self.low


class Realtime:
    """The waves of one device."""

    def __init__(self, device: str):
        self._device = device
        self._chosen: list[Stream] = []
        self._is_on = False
        self._cycle: list[int] | None = None
        """Bytes since the sync; None: no sync yet."""
        self.damaged = 0

    def choose(self, streams: list[Stream]) -> list[Stream]:
        """Those we want, in the order in which they will come."""
        by_code = {one.code: one for one in streams if one.is_usable}
        self._chosen = [by_code[code] for code in WANTED if code in by_code][:STREAMS_MAX]
        return self._chosen

    def start(self) -> bytes:
        """The device has taken our choice: what switches the streams on."""
        self._is_on = bool(self._chosen)
        self._cycle = None
        if not self._is_on:
            return b""
        mask = (1 << len(self._chosen)) - 1
        return bytes([SYNC, ENABLE, 0xC0 | mask, 0xC0, 0xC0])

    def stop(self) -> None:
        """Nothing of what comes from now on is known."""
        self._is_on = False
        self._chosen = []

    def receive(self, data: bytes, now_utc: float) -> list[Observation]:
        """Bytes with bit 7 set; waves that are complete by now."""
        if not self._is_on:
            return []
        for byte in data:
            if byte & 0xF0 == SYNC:
                self._finish()
                self._cycle = [byte]
            elif self._cycle is not None:
                self._cycle.append(byte)
                if len(self._cycle) > 64:
                    self._cycle = None
                    self._gap()
        return [self._wave(one, now_utc) for one in self._chosen if _is_full(one)]

    def _finish(self) -> None:
        """A cycle is over when the next begins."""
        cycle = self._cycle
        if cycle is None:
            return
        samples = _samples_of(cycle[1:])
        bits = cycle[0] & 0x0F
        streams = [one for n, one in enumerate(self._chosen) if bits >> n & 1]
        if samples is None or len(samples) != len(streams) or bits >> len(self._chosen):
            self._gap()
            return
        for stream, sample in zip(streams, samples, strict=True):
            stream.samples.append(sample if sample <= stream.top else None)

    def _gap(self) -> None:
        self.damaged += 1
        for stream in self._chosen:
            stream.samples.append(None)

    def _wave(self, stream: Stream, now_utc: float) -> Wave:
        name, code, unit = _KINDS[stream.code]
        samples, stream.samples = stream.samples, []
        first, stream.first = stream.first, stream.first + len(samples)
        known = nomenclature.TERMS.get(code)
        return Wave(
            device=self._device,
            received_utc=now_utc,
            source_utc=None,
            code=code,
            name=known.name if known is not None else name,
            unit=unit,
            rate_hz=1e6 / stream.interval_us,
            scale=(stream.high - stream.low) / stream.top,
            offset=stream.low,
            first=first,
            samples=pack_samples(samples),
            validity="valid",
        )


def _samples_of(data: list[int]) -> list[int] | None:
    """Of a cycle without its sync; None if it is not whole or says that it is corrupt."""
    samples = []
    pairs = iter(data)
    for first in pairs:
        second = next(pairs, None)
        if second is None or first == CORRUPT:
            return None
        if first & 0xF0 == COMMAND:
            if second & 0xC0 != 0xC0:
                return None
        elif first & 0xC0 == 0x80 and second & 0xC0 == 0x80:
            samples.append(first & 0x3F | (second & 0x3F) << 6)
        else:
            return None
    return samples


def _is_full(stream: Stream) -> bool:
    return len(stream.samples) * stream.interval_us >= BLOCK_S * 1e6
