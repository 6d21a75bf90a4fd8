"""ISO/IEEE 11073 SDC: what the states of a device's MDIB say (11073-10207, BICEPS). No I/O.

sdc_process.py takes part in the protocol (sdc11073 does the SOAP, the subscriptions and the schema
check) and hands over what it read as the plain structs here: no type of that library comes further.

A metric's state is reported when it is determined anew. What is read again later with the same
time of determination (`DeterminationTime`) is the same measurement: it is not repeated, so that its
age stays true. Times are the device's own; that of samples is of the first (10207, SampleArray).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from edgebox.errors import RemoteProtocolError
from edgebox.observation import (
    RATE_MAX_HZ,
    SAMPLES_MAX,
    WITHOUT_VALUE,
    Alarm,
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
from edgebox.vitals.monitors.samples import Numbering, to_whole
from edgebox.vitals.monitors.standing_alarms import StandingAlarms

METRICS_MAX = 1000
CONDITIONS_MAX = 200
NOMENCLATURE = ("", "urn:oid:1.2.840.10004.1.1.1.0.0.1")
"""Codes of ISO/IEEE 11073-10101: the coding system that holds where none is named."""
_VALIDITIES: dict[str, Validity] = {
    "Vld": "valid",
    "Vldated": "valid",
    "Qst": "questionable",
    "Calib": "calibrating",
    "Inv": "invalid",
    "Oflw": "invalid",
    "Uflw": "invalid",
    "NA": "unavailable",
    "Ong": "unavailable",
}
"""MeasurementValidity. Beyond what the device can measure (Oflw, Uflw) there is no number to show;
while it still measures (Ong) there is none yet."""
_MODES: dict[str, Validity] = {"Real": "valid", "Test": "test", "Demo": "demo"}


class Code(Struct, frozen=True):
    """A CodedValue."""

    code: str = ""
    system: str = ""
    text: str = ""
    """Its ConceptDescription, in the device's own language."""


class Metric(Struct, frozen=True):
    """A metric's descriptor."""

    handle: str
    type: Code
    unit: Code
    intermittent: bool = False
    """MetricAvailability Intr: measured once in a while."""
    period_s: float = 0.0
    """SamplePeriod, of a real-time sample array."""


class Quality(Struct, frozen=True):
    """How far a metric's value can be used."""

    validity: str
    """MeasurementValidity."""
    mode: str = "Real"
    """GenerationMode."""
    active: bool = True
    """ActivationState On."""
    determined_utc: float | None = None


class Condition(Struct, frozen=True):
    """An alert condition that is present."""

    handle: str
    type: Code
    priority: str = ""
    since_utc: float | None = None
    source: str = ""
    """Handle of the metric it is about."""


class Sdc:
    """One device."""

    def __init__(self, device: str):
        """`device`: the monitor's id here."""
        self._device = device
        self._metrics: dict[str, Metric] = {}
        self._repeated: Counter[str] = Counter()
        self._determined: dict[str, float] = {}
        self._numbering = Numbering()
        self._alarms = StandingAlarms()
        self._found: list[Observation] = []
        self.readable = 0
        self.damaged = 0

    def describe(self, metrics: Iterable[Metric]) -> None:
        """All metrics the device has, anew. Raises RemoteProtocolError for too many."""
        self._metrics = {one.handle: one for one in metrics}
        if len(self._metrics) > METRICS_MAX:
            self._metrics.clear()
            raise RemoteProtocolError("more metrics than a device can have")
        self._repeated = Counter(one.type.code for one in self._metrics.values())
        self._determined.clear()

    def take_value(
        self, handle: str, value: float | None, quality: Quality, now_utc: float
    ) -> None:
        """A numeric metric's state; one that has been taken before is left out."""
        metric = self._metrics.get(handle)
        if metric is None or self._is_known(handle, quality):
            return
        validity = _validity(quality)
        if value is None or not math.isfinite(value):
            validity = worst([validity, "unavailable" if value is None else "invalid"])
        code, name = _term_of(metric.type)
        term = nomenclature.term(code, name)
        self.readable += 1
        self._found.append(
            Numeric(
                device=self._device,
                received_utc=now_utc,
                source_utc=_time(quality.determined_utc),
                code=term.code,
                name=clean(term.name),
                unit=_unit(metric.unit) or term.unit,
                value=None if validity in WITHOUT_VALUE else value,
                validity=validity,
                loinc=term.loinc,
                label=clean(metric.type.text),
                channel=self._channel(metric),
                episodic=term.episodic or metric.intermittent,
            )
        )

    def take_samples(
        self, handle: str, samples: Sequence[float], quality: Quality, now_utc: float
    ) -> None:
        """A real-time sample array's state. What cannot be a wave is counted as damaged."""
        metric = self._metrics.get(handle)
        if metric is None or self._is_known(handle, quality):
            return
        try:
            self._found.append(self._wave(metric, samples, quality, now_utc))
            self.readable += 1
        except RemoteProtocolError:
            self.damaged += 1

    def take_conditions(self, present: Iterable[Condition], now: float, now_utc: float) -> None:
        """All alert conditions that are present now, in the device's own words."""
        current = [
            Alarm(
                device=self._device,
                received_utc=now_utc,
                source_utc=_time(one.since_utc),
                text=clean(one.type.text, 500),
                priority=clean(one.priority),
                state="active",
                alarm=clean(one.handle),
                origin=clean(self._name_of(one.source)),
            )
            for one in present
            if one.type.text.strip()
        ]
        self._found += self._alarms.update(current[:CONDITIONS_MAX], now, now_utc)

    def observations(self) -> list[Observation]:
        """Taken once."""
        found, self._found = self._found, []
        return found

    def _wave(
        self, metric: Metric, samples: Sequence[float], quality: Quality, now_utc: float
    ) -> Wave:
        if not 0 < len(samples) <= SAMPLES_MAX:
            raise RemoteProtocolError("a wave without samples, or with too many")
        if not 1.0 / RATE_MAX_HZ <= metric.period_s <= 60.0:
            raise RemoteProtocolError("a wave of a rate that cannot be")
        rate_hz = round(1.0 / metric.period_s, 6)
        raw, scale = to_whole([one if math.isfinite(one) else None for one in samples])
        validity = _validity(quality)
        start_utc = _time(quality.determined_utc)
        code, name = _term_of(metric.type)
        term = nomenclature.term(code, name)
        return Wave(
            device=self._device,
            received_utc=now_utc,
            source_utc=start_utc,
            code=term.code,
            name=clean(term.name),
            unit=_unit(metric.unit) or term.unit,
            rate_hz=rate_hz,
            scale=scale,
            offset=0.0,
            first=self._numbering.first(metric.handle, start_utc, rate_hz, len(raw)),
            samples=pack_samples([None] * len(raw) if validity in WITHOUT_VALUE else raw),
            validity=validity,
            label=clean(metric.type.text),
            channel=self._channel(metric),
        )

    def _is_known(self, handle: str, quality: Quality) -> bool:
        """Of the same determination as the last one; never so without a time of it."""
        at_utc = quality.determined_utc
        if at_utc is None:
            return False
        again = self._determined.get(handle) == at_utc
        self._determined[handle] = at_utc
        return again

    def _channel(self, metric: Metric) -> str:
        return clean(metric.handle) if self._repeated[metric.type.code] > 1 else ""

    def _name_of(self, handle: str) -> str:
        metric = self._metrics.get(handle)
        return metric.type.text or metric.type.code if metric is not None else ""


def _validity(quality: Quality) -> Validity:
    """What is not known of its validity cannot be vouched for."""
    said = _VALIDITIES.get(quality.validity, "questionable")
    return worst(
        [
            said,
            _MODES.get(quality.mode, "questionable"),
            "valid" if quality.active else "unavailable",
        ]
    )


def _term_of(coded: Code) -> tuple[int, str]:
    """Code and name; a code of a maker's own system keeps its name and has no number."""
    if coded.system in NOMENCLATURE and coded.code.isascii() and coded.code.isdigit():
        number = int(coded.code[:10])
        if number < 2**31:
            return number, ""
    return 0, clean(coded.code if coded.code.startswith("MDC_") else coded.text or coded.code)


def _unit(coded: Code) -> str:
    if coded.system not in NOMENCLATURE:
        return nomenclature.ucum(0, coded.code or coded.text)
    number, _ = _term_of(coded)
    return nomenclature.ucum(number, coded.text or coded.code)


def _time(at_utc: float | None) -> float | None:
    return known_time(at_utc) if at_utc is not None else None
