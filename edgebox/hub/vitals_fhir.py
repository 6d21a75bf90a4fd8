"""What monitors said as FHIR R4 Observations. No I/O.

hl7.org/fhir/R4/observation.html, observation-vitalsigns.html, datatypes.html#SampledData. The three
cuff pressures of one measurement become one Observation with components, as the vital signs profile
wants it. `effective` is the monitor's own time, `issued` when the box received it; where they are
far apart a note says so and nothing is corrected. Demonstrations and tests are not of a patient and
are not exported at all; alarms and incidents stay with the hub.

Ids are made from the batch, so that what is sent twice is the same resource: PUT it.
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from edgebox.hub.vitals_store import BatchRow
from edgebox.observation import Numeric, Observation, Validity, Wave, unpack, unpack_samples

NAMESPACE = uuid.UUID("5f0c3d1e-7b0a-4b86-9d0c-2f7d3a6a9e11")
MDC = "urn:iso:std:iso:11073:10101"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
BOX = "urn:edgebox:box"
MONITOR = "urn:edgebox:monitor"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
NOT_OF_A_PATIENT: frozenset[Validity] = frozenset({"demo", "test"})
ABSENT_REASON: dict[Validity, str] = {"invalid": "error", "unavailable": "temp-unknown"}
CUFF = {"8480-6": "Systolic blood pressure", "8462-4": "Diastolic blood pressure", "8478-0": "Mean"}
CLOCK_NOTE_S = 10.0

Resource = dict[str, Any]


def observations_of(row: BatchRow, *, waves: bool) -> list[Resource]:
    """All Observations of a batch. Raises RemoteProtocolError for a batch that is none."""
    found = [(n, one) for n, one in enumerate(unpack(row.content)) if is_exported(one, waves)]
    numerics = [(n, one) for n, one in found if isinstance(one, Numeric)]
    cuffs = [(n, one) for n, one in numerics if one.loinc in CUFF]
    single = [(n, one) for n, one in numerics if one.loinc not in CUFF]
    return [
        *(_numeric(row, n, one) for n, one in single),
        *(_cuff(row, group) for group in _measurements(cuffs)),
        *(_wave(row, n, one) for n, one in found if isinstance(one, Wave)),
    ]


def is_exported(one: Observation, waves: bool) -> bool:
    """Values, and waves if they are wanted; nothing that is not of a patient."""
    wanted = isinstance(one, Numeric) or (waves and isinstance(one, Wave))
    return wanted and getattr(one, "validity", "valid") not in NOT_OF_A_PATIENT


def bundle_of(resources: Sequence[Resource]) -> Resource:
    """A batch Bundle that puts each where its id says: the same again changes nothing."""
    return {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{one['id']}",
                "resource": one,
                "request": {"method": "PUT", "url": f"Observation/{one['id']}"},
            }
            for one in resources
        ],
    }


def _measurements(
    cuffs: Sequence[tuple[int, Numeric]],
) -> Iterator[list[tuple[int, Numeric]]]:
    """Pressures of one device at one time belong together."""
    groups: dict[tuple[str, str, float | None], list[tuple[int, Numeric]]] = {}
    for n, one in cuffs:
        key = (one.device, one.channel, one.source_utc)
        groups.setdefault(key, []).append((n, one))
    for group in groups.values():
        if len({one.loinc for _, one in group}) == len(group):
            yield group
        else:
            yield from ([each] for each in group)


def _numeric(row: BatchRow, index: int, one: Numeric) -> Resource:
    resource = _common(row, index, one)
    resource["category"] = _category("vital-signs")
    resource["code"] = _code(one)
    return resource | _value(one)


def _cuff(row: BatchRow, group: Sequence[tuple[int, Numeric]]) -> Resource:
    index, first = group[0]
    resource = _common(row, index, first)
    resource["category"] = _category("vital-signs")
    resource["code"] = {
        "coding": [
            {"system": LOINC, "code": "85354-9", "display": "Blood pressure panel"},
            {"system": MDC, "code": "150020", "display": "MDC_PRESS_BLD_NONINV"},
        ]
    }
    resource["component"] = [{"code": _code(one)} | _value(one) for _, one in group]
    return resource


def _wave(row: BatchRow, index: int, one: Wave) -> Resource:
    samples = unpack_samples(one.samples)
    resource = _common(row, index, one)
    resource["category"] = _category("procedure")
    resource["code"] = {"coding": [_mdc(one.code, one.name)], "text": one.label or one.name}
    start_utc = one.source_utc if one.source_utc is not None else one.received_utc
    del resource["effectiveDateTime"]
    resource["effectivePeriod"] = {
        "start": _time(start_utc),
        "end": _time(start_utc + len(samples) / one.rate_hz),
    }
    resource["valueSampledData"] = {
        "origin": _quantity(one.offset, one.unit),
        "period": _plain(1000.0 / one.rate_hz),
        "factor": _plain(one.scale),
        "dimensions": 1,
        "data": " ".join("E" if sample is None else str(sample) for sample in samples),
    }
    return resource


def _common(row: BatchRow, index: int, one: Numeric | Wave) -> Resource:
    at_utc = one.source_utc if one.source_utc is not None else one.received_utc
    name = f"{row.box}/{row.stream}/{row.seq}/{index}"
    resource: Resource = {
        "resourceType": "Observation",
        "id": str(uuid.uuid5(NAMESPACE, name)),
        "identifier": [{"system": "urn:edgebox:observation", "value": name}],
        "status": "final" if one.validity == "valid" else "preliminary",
        "subject": {
            "identifier": {"system": BOX, "value": row.box},
            "display": f"Patient in {row.box}",
        },
        "effectiveDateTime": _time(at_utc),
        "issued": _time(one.received_utc),
        "device": {
            "identifier": {"system": MONITOR, "value": f"{row.box}/{one.device}"},
            "display": one.device,
        },
    }
    if notes := _notes(one):
        resource["note"] = [{"text": text} for text in notes]
    return resource


def _notes(one: Numeric | Wave) -> list[str]:
    notes = []
    if one.validity not in {"valid", "invalid", "unavailable"}:
        notes.append(f"The monitor marks this as {one.validity}.")
    if one.source_utc is None:
        notes.append("The monitor gives no time; this is when the value was received.")
    elif abs(one.source_utc - one.received_utc) > CLOCK_NOTE_S and not _is_episodic(one):
        ahead_s = one.source_utc - one.received_utc
        notes.append(f"The monitor's clock differs by {ahead_s:+.0f} s from the vehicle's.")
    return notes


def _is_episodic(one: Numeric | Wave) -> bool:
    return isinstance(one, Numeric) and one.episodic


def _value(one: Numeric) -> Resource:
    if one.value is None:
        reason = ABSENT_REASON[one.validity]
        return {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": reason}]}}
    return {"valueQuantity": _quantity(one.value, one.unit)}


def _quantity(value: float, unit: str) -> Resource:
    quantity: Resource = {"value": _plain(value)}
    if unit:
        quantity |= {"unit": unit, "system": UCUM, "code": unit}
    return quantity


def _code(one: Numeric) -> Resource:
    coding = [{"system": LOINC, "code": one.loinc}] if one.loinc else []
    if one.loinc == "59408-5":
        coding.append({"system": LOINC, "code": "2708-6"})  # what the profile looks for
    if one.code:
        coding.append(_mdc(one.code, one.name))
    return {"coding": coding, "text": one.label or one.name} if coding else {"text": one.name}


def _mdc(code: int, name: str) -> Resource:
    return {"system": MDC, "code": str(code), "display": name}


def _category(code: str) -> list[Resource]:
    return [{"coding": [{"system": CATEGORY, "code": code}]}]


def _time(at_utc: float) -> str:
    return datetime.fromtimestamp(at_utc, UTC).isoformat(timespec="milliseconds")


def _plain(value: float) -> float | int:
    """Without the noise of binary fractions."""
    rounded = round(value, 9)
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
