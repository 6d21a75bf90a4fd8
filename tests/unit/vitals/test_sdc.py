"""SDC states as observations, and the pipe they come through."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.observation import Alarm, Numeric, Wave, pack, unpack, unpack_samples
from edgebox.vitals import sdc_pipe
from edgebox.vitals.monitors.sdc import METRICS_MAX, Code, Condition, Metric, Quality, Sdc

NOW_UTC = 1_795_000_000.0
SPO2 = Metric("spo2", Code("150456", text="SpO2"), Code("262688"))
ECG = Metric("ecg", Code("131330"), Code("266418"), period_s=0.004)
GOOD = Quality("Vld", determined_utc=NOW_UTC - 1)


def device(*metrics: Metric) -> Sdc:
    one = Sdc("m1")
    one.describe(metrics or (SPO2, ECG))
    return one


def value_of(quality: Quality, value: float | None = 97.0, metric: Metric = SPO2) -> Numeric:
    one = device(metric)
    one.take_value(metric.handle, value, quality, NOW_UTC)
    (found,) = one.observations()
    assert isinstance(found, Numeric)
    return found


def test_a_value_has_its_code_unit_time_and_label() -> None:
    found = value_of(GOOD)
    assert (found.code, found.unit, found.loinc) == (150456, "%", "59408-5")
    assert (found.value, found.validity, found.label) == (97.0, "valid", "SpO2")
    assert (found.source_utc, found.received_utc) == (NOW_UTC - 1, NOW_UTC)


@pytest.mark.parametrize(
    ("quality", "validity", "value"),
    [
        (Quality("Vldated"), "valid", 97.0),
        (Quality("Qst"), "questionable", 97.0),
        (Quality("Calib"), "calibrating", 97.0),
        (Quality("Inv"), "invalid", None),
        (Quality("Oflw"), "invalid", None),
        (Quality("Ong"), "unavailable", None),
        (Quality("NA"), "unavailable", None),
        (Quality("something"), "questionable", 97.0),
        (Quality("Vld", mode="Demo"), "demo", 97.0),
        (Quality("Inv", mode="Demo"), "invalid", None),
        (Quality("Vld", mode="Test"), "test", 97.0),
        (Quality("Vld", active=False), "unavailable", None),
    ],
)
def test_validity_is_the_devices(quality: Quality, validity: str, value: float | None) -> None:
    found = value_of(quality)
    assert (found.validity, found.value) == (validity, value)


def test_no_number_is_no_value() -> None:
    assert value_of(GOOD, None).validity == "unavailable"
    assert value_of(GOOD, float("inf")).validity == "invalid"


def test_the_same_determination_is_the_same_measurement() -> None:
    one = device()
    for later in (0.0, 3.0, 6.0):
        one.take_value("spo2", 97.0, GOOD, NOW_UTC + later)
    assert len(one.observations()) == 1
    one.take_value("spo2", 97.0, Quality("Vld", determined_utc=NOW_UTC), NOW_UTC + 6)
    assert len(one.observations()) == 1
    for later in (0.0, 3.0):
        one.take_value("spo2", 97.0, Quality("Vld"), NOW_UTC + later)
    assert len(one.observations()) == 2, "without a time each reading counts"


def test_codes_of_a_maker_keep_their_name_and_no_number() -> None:
    own = Metric("x", Code("42", "urn:oid:1.2.3", "Vmin"), Code("furlong", "urn:oid:1.2.3"))
    found = value_of(GOOD, 1.0, own)
    assert (found.code, found.name, found.unit) == (0, "Vmin", "{furlong}")


def test_metrics_of_the_same_code_are_told_apart() -> None:
    one = device(SPO2, msgspec.structs.replace(SPO2, handle="spo2-left"))
    one.take_value("spo2", 97.0, GOOD, NOW_UTC)
    one.take_value("spo2-left", 93.0, GOOD, NOW_UTC)
    channels = [each.channel for each in one.observations() if isinstance(each, Numeric)]
    assert channels == ["spo2", "spo2-left"]


def test_samples_follow_each_other_and_a_hole_is_a_jump() -> None:
    one = device()
    for start, count in ((0.0, 50), (0.2, 50), (0.8, 50)):
        quality = Quality("Vld", determined_utc=NOW_UTC + start)
        one.take_samples("ecg", [0.005 * n for n in range(count)], quality, NOW_UTC + start + 0.2)
    waves = [each for each in one.observations() if isinstance(each, Wave)]
    assert [wave.first for wave in waves] == [0, 50, 200]
    raw = unpack_samples(waves[0].samples)
    values = [None if each is None else round(each * waves[0].scale, 3) for each in raw]
    assert values[:3] == [0.0, 0.005, 0.01]
    assert (waves[0].rate_hz, waves[0].unit, waves[0].source_utc) == (250.0, "mV", NOW_UTC)


def test_samples_that_are_not_valid_are_gaps() -> None:
    one = device()
    one.take_samples("ecg", [1.0, 2.0], Quality("Inv"), NOW_UTC)
    (wave,) = one.observations()
    assert isinstance(wave, Wave)
    assert unpack_samples(wave.samples) == [None, None]
    assert wave.validity == "invalid"


@pytest.mark.parametrize("samples", [[], [1e300], [1.7e308], [0.0] * 30_000])
def test_what_cannot_be_a_wave_is_damage(samples: list[float]) -> None:
    one = device()
    one.take_samples("ecg", samples, GOOD, NOW_UTC)
    assert (one.observations(), one.damaged, one.readable) == ([], 1, 0)


def test_conditions_are_the_devices_words_and_end() -> None:
    one = device()
    one.take_conditions([Condition("a", Code("1", text="SpO2 lav"), "Hi", NOW_UTC, "spo2")], 0.0, 1)
    one.take_conditions([], 1.0, 2.0)
    begun, ended = one.observations()
    assert isinstance(begun, Alarm)
    assert isinstance(ended, Alarm)
    assert (begun.text, begun.priority, begun.origin, begun.state) == (
        "SpO2 lav",
        "Hi",
        "SpO2",
        "active",
    )
    assert ended.state == "end"


def test_what_was_not_described_is_not_reported() -> None:
    one = device()
    one.take_value("unknown", 1.0, GOOD, NOW_UTC)
    one.take_samples("unknown", [1.0], GOOD, NOW_UTC)
    assert one.observations() == []
    with pytest.raises(RemoteProtocolError):
        one.describe(msgspec.structs.replace(SPO2, handle=str(n)) for n in range(METRICS_MAX + 1))


any_quality = st.builds(
    Quality,
    st.sampled_from(["Vld", "Inv", "x"]) | st.text(max_size=5),
    st.sampled_from(["Real", "Demo"]) | st.text(max_size=5),
    st.booleans(),
    st.none() | st.floats(),
)
any_code = st.builds(
    Code, st.text(max_size=12) | st.integers().map(str), st.just("") | st.text(), st.text()
)


@given(
    any_code,
    any_code,
    st.booleans(),
    st.floats(),
    st.lists(st.tuples(st.none() | st.floats(), st.lists(st.floats(), max_size=9), any_quality)),
)
def test_anything_is_taken_and_can_be_stored(
    kind: Code,
    unit: Code,
    intermittent: bool,
    period_s: float,
    said: list[tuple[float | None, list[float], Quality]],
) -> None:
    one = device(Metric("h", kind, unit, intermittent, period_s))
    for value, samples, quality in said:
        one.take_value("h", value, quality, NOW_UTC)
        one.take_samples("h", samples, quality, NOW_UTC)
    one.take_conditions([Condition("c", kind, unit.text, period_s, "h")], 0.0, NOW_UTC)
    found = one.observations()
    assert unpack(pack(found)) == found


@given(st.binary(max_size=200))
def test_any_bytes_are_a_report_or_refused(data: bytes) -> None:
    try:
        sdc_pipe.length(data[:4].ljust(4, b"\0"))
        report = sdc_pipe.read(data)
    except RemoteProtocolError:
        return
    assert sdc_pipe.read(sdc_pipe.frame(report)[4:]) == report
