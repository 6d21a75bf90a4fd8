"""What the poll results of an IntelliVue say: values, waves and alarms. No I/O."""

from datetime import tzinfo

from edgebox.observation import Numeric, Observation
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors import intellivue_wire as wire
from edgebox.vitals.monitors.intellivue_alarms import Alarms
from edgebox.vitals.monitors.intellivue_measurement import (
    KEPT,
    METRIC_SPEC,
    Measurement,
    code_of,
    validity_of,
)
from edgebox.vitals.monitors.intellivue_waves import Waves
from edgebox.vitals.monitors.intellivue_wire import Cursor

OBJECTS_MAX = 500
NUMERIC_VALUE, NUMERIC_COMPOUND = 0x0950, 0x094B
TIME_ABSOLUTE = 0x0990
NONCONTINUOUS = 0x1000
"""Of METRIC_SPEC's access: measured once in a while, such as a cuff pressure."""


class Results:
    """The measurements of one association."""

    def __init__(self, device: str, zone: tzinfo):
        self._device = device
        self._zone = zone
        self._objects: dict[tuple[int, int], Measurement] = {}
        self._sequences: dict[int, tuple[int, int]] = {}
        self._waves = Waves(device)
        self._alarms = Alarms(device)

    def clear(self) -> None:
        """A new association: what was said before does not hold."""
        self._objects.clear()
        self._sequences.clear()

    def forget_alarms(self) -> None:
        """The association is lost: what is on now is not known."""
        self._alarms.clear()

    def read(self, result: wire.PollResult, now: float, now_utc: float) -> list[Observation]:
        """What a poll result says. Raises RemoteProtocolError; then nothing of it is reported."""
        if self._is_repeated(result):
            return []
        found: list[Observation] = []
        at_utc = wire.to_utc(result.absolute, self._zone)
        for polled in result.objects:
            key = (polled.context, polled.handle)
            known = self._objects.get(key)
            if known is None:
                if len(self._objects) >= OBJECTS_MAX:
                    self._objects.clear()
                known = self._objects[key] = Measurement()
            new = {attribute.id: attribute.value for attribute in polled.attributes}
            known.attributes |= {number: value for number, value in new.items() if number in KEPT}
            found += self._numerics(new, known, at_utc, now_utc)
            found += self._waves.read(new, known, result.ticks, at_utc, now_utc)
            if result.object_class == wire.ALERT_MONITOR:
                found += self._alarms.read(new, at_utc, now, now_utc)
        return found

    def _is_repeated(self, result: wire.PollResult) -> bool:
        """A datagram that came twice."""
        if result.sequence is None:
            return False
        key = (result.sequence, result.ticks)
        again = self._sequences.get(result.poll_number) == key
        self._sequences[result.poll_number] = key
        return again

    def _numerics(
        self, new: dict[int, bytes], known: Measurement, at_utc: float | None, now_utc: float
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
        known: Measurement,
        new: dict[int, bytes],
        at_utc: float | None,
        now_utc: float,
    ) -> Numeric:
        """NuObsValue: physiological id, state, unit, FLOAT."""
        physio, state, unit = cursor.u16(), cursor.u16(), cursor.u16()
        value = wire.to_float(cursor.u32())
        validity = validity_of(state)
        if value is None and validity not in {"invalid", "unavailable"}:
            validity = "unavailable"
        term = nomenclature.term(code_of(physio), f"NOM_{physio:04X}")
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
            label=known.label,
            episodic=term.episodic or bool(access & NONCONTINUOUS),
        )
