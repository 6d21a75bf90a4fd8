"""Waves of an IntelliVue: sample arrays with what the monitor said of them before. No I/O."""

import math

from edgebox.errors import RemoteProtocolError
from edgebox.observation import RATE_MAX_HZ, SAMPLES_MAX, Wave, known_time, pack_samples
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors import intellivue_wire as wire
from edgebox.vitals.monitors.intellivue_measurement import (
    FIXED_VALUES,
    SAMPLE_PERIOD,
    SAMPLE_SPEC,
    SCALE_RANGE,
    UNIT,
    Measurement,
    code_of,
    validity_of,
)
from edgebox.vitals.monitors.intellivue_wire import TICKS_PER_S, Cursor

SAMPLES, SAMPLES_COMPOUND = 0x096E, 0x0967
INVALID_MASK = 1
"""Of FIXED_VALUES: samples with one of these bits are not valid."""


class Waves:
    """The waves of one monitor."""

    def __init__(self, device: str):
        self._device = device

    def read(
        self,
        new: dict[int, bytes],
        known: Measurement,
        ticks: int,
        at_utc: float | None,
        now_utc: float,
    ) -> list[Wave]:
        """The blocks of samples among an object's new attributes. Raises RemoteProtocolError."""
        blocks: list[tuple[int, int, bytes]] = []
        if single := new.get(SAMPLES):
            cursor = Cursor(single)
            blocks.append((cursor.u16(), cursor.u16(), cursor.block().rest()))
            cursor.end()
        if several := new.get(SAMPLES_COMPOUND):
            cursor = Cursor(several)
            count = cursor.u16()
            block = cursor.block()
            cursor.end()
            blocks += [(block.u16(), block.u16(), block.block().rest()) for _ in range(count)]
            block.end()
        if not blocks:
            return []
        return self._waves_of(blocks, known, ticks, at_utc, now_utc)

    def _waves_of(
        self,
        blocks: list[tuple[int, int, bytes]],
        known: Measurement,
        ticks: int,
        at_utc: float | None,
        now_utc: float,
    ) -> list[Wave]:
        period = int.from_bytes(known.attributes.get(SAMPLE_PERIOD, b""), "big")
        spec = known.attributes.get(SAMPLE_SPEC, b"")
        if not period or len(spec) < 6:
            return []  # what it is made of has not been said yet; it comes with the next full poll
        if not 1 <= TICKS_PER_S / period <= RATE_MAX_HZ:
            raise RemoteProtocolError("a wave of a rate that cannot be")
        rate_hz = TICKS_PER_S / period
        waves: list[Wave] = []
        count = 0
        for physio, state, data in blocks:
            samples = _to_samples(data, spec, known.attributes.get(FIXED_VALUES, b""))
            if not 0 < len(samples) <= SAMPLES_MAX:
                raise RemoteProtocolError("a wave without samples, or with too many")
            count = count or self._note_gap(known, ticks, period, len(samples))
            term = nomenclature.term(code_of(physio), f"NOM_{physio:04X}")
            scale, offset = _scale(known.attributes.get(SCALE_RANGE), physio)
            validity = validity_of(state)
            unit = int.from_bytes(known.attributes.get(UNIT, b""), "big")
            waves.append(
                Wave(
                    device=self._device,
                    received_utc=now_utc,
                    source_utc=known_time(
                        math.nan if at_utc is None else at_utc - len(samples) / rate_hz
                    ),
                    code=term.code,
                    name=term.name,
                    unit=nomenclature.ucum(0x40000 + unit) if unit else term.unit,
                    rate_hz=rate_hz,
                    scale=scale,
                    offset=offset,
                    first=known.following,
                    samples=pack_samples(
                        [None] * len(samples) if validity in {"invalid", "unavailable"} else samples
                    ),
                    validity=validity,
                    label=known.label,
                )
            )
        known.following += count
        return waves

    def _note_gap(self, known: Measurement, ticks: int, period: int, count: int) -> int:
        """Datagrams are lost in silence, but the monitor's time goes on. Returns `count`."""
        if known.ticks is not None:
            passed = ((ticks - known.ticks) & 0xFFFFFFFF) // period
            missing = passed - count
            if count // 2 < missing < 2**31 // period:
                known.following += missing
        known.ticks = ticks
        return count


def _scale(data: bytes | None, physio: int) -> tuple[float, float]:
    """Scale and offset of raw samples, by ScaleRangeSpec16: two FLOATs, two raw numbers."""
    if data is not None and len(data) == 12:
        cursor = Cursor(data)
        low, high = wire.to_float(cursor.u32()), wire.to_float(cursor.u32())
        raw_low, raw_high = cursor.u16(), cursor.u16()
        if low is not None and high is not None and raw_low != raw_high and low != high:
            scale = (high - low) / (raw_high - raw_low)
            if 1e-12 < abs(scale) < 1e11 and abs(low) < 1e11:
                return scale, low - raw_low * scale
    if 0x0100 <= physio <= 0x014F:  # ECG, whose range the guide states once for all
        return 0.005, -40.96
    return 1.0, 0.0


def _to_samples(data: bytes, spec: bytes, fixed: bytes) -> list[int | None]:
    """SaSpec: array size, bits of a sample, significant bits, flags. Other bits are marks."""
    width, significant = spec[2] // 8, spec[3]
    if width not in {1, 2} or not 0 < significant <= 16 or len(data) % width:
        raise RemoteProtocolError("samples of a size that is not known")
    mask = (1 << significant) - 1
    bad = _invalid_mask(fixed)
    raw = (
        list(data)
        if width == 1
        else [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2)]
    )
    return [None if one & bad else one & mask for one in raw]


def _invalid_mask(fixed: bytes) -> int:
    """SaFixedValSpec16: count, length, then id and value of each."""
    if len(fixed) < 4:
        return 0
    pairs = fixed[4:]
    for at in range(0, len(pairs) - 3, 4):
        if int.from_bytes(pairs[at : at + 2], "big") == INVALID_MASK:
            return int.from_bytes(pairs[at + 2 : at + 4], "big")
    return 0
