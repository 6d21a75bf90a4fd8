"""Nonin and Masimo oximeters on a line, whole and damaged, and which of them it is."""

import random
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.observation import Numeric, Observation, Wave, unpack_samples
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.medibus import MedibusMonitor
from edgebox.sim.monitors.oximeters import MasimoMonitor, NoninMonitor
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.monitors.wire import FramedIntelliVue
from edgebox.vitals.monitors.line import IntelliVueLine
from edgebox.vitals.monitors.masimo import Masimo
from edgebox.vitals.monitors.nonin import Nonin
from edgebox.vitals.monitors.nonin_text import AnyNonin, NoninText
from edgebox.vitals.monitors.recognition import TRY_S, Recognition

NOW_UTC = 1_795_000_000.0
MASIMO_LINE = (
    b"03/17/98 19:30:14 SN=0000070986 SPO2=098% BPM=072 DESAT=00 PIDELTA=+00 "
    b"ALARM=0000 EXC=000000\r\n"
)
"""The example of Masimo's serial interface, with values in place of its dashes."""
NO_SENSOR_LINE = (
    b"03/17/98 19:30:14 SN=0000070986 SPO2=---% BPM=--- DESAT=-- PIDELTA=+-- "
    b"ALARM=0000 EXC=000001\r\n"
)


def nonin_stream(seconds: float, faults: Faults | None = None, number: int = 2) -> bytes:
    sim = NoninMonitor(Patient(), faults or Faults(), now=0.0, number=number)
    return sim.tick(seconds)


def read_nonin(stream: bytes, step: int = 100) -> tuple[Nonin, list[Observation]]:
    line = Nonin("m1")
    found: list[Observation] = []
    for at in range(0, len(stream), step):
        line.receive(stream[at : at + step], 0.0, NOW_UTC + at / 375)
        found += line.observations()
    return line, found


def numerics(found: list[Observation], name: str) -> list[Numeric]:
    return [one for one in found if isinstance(one, Numeric) and one.name == name]


def samples(found: list[Observation]) -> list[int | None]:
    waves = [one for one in found if isinstance(one, Wave)]
    return [sample for wave in waves for sample in unpack_samples(wave.samples)]


# Nonin


@pytest.mark.parametrize("number", [2, 7])
def test_nonin_says_three_times_a_second_what_its_patient_has(number: int) -> None:
    line, found = read_nonin(nonin_stream(10.0, number=number))
    assert line.damaged == 0
    rates = numerics(found, "MDC_PULS_OXIM_PULS_RATE")
    assert len(rates) >= 29
    assert {(one.value, one.unit, one.loinc) for one in rates} == {(72, "/min", "8889-8")}
    assert {one.value for one in numerics(found, "MDC_PULS_OXIM_SAT_O2")} == {97}
    assert len(samples(found)) >= 725
    top = max(sample or 0 for sample in samples(found))
    assert 240 < top < 255 if number == 2 else 60_000 < top < 65_536
    waves = [one for one in found if isinstance(one, Wave)]
    assert [one.first for one in waves] == [25 * n for n in range(len(waves))]


@pytest.mark.parametrize("number", [2, 7])
def test_nonin_is_read_from_any_byte_on(number: int) -> None:
    stream = nonin_stream(3.0, number=number)
    for start in range(130):
        _, found = read_nonin(stream[start:])
        assert {one.value for one in numerics(found, "MDC_PULS_OXIM_PULS_RATE")} == {72}


def test_sensor_that_is_off_is_no_value() -> None:
    _, found = read_nonin(nonin_stream(3.0, Faults(lead_off=True)))
    rates = numerics(found, "MDC_PULS_OXIM_PULS_RATE")
    assert {(one.value, one.validity) for one in rates} == {(None, "unavailable")}
    assert set(samples(found)) == {None}


def test_rate_above_127_takes_both_bytes() -> None:
    sim = NoninMonitor(Patient(heart_rate=210), Faults(), now=0.0)
    _, found = read_nonin(sim.tick(2.0))
    assert {one.value for one in numerics(found, "MDC_PULS_OXIM_PULS_RATE")} == {210}


@pytest.mark.parametrize("seed", range(60))
def test_damage_costs_a_packet_and_changes_no_value(seed: int) -> None:
    """Fixed seeds: of damaged frames one in 256 has a right sum, and nobody can tell."""
    rng = random.Random(seed)
    stream = bytearray(nonin_stream(4.0))
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(stream))
        stream[at : at + rng.randint(0, 20)] = rng.randbytes(rng.randint(0, 20))
    _, found = read_nonin(bytes(stream) + nonin_stream(2.0), step=rng.randint(1, 300))
    assert {one.value for one in numerics(found, "MDC_PULS_OXIM_PULS_RATE")} == {72}
    assert {one.value for one in numerics(found, "MDC_PULS_OXIM_SAT_O2")} == {97}


def test_one_wrong_checksum_is_one_gap_in_the_wave() -> None:
    faults = Faults()
    sim = NoninMonitor(Patient(), faults, now=0.0)
    stream = sim.tick(1.0)
    faults.checksum = True
    stream += sim.tick(3.0)
    line, found = read_nonin(stream)
    assert line.damaged == 1
    assert samples(found).count(None) == 1


@given(st.binary(max_size=600))
def test_any_bytes_are_survived_by_nonin(data: bytes) -> None:
    line = Nonin("m1")
    line.receive(data, 0.0, NOW_UTC)
    assert not numerics(line.observations(), "MDC_PULS_OXIM_PULS_RATE")
    line.receive(nonin_stream(3.0), 1.0, NOW_UTC + 1)
    assert numerics(line.observations(), "MDC_PULS_OXIM_PULS_RATE")


# Nonin that sends text


def read_nonin_text(stream: bytes) -> tuple[AnyNonin, dict[str, Numeric]]:
    line = AnyNonin("m1")
    line.receive(stream, 0.0, NOW_UTC)
    return line, {one.name: one for one in line.observations() if isinstance(one, Numeric)}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"SPO2=097 HR=072\r\n", (97.0, 72.0)),
        (b"SPO2=100 HR=240 F\r\n", (100.0, 240.0)),
        (b"SPO2=097 HR=072*\r\n", (97.0, 72.0)),
        (b"SPO2=--- HR=---\r\n", (None, None)),
        (b"\x00\x00NONIN\r\n\r\nSPO2=097 HR=072\r\n", (97.0, 72.0)),
        (b"O2=09SPO2=097 HR=072\r\n", (97.0, 72.0)),
    ],
)
def test_nonin_text_as_in_the_manuals(
    text: bytes, values: tuple[float | None, float | None]
) -> None:
    line, found = read_nonin_text(text)
    assert (line.readable, line.damaged) == (1, 0)
    spo2, rate = found["MDC_PULS_OXIM_SAT_O2"], found["MDC_PULS_OXIM_PULS_RATE"]
    assert (spo2.value, rate.value) == values
    assert {spo2.validity, rate.validity} == {"unavailable" if values[0] is None else "valid"}


@pytest.mark.parametrize(
    "text",
    [
        b"SPO2=0?7 HR=072\r\n",
        b"SPO2=097 HR=72\r\n",
        b"SPO2=101 HR=072\r\n",
        b"SPO2=097 HR=399\r\n",
        b"SPO2=097 HR=072 X\r\n",
        b"SPO2=097\r\n",
    ],
)
def test_nonin_text_that_is_not_whole_counts_for_nothing(text: bytes) -> None:
    line, found = read_nonin_text(text)
    assert (line.readable, found) == (0, {})
    line, _ = read_nonin_text(b"SPO2=097 HR=072\r\n" + text)
    assert (line.readable, line.damaged) == (1, 1)


def test_nonin_of_either_form_is_read() -> None:
    line, found = read_nonin_text(nonin_stream(2.0))
    assert found["MDC_PULS_OXIM_SAT_O2"].value == 97
    assert line.damaged == 0


@given(st.binary(max_size=400))
def test_any_bytes_are_survived_by_nonin_text(data: bytes) -> None:
    line = NoninText("m1")
    line.receive(data, 0.0, NOW_UTC)
    line.receive(b"\r\nSPO2=097 HR=072\r\n", 1.0, NOW_UTC + 1)
    values = numerics(line.observations(), "MDC_PULS_OXIM_SAT_O2")
    assert values[-1].value == 97


# Masimo


def read_masimo(stream: bytes) -> tuple[Masimo, dict[str, Numeric]]:
    line = Masimo("m1", ZoneInfo("Europe/Oslo"))
    line.receive(stream, 0.0, NOW_UTC)
    found = line.observations()
    return line, {one.name: one for one in found if isinstance(one, Numeric)}


def test_masimo_line_as_documented() -> None:
    line, found = read_masimo(MASIMO_LINE)
    assert found["MDC_PULS_OXIM_SAT_O2"].value == 98
    assert found["MDC_PULS_OXIM_PULS_RATE"].value == 72
    assert line.name == "Masimo 0000070986"
    line, found = read_masimo(NO_SENSOR_LINE)
    assert {one.validity for one in found.values()} == {"unavailable"}
    assert {one.value for one in found.values()} == {None}


def test_masimo_fields_vary() -> None:
    sim = MasimoMonitor(Patient(), Faults(), now=0.0)
    _, found = read_masimo(sim.tick(0.5, NOW_UTC + 0.5))
    assert {name: one.value for name, one in found.items()} == {
        "MDC_PULS_OXIM_SAT_O2": 97,
        "MDC_PULS_OXIM_PULS_RATE": 72,
        "MDC_PULS_OXIM_PERF_REL": 2.5,
        "SPCO": None,
    }
    assert found["SPCO"].validity == "unavailable"
    assert found["SPCO"].source_utc == NOW_UTC - 3600  # it shows UTC and is taken for Oslo


@pytest.mark.parametrize(
    ("exceptions", "validity"),
    [
        (b"000004", "questionable"),
        (b"000400", "questionable"),
        (b"000800", "valid"),
        (b"000020", "unavailable"),
        (b"000002", "unavailable"),
    ],
)
def test_masimo_exceptions_say_how_far_to_trust(exceptions: bytes, validity: str) -> None:
    _, found = read_masimo(MASIMO_LINE.replace(b"EXC=000000", b"EXC=" + exceptions))
    assert found["MDC_PULS_OXIM_SAT_O2"].validity == validity


def test_masimo_line_with_a_piece_missing_counts_for_nothing() -> None:
    for start in range(1, len(MASIMO_LINE) - 2):
        for length in (1, 3, 10):
            cut = MASIMO_LINE[:start] + MASIMO_LINE[start + length :]
            _, found = read_masimo(MASIMO_LINE + cut)
            for one in found.values():
                assert one.value in {None, 98, 72, 9, 8, 7, 2, 0}, cut


def test_masimo_line_we_came_in_the_middle_of_is_no_damage() -> None:
    line, found = read_masimo(MASIMO_LINE[30:] + MASIMO_LINE)
    assert line.damaged == 0
    assert found


@given(st.binary(max_size=900))
def test_any_bytes_are_survived_by_masimo(data: bytes) -> None:
    line, _ = read_masimo(data + b"\r\n" + MASIMO_LINE)
    assert line.readable >= 1


# Recognition


def test_speeds_are_tried_in_turn_until_frames_are_read() -> None:
    line = Recognition("m1", UTC, waves=True, now=0.0)
    assert line.speed.baud == 9600
    line.receive(bytes(range(200)), 1.0, NOW_UTC)
    line.handle_timeout(TRY_S)
    assert line.speed.baud == 115_200
    asked = line.data_to_send()
    assert asked[:1] == b"\xc0"
    sim = FramedIntelliVue(IntelliVueMonitor(Patient(), Faults(), now=0.0))
    line.receive(sim.take(asked, TRY_S, NOW_UTC), TRY_S, NOW_UTC)
    assert line.kind == "intellivue"
    assert line.name == "Philips SIM MX450"
    for n in range(100):
        line.handle_timeout(TRY_S + n)
    assert line.speed.baud == 115_200


def test_ventilator_is_recognised_at_its_own_speed() -> None:
    line = Recognition("m1", UTC, waves=True, now=0.0)
    device = MedibusMonitor(Patient(), Faults(), now=0.0)
    now = 0.0
    while not line.kind and now < 3 * TRY_S + 1:
        now += 0.1
        due = line.next_timeout()
        if due is not None and now >= due:
            line.handle_timeout(now)
        out = line.data_to_send()
        if (line.speed.baud, line.speed.parity) == (19_200, "even"):
            line.receive(device.take(out, now, NOW_UTC), now, NOW_UTC)
    assert line.kind == "medibus"


@pytest.mark.parametrize("kind", ["masimo", "nonin"])
def test_oximeters_are_told_apart(kind: str) -> None:
    line = Recognition("m1", UTC, waves=True, now=0.0)
    stream = nonin_stream(2.0) if kind == "nonin" else MASIMO_LINE * 2
    line.receive(stream, 1.0, NOW_UTC)
    assert line.kind == kind
    assert line.damaged == 0
    assert any(isinstance(one, Numeric) for one in line.observations())
    line.handle_timeout(100.0)
    assert line.speed.baud == 9600


def test_two_monitors_on_one_line_are_both_named() -> None:
    line = Recognition("m1", UTC, waves=True, now=0.0)
    line.receive(nonin_stream(1.0) + MASIMO_LINE + nonin_stream(1.0) + MASIMO_LINE, 1.0, NOW_UTC)
    assert line.senders == ["masimo", "nonin"]


@given(st.binary(max_size=400))
def test_any_bytes_are_survived_by_recognition(data: bytes) -> None:
    line = Recognition("m1", UTC, waves=True, now=0.0)
    line.receive(data, 0.0, NOW_UTC)
    serial = IntelliVueLine("m1", UTC, waves=True, now=0.0)
    serial.receive(data, 0.0, NOW_UTC)
    assert not serial.observations()
