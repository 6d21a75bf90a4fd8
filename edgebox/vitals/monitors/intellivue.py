"""Philips IntelliVue: the conversation, and what it says (guide 4535 642 59271). No I/O.

Theory of operation. We ask for an association; the monitor accepts and reports that its MDS was
created, which we confirm. Then it is asked by extended polls to send values each second, waves
every 256 ms and its alarms, for POLL_LASTS_S at a time; renewed before that ends. A small single
poll every KEEP_ALIVE_S keeps the association, which the monitor ends after 10 s without a word.
What is not answered is asked again; when nothing comes for SILENT_S we associate anew. A monitor
that still holds an association of ours, from before a restart, aborts it and takes the next.

Values carry their own state bits; times are the monitor's own, as absolute time of each result.
Over UDP a message is a datagram, over a line a frame (intellivue_frame.py).
"""

import math
from dataclasses import dataclass, field
from datetime import tzinfo

from edgebox.errors import RemoteProtocolError
from edgebox.observation import (
    RATE_MAX_HZ,
    SAMPLES_MAX,
    Alarm,
    Incident,
    Numeric,
    Observation,
    Validity,
    Wave,
    clean,
    known_time,
    pack_samples,
    worst,
)
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors import intellivue_wire as wire
from edgebox.vitals.monitors.intellivue_wire import TICKS_PER_S, Cursor
from edgebox.vitals.monitors.standing_alarms import StandingAlarms

ASK_AGAIN_S = 3.0
KEEP_ALIVE_S = 4.0
POLL_LASTS_S = 60.0
POLL_AGAIN_S = 45.0
SILENT_S = 10.0
VENDOR_PARTITION = 0x0402
"""Physiological ids from F000 on are Philips' own."""
OBJECTS_MAX = 500

NUMERIC_VALUE, NUMERIC_COMPOUND = 0x0950, 0x094B
SAMPLES, SAMPLES_COMPOUND = 0x096E, 0x0967
SAMPLE_SPEC, SCALE_RANGE, SAMPLE_PERIOD, FIXED_VALUES = 0x096D, 0x096F, 0x098D, 0x0A16
UNIT, LABEL, LABEL_TEXT, METRIC_SPEC = 0x0996, 0x0924, 0x0927, 0x093F
TIME_ABSOLUTE, MODEL = 0x0990, 0x0928
ALARMS_TECHNICAL, ALARMS_PATIENT = 0x0904, 0x0902
NONCONTINUOUS = 0x1000
"""Of METRIC_SPEC's access: measured once in a while, such as a cuff pressure."""
INVALID_MASK = 1
"""Of FIXED_VALUES: samples with one of these bits are not valid."""

_STATES: tuple[tuple[int, Validity], ...] = (
    (0x8000, "invalid"),
    (0x4000, "questionable"),
    (0x2000, "unavailable"),
    (0x1000, "calibrating"),
    (0x0800, "test"),
    (0x0400, "demo"),
    (0x0040, "questionable"),
)
"""MeasurementState; 0040 is an early indication."""
WAVE_LABELS = (
    0x00020102,
    0x00020101,
    0x0002013D,
    0x0002013E,
    0x0002013F,
    0x00020140,
    *range(0x00020103, 0x00020109),
    0x00024BB4,
    0x00024A14,
    0x000250AC,
    0x00025000,
)
"""II, I, III, aVR, aVL, aVF, V1 to V6, pleth, arterial pressure, CO2, breathing."""


@dataclass
class _Object:
    """What is known of one measurement besides its values: it is not sent with each."""

    attributes: dict[int, bytes] = field(default_factory=dict)
    ticks: int | None = None
    """Of the last block of samples."""
    following: int = 0
    """Number of the next sample."""


class IntelliVue:
    """One monitor."""

    def __init__(self, device: str, zone: tzinfo, *, waves: bool, now: float):
        """`device`: the monitor's id here. `zone`: of its clock. `waves`: ask for them."""
        self._device = device
        self._zone = zone
        self._waves = waves
        self._out: list[bytes] = []
        self._found: list[Observation] = []
        self._objects: dict[tuple[int, int], _Object] = {}
        self._alarms = StandingAlarms()
        self._sequences: dict[int, tuple[int, int]] = {}
        self._associated = False
        self._invoke_id = 0
        self._ask_at = now
        self._alive_at = now
        self._poll_at = now
        self._heard_at = now
        self.name = ""
        """Maker and model."""

    # In

    def receive(self, message: bytes, now: float, now_utc: float) -> None:
        """One message. Raises RemoteProtocolError; nothing of a damaged one is reported."""
        decoded = wire.decode(message)
        self._heard_at = now
        match decoded:
            case wire.Association():
                self._handle_association(decoded, now, now_utc)
            case wire.Created():
                self._out.append(wire.confirm(decoded))
                self._name_it(decoded.attributes)
                self._start_polls(now)
            case wire.PollResult():
                self._handle_result(decoded, now, now_utc)

    def handle_timeout(self, now: float) -> None:
        """Call at `next_timeout`."""
        if not self._associated:
            if now >= self._ask_at:
                self._ask_at = now + ASK_AGAIN_S
                self._out.append(wire.associate())
            return
        if now >= self._heard_at + SILENT_S:
            self._lose(now)
            return
        if now >= self._poll_at:
            self._start_polls(now)
        elif now >= self._alive_at:
            self._alive_at = now + KEEP_ALIVE_S
            self._out.append(wire.poll(self._next_id(), 1, wire.MDS, wire.GROUP_IDENTITY))

    def next_timeout(self) -> float:
        """When something is due that no message brings about."""
        if not self._associated:
            return self._ask_at
        return min(self._poll_at, self._alive_at, self._heard_at + SILENT_S)

    def messages_to_send(self) -> list[bytes]:
        """Taken once."""
        out, self._out = self._out, []
        return out

    def observations(self) -> list[Observation]:
        """Taken once."""
        found, self._found = self._found, []
        return found

    def leave(self) -> bytes:
        """What to send before we go, so that the monitor takes the next association at once."""
        self._associated = False
        return wire.release()

    # Conversation

    def _handle_association(self, message: wire.Association, now: float, now_utc: float) -> None:
        match message.kind:
            case wire.ACCEPT:
                self._associated = True
                self._objects.clear()
                self._sequences.clear()
                self._poll_at = now + ASK_AGAIN_S  # if it should not say that it was created
                self._alive_at = now + KEEP_ALIVE_S
            case wire.RELEASE:
                self._out.append(wire.released())
                self._end(now, now_utc, "the monitor ended the association")
            case wire.ABORT:
                self._end(now, now_utc, "the monitor broke off the association")
            case wire.REFUSE:
                self._end(now, now_utc, "the monitor refused the association")
            case wire.RELEASED:
                self._associated = False

    def _end(self, now: float, now_utc: float, why: str) -> None:
        if self._associated:
            self._found.append(
                Incident(
                    device=self._device,
                    received_utc=now_utc,
                    source_utc=None,
                    what="restarted",
                    text=why,
                )
            )
        self._lose(now)

    def _lose(self, now: float) -> None:
        self._associated = False
        self._ask_at = now + ASK_AGAIN_S
        self._alarms.clear()

    def _start_polls(self, now: float) -> None:
        self._poll_at = now + POLL_AGAIN_S
        self._alive_at = now + KEEP_ALIVE_S
        ticks = int(POLL_LASTS_S * TICKS_PER_S)
        if self._waves:
            self._out.append(wire.choose_waves(self._next_id(), WAVE_LABELS))
            self._out.append(wire.poll_extended(self._next_id(), 3, wire.WAVE, ticks))
        self._out.append(wire.poll_extended(self._next_id(), 2, wire.NUMERIC, ticks))
        self._out.append(
            wire.poll_extended(self._next_id(), 4, wire.ALERT_MONITOR, ticks, wire.GROUP_ALARMS)
        )

    def _next_id(self) -> int:
        self._invoke_id = (self._invoke_id + 1) & 0xFFFF
        return self._invoke_id

    def _name_it(self, attributes: tuple[wire.Attribute, ...]) -> None:
        for attribute in attributes:
            if attribute.id == MODEL:
                cursor = Cursor(attribute.value)
                maker, model = cursor.block().rest(), cursor.block().rest()
                text = b" ".join((maker, model)).replace(b"\x00", b"").decode("ascii", "replace")
                self.name = " ".join(clean(text).split())

    # What it says

    def _handle_result(self, result: wire.PollResult, now: float, now_utc: float) -> None:
        if self._is_repeated(result):
            return
        found: list[Observation] = []
        at_utc = wire.to_utc(result.absolute, self._zone)
        for polled in result.objects:
            key = (polled.context, polled.handle)
            known = self._objects.get(key)
            if known is None:
                if len(self._objects) >= OBJECTS_MAX:
                    self._objects.clear()
                known = self._objects[key] = _Object()
            new = {attribute.id: attribute.value for attribute in polled.attributes}
            known.attributes |= {number: value for number, value in new.items() if number in _KEPT}
            found += self._numerics(new, known, at_utc, now_utc)
            found += self._samples(new, known, result.ticks, at_utc, now_utc)
            if result.object_class == wire.ALERT_MONITOR:
                found += self._alarm_list(new, at_utc, now, now_utc)
        self._found += found

    def _is_repeated(self, result: wire.PollResult) -> bool:
        """A datagram that came twice."""
        if result.sequence is None:
            return False
        key = (result.sequence, result.ticks)
        again = self._sequences.get(result.poll_number) == key
        self._sequences[result.poll_number] = key
        return again

    def _numerics(
        self, new: dict[int, bytes], known: _Object, at_utc: float | None, now_utc: float
    ) -> list[Observation]:
        found: list[Observation] = []
        if single := new.get(NUMERIC_VALUE):
            cursor = Cursor(single)
            found.append(self._numeric(cursor, known, new, at_utc, now_utc))
            cursor.end()
        if several := new.get(NUMERIC_COMPOUND):
            cursor = Cursor(several)
            count = cursor.u16()
            block = cursor.block()
            cursor.end()
            found += [self._numeric(block, known, new, at_utc, now_utc) for _ in range(count)]
            block.end()
        return found

    def _numeric(
        self,
        cursor: Cursor,
        known: _Object,
        new: dict[int, bytes],
        at_utc: float | None,
        now_utc: float,
    ) -> Numeric:
        """NuObsValue: physiological id, state, unit, FLOAT."""
        physio, state, unit = cursor.u16(), cursor.u16(), cursor.u16()
        value = wire.to_float(cursor.u32())
        validity = _validity(state)
        if value is None and validity not in {"invalid", "unavailable"}:
            validity = "unavailable"
        term = nomenclature.term(_code(physio), f"NOM_{physio:04X}")
        own = wire.to_utc(new[TIME_ABSOLUTE], self._zone) if TIME_ABSOLUTE in new else None
        spec = known.attributes.get(METRIC_SPEC, b"")
        access = int.from_bytes(spec[6:8], "big") if len(spec) >= 8 else 0
        return Numeric(
            device=self._device,
            received_utc=now_utc,
            source_utc=own if own is not None else at_utc,
            code=term.code,
            name=term.name,
            unit=nomenclature.ucum(0x40000 + unit),
            value=None if validity in {"invalid", "unavailable"} else value,
            validity=validity,
            loinc=term.loinc,
            label=self._label(known),
            episodic=term.episodic or bool(access & NONCONTINUOUS),
        )

    def _samples(
        self,
        new: dict[int, bytes],
        known: _Object,
        ticks: int,
        at_utc: float | None,
        now_utc: float,
    ) -> list[Observation]:
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
        known: _Object,
        ticks: int,
        at_utc: float | None,
        now_utc: float,
    ) -> list[Observation]:
        period = int.from_bytes(known.attributes.get(SAMPLE_PERIOD, b""), "big")
        spec = known.attributes.get(SAMPLE_SPEC, b"")
        if not period or len(spec) < 6:
            return []  # what it is made of has not been said yet; it comes with the next full poll
        if not 1 <= TICKS_PER_S / period <= RATE_MAX_HZ:
            raise RemoteProtocolError("a wave of a rate that cannot be")
        rate_hz = TICKS_PER_S / period
        waves: list[Observation] = []
        count = 0
        for physio, state, data in blocks:
            samples = _to_samples(data, spec, known.attributes.get(FIXED_VALUES, b""))
            if not 0 < len(samples) <= SAMPLES_MAX:
                raise RemoteProtocolError("a wave without samples, or with too many")
            count = count or self._note_gap(known, ticks, period, len(samples))
            term = nomenclature.term(_code(physio), f"NOM_{physio:04X}")
            scale, offset = _scale(known.attributes.get(SCALE_RANGE), physio)
            validity = _validity(state)
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
                    label=self._label(known),
                )
            )
        known.following += count
        return waves

    def _note_gap(self, known: _Object, ticks: int, period: int, count: int) -> int:
        """Datagrams are lost in silence, but the monitor's time goes on. Returns `count`."""
        if known.ticks is not None:
            passed = ((ticks - known.ticks) & 0xFFFFFFFF) // period
            missing = passed - count
            if count // 2 < missing < 2**31 // period:
                known.following += missing
        known.ticks = ticks
        return count

    def _alarm_list(
        self, new: dict[int, bytes], at_utc: float | None, now: float, now_utc: float
    ) -> list[Observation]:
        """The lists are of what is on now: what is not in them any more has ended."""
        if ALARMS_PATIENT not in new and ALARMS_TECHNICAL not in new:
            return []
        current = [
            alarm
            for number in (ALARMS_PATIENT, ALARMS_TECHNICAL)
            for alarm in self._alarm_entries(new.get(number, b""), at_utc, now_utc)
        ]
        return list(self._alarms.update(current, now, now_utc))

    def _alarm_entries(self, data: bytes, at_utc: float | None, now_utc: float) -> list[Alarm]:
        """DevAlarmList: source, code, type, state, object, kind of info, info with the text."""
        if not data:
            return []
        cursor = Cursor(data)
        count = cursor.u16()
        block = cursor.block()
        cursor.end()
        alarms: list[Alarm] = []
        for _ in range(count):
            source, code, kind, state = (block.u16() for _ in range(4))
            thing = block.take(6)
            block.u16()
            text = _alarm_text(block.block().rest())
            if not text or not kind:
                continue
            alarms.append(
                Alarm(
                    device=self._device,
                    received_utc=now_utc,
                    source_utc=at_utc,
                    text=clean(text, 500),
                    priority=_PRIORITIES.get(kind, f"{kind:04X}"),
                    state="demo" if state & 0x0100 else "active",
                    alarm=f"{source:04X}-{code:04X}-{thing.hex()}",
                )
            )
        block.end()
        return alarms

    def _label(self, known: _Object) -> str:
        text = known.attributes.get(LABEL_TEXT)
        return clean(wire.to_text(text)) if text else ""


_KEPT = frozenset(
    {SAMPLE_SPEC, SCALE_RANGE, SAMPLE_PERIOD, FIXED_VALUES, UNIT, LABEL, LABEL_TEXT, METRIC_SPEC}
)
_PRIORITIES = {
    1: "low technical",
    2: "medium technical",
    4: "high technical",
    256: "low patient",
    512: "medium patient",
    1024: "high patient",
}
"""AlertType, in the guide's words."""


def _code(physio: int) -> int:
    """ISO/IEEE 11073 code of a physiological id."""
    return (VENDOR_PARTITION << 16) + physio if physio >= 0xF000 else 0x20000 + physio


def _validity(state: int) -> Validity:
    return worst(validity for bit, validity in _STATES if state & bit)


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


def _alarm_text(info: bytes) -> str:
    """StrAlMonInfo: instance, text id, priority, flags, String. Without a String: none."""
    if len(info) < 12:
        return ""
    cursor = Cursor(info)
    cursor.take(10)
    return cursor.block().rest().decode("utf-16-be", "replace").rstrip("\x00")
