"""What the hospital gets, looked at by independent validators."""

from decimal import Decimal
from typing import Any

import hl7 as python_hl7
import msgspec
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation as FhirObservation
from hl7apy.parser import parse_message

from edgebox.hub.vitals_fhir import bundle_of, observations_of
from edgebox.hub.vitals_hl7 import control_id, message_of, verdict_of
from edgebox.hub.vitals_store import BatchRow
from edgebox.observation import (
    Alarm,
    Incident,
    Numeric,
    Observation,
    Wave,
    pack,
    pack_samples,
    unpack_samples,
)
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals.monitors import hl7, hl7_message
from edgebox.vitals.monitors.mllp import Mllp
from tests.unit.vitals.test_hl7 import NOW, OSLO, read, unframed
from tests.unit.vitals.test_observation import numeric

STREAM = "0123456789abcdef0123456789abcdef"


def row(*observations: Observation) -> BatchRow:
    return BatchRow(7, "box-1", STREAM, 3, NOW, pack(list(observations)))


def everything(faults: Faults | None = None) -> BatchRow:
    monitor = Hl7Monitor(Patient(), faults or Faults(), leads=("II",))
    return row(*read(unframed(monitor.message(NOW))))


def validated(resource: dict[str, Any]) -> Any:
    """As fhir.resources sees it. Raises for what FHIR does not allow."""
    return FhirObservation.model_validate(resource)


def resources(batch: BatchRow, *, waves: bool = False) -> list[dict[str, Any]]:
    found = observations_of(batch, waves=waves)
    for one in found:
        validated(one)
    if found:
        Bundle.model_validate(bundle_of(found))
    return found


def by_loinc(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["code"]["coding"][0]["code"]: one for one in found}


def theirs(batch: BatchRow, *, waves: bool = False) -> tuple[bytes, python_hl7.Message]:
    framed = message_of(batch, waves=waves, now_utc=NOW)
    assert framed is not None
    (message,) = Mllp().receive(framed, 0.0)
    return message, python_hl7.parse(message.decode())


# FHIR


def test_values_are_valid_vital_signs() -> None:
    found = by_loinc(resources(everything()))
    assert set(found) == {"8867-4", "59408-5", "8889-8", "9279-1", "8310-5", "19889-5", "85354-9"}
    heart = validated(found["8867-4"])
    assert heart.valueQuantity.value == Decimal(72)
    assert heart.valueQuantity.code == "/min"
    assert heart.valueQuantity.system == "http://unitsofmeasure.org"
    assert heart.status == "final"
    assert heart.effectiveDateTime.timestamp() == NOW
    codes = [coding["code"] for coding in found["59408-5"]["code"]["coding"]]
    assert codes == ["59408-5", "2708-6", "150456"]


def test_cuff_pressures_are_one_observation() -> None:
    panel = validated(by_loinc(resources(everything()))["85354-9"])
    assert [(one.code.coding[0].code, one.valueQuantity.value) for one in panel.component] == [
        ("8480-6", 128),
        ("8462-4", 76),
        ("8478-0", 93),
    ]


def test_no_value_is_a_reason_and_never_a_number() -> None:
    for validity, reason in (("invalid", "error"), ("unavailable", "temp-unknown")):
        (one,) = resources(row(numeric(None, validity)))  # type: ignore[arg-type]
        assert "valueQuantity" not in one
        assert one["dataAbsentReason"]["coding"][0]["code"] == reason


def test_doubtful_value_is_preliminary_and_says_why() -> None:
    (one,) = resources(row(numeric(97.0, "questionable")))
    assert one["status"] == "preliminary"
    assert "questionable" in one["note"][0]["text"]


@pytest.mark.parametrize("waves", [False, True])
def test_what_is_not_of_a_patient_is_not_exported(waves: bool) -> None:
    batch = everything(Faults(demo=True))
    assert resources(batch, waves=waves) == []
    assert message_of(batch, waves=waves, now_utc=NOW) is None


def test_alarms_and_incidents_are_not_exported() -> None:
    batch = row(
        Alarm(device="m1", received_utc=NOW, source_utc=None, text="ASYSTOLE"),
        Incident(device="m1", received_utc=NOW, source_utc=None, what="silent"),
    )
    assert resources(batch, waves=True) == []
    assert message_of(batch, waves=True, now_utc=NOW) is None


def test_wave_is_sampled_data() -> None:
    wave = Wave(
        device="m1",
        received_utc=NOW,
        source_utc=NOW - 1,
        code=131330,
        name="MDC_ECG_ELEC_POTL_II",
        unit="mV",
        rate_hz=250.0,
        scale=0.005,
        offset=-40.96,
        first=0,
        samples=pack_samples([8192, None, 8392]),
        validity="valid",
    )
    (one,) = resources(row(wave), waves=True)
    sampled = validated(one).valueSampledData
    assert (sampled.period, sampled.factor) == (Decimal(4), Decimal("0.005"))
    assert sampled.data == "8192 E 8392"
    assert sampled.origin.value == Decimal("-40.96")
    assert resources(row(wave)) == []
    message, parsed = theirs(row(wave), waves=True)
    assert str(parsed.segments("OBX")[0][5]) == "0^32767^200"
    (again,) = hl7.Reader("m1", OSLO).read(hl7_message.parse(message), NOW)
    assert isinstance(again, Wave)
    assert unpack_samples(again.samples) == [0, None, 200]
    assert (again.scale, again.rate_hz, again.unit) == (0.005, 250, "mV")


def test_wrong_clock_is_noted_and_not_corrected() -> None:
    late = msgspec.structs.replace(numeric(), received_utc=NOW, source_utc=NOW - 86_400)
    (one,) = resources(row(late))
    assert validated(one).effectiveDateTime.timestamp() == NOW - 86_400
    assert "-86400 s" in one["note"][0]["text"]


def test_same_batch_makes_the_same_resources() -> None:
    first, second = resources(everything()), resources(everything())
    assert [one["id"] for one in first] == [one["id"] for one in second]
    assert len({one["id"] for one in first}) == len(first)


def test_value_without_codes_has_a_text() -> None:
    one = msgspec.structs.replace(numeric(), code=0, name="PVI", loinc="", unit="")
    (found,) = resources(row(one))
    assert found["code"] == {"text": "PVI"}
    assert found["valueQuantity"] == {"value": 97}


# HL7


def test_message_is_read_by_independent_parsers() -> None:
    message, parsed = theirs(everything(), waves=True)
    assert str(parsed.segment("MSH")[9]) == "ORU^R01^ORU_R01"
    values = {
        str(segment[3][0][0]): str(segment[5])
        for segment in parsed.segments("OBX")
        if str(segment[2]) == "NM" and "ATTR" not in str(segment[3])
    }
    assert values["147842"] == "72"
    assert values["150344"] == "36.8"
    structured = parse_message(message.decode(), find_groups=True)
    assert structured.validate(report_file=None)
    assert structured.msh.msh_10.value == control_id(everything())


def test_our_own_reader_reads_what_was_sent() -> None:
    batch = everything()
    message, _ = theirs(batch, waves=True)
    again = read(message)
    values = {one.code: one for one in again if isinstance(one, Numeric)}
    assert {code: (one.value, one.unit, one.validity) for code, one in values.items()} == {
        one.code: (one.value, one.unit, one.validity)
        for one in read(unframed(Hl7Monitor(Patient(), Faults(), waves=False).message(NOW)))
        if isinstance(one, Numeric)
    }


@pytest.mark.parametrize(("validity", "flag"), [("invalid", "INV"), ("unavailable", "NAV")])
def test_no_value_is_empty_and_flagged(validity: str, flag: str) -> None:
    _, parsed = theirs(row(numeric(None, validity)))  # type: ignore[arg-type]
    (obx,) = parsed.segments("OBX")
    assert (str(obx[5]), str(obx[8]), str(obx[11])) == ("", flag, "X")


def test_names_with_marks_are_escaped() -> None:
    one = msgspec.structs.replace(numeric(), name="A|B^C", code=1, loinc="")
    message, _ = theirs(row(one))
    (again,) = read(message)
    assert isinstance(again, Numeric)
    assert again.name == "A|B^C"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [("AA", "accepted"), ("CA", "accepted"), ("AE", "error"), ("AR", "refused"), ("XX", "")],
)
def test_replies_are_understood(code: str, verdict: str) -> None:
    batch = everything()
    reply = f"\x0bMSH|^~\\&|H\rMSA|{code}|{control_id(batch)}\r\x1c".encode()
    assert verdict_of(reply, batch) == verdict
    assert verdict_of(reply.replace(b"-3", b"-2"), batch) == ""
    assert verdict_of(b"\xff\xfe", batch) == ""
