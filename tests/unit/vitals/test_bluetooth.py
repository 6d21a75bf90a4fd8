"""Payloads of Bluetooth's medical profiles, against published examples and any bytes."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.observation import Numeric, pack, unpack
from edgebox.sim.monitors.bluetooth import BluetoothMonitor, float32, sfloat
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals.monitors.bluetooth import CHARACTERISTICS, Bluetooth
from edgebox.vitals.monitors.medical_float import Cursor

NOW_UTC = 1_795_000_000.0
MEASURED_UTC = 1_772_368_245.0
"""2026-03-01 12:30:45, as in the payloads."""
TIME = "ea07 03 01 0c 1e 2d"


def read(characteristic: int, text: str) -> list[Numeric]:
    device = Bluetooth("m1", UTC)
    device.receive(characteristic, bytes.fromhex(text), NOW_UTC)
    assert (device.readable, device.damaged) == (1, 0)
    return [one for one in device.observations() if isinstance(one, Numeric)]


# Numbers: the values of the Bluetooth SIG's transcoding white paper, and the special ones


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("7200", 114.0),
        ("fff7", 204.7),  # the mantissa of NaN, but not its exponent
        ("ff07", None),
        ("0008", None),
        ("0108", None),
        ("0208", None),
        ("fe07", None),
        ("fff0", 25.5),
        ("ff0f", -1.0),
        ("0170", 10_000_000.0),
        ("0180", 1e-8),
    ],
)
def test_sfloat(raw: str, value: float | None) -> None:
    assert Cursor(bytes.fromhex(raw)).sfloat() == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("6c0100ff", 36.4),
        ("ffff7f00", None),
        ("00008000", None),
        ("01008000", None),
        ("02008000", None),
        ("feff7f00", None),
        ("710e00fe", 36.97),
        ("ffffffff", -0.1),
    ],
)
def test_float(raw: str, value: float | None) -> None:
    assert Cursor(bytes.fromhex(raw)).float32() == value


def test_an_exponent_that_no_measurement_has_is_damage() -> None:
    with pytest.raises(RemoteProtocolError):
        Cursor(bytes.fromhex("0100007f")).float32()


@given(st.integers(-2000, 2000), st.integers(0, 7))
def test_sfloats_of_the_simulation_are_read(mantissa: int, places: int) -> None:
    value = mantissa / 10**places
    assert Cursor(sfloat(value, places)).sfloat() == value
    assert Cursor(float32(value, places)).float32() == value


# Measurements


def test_continuous_oximetry() -> None:
    spo2, pulse = read(0x2A5F, "00 6100 4800")
    assert (spo2.name, spo2.value, spo2.unit) == ("MDC_PULS_OXIM_SAT_O2", 97.0, "%")
    assert (pulse.name, pulse.value, pulse.unit) == ("MDC_PULS_OXIM_PULS_RATE", 72.0, "/min")
    assert not spo2.episodic


def test_fast_and_slow_values_are_passed_over() -> None:
    spo2, pulse, amplitude = read(0x2A5F, "13 6100 4800 6000 4700 5f00 4600 19f0")
    assert (spo2.value, pulse.value, amplitude.value) == (97.0, 72.0, 2.5)


@pytest.mark.parametrize(
    ("status", "sensor", "validity"),
    [
        ("0001", "000000", "valid"),
        ("8000", "000000", "valid"),
        ("4000", "000000", "questionable"),
        ("0004", "000000", "demo"),
        ("0008", "000000", "test"),
        ("0010", "000000", "calibrating"),
        ("0020", "000000", "unavailable"),
        ("0040", "000000", "questionable"),
        ("0080", "000000", "invalid"),
        ("0001", "200000", "questionable"),
        ("0001", "000800", "unavailable"),
        ("0001", "008000", "unavailable"),
        ("0001", "020000", "invalid"),
        ("0001", "004000", "invalid"),
        ("0001", "010200", "valid"),
    ],
)
def test_status_is_validity(status: str, sensor: str, validity: str) -> None:
    spo2, pulse = read(0x2A5F, f"0c 6100 4800 {status} {sensor}")
    assert spo2.validity == pulse.validity == validity
    assert (spo2.value is None) == (validity in {"invalid", "unavailable"})


def test_no_number_is_no_value() -> None:
    spo2, pulse = read(0x2A5F, "00 ff07 4800")
    assert (spo2.value, spo2.validity) == (None, "unavailable")
    assert pulse.value == 72.0


def test_a_spot_check_has_a_time_and_does_not_go_stale() -> None:
    spo2, _, amplitude = read(0x2A5E, f"0f 6100 4800 {TIME} 0001 000000 faf0")
    assert (spo2.source_utc, spo2.episodic, amplitude.value) == (MEASURED_UTC, True, 25.0)


@pytest.mark.parametrize(
    "flags_and_time", [("10", ""), ("11", TIME), ("01", "0000 00 00 00 00 00")]
)
def test_a_clock_that_was_not_set_says_no_time(flags_and_time: tuple[str, str]) -> None:
    flags, time = flags_and_time
    spo2, _ = read(0x2A5E, f"{flags} 6000 5000 {time}")
    assert spo2.source_utc is None


def test_stored_measurements_are_of_then() -> None:
    spo2, _ = read(0x2A5F, "04 6100 4800 0002")
    assert spo2.episodic


def test_temperature() -> None:
    (found,) = read(0x2A1C, f"06 6c0100ff {TIME} 03")
    assert (found.name, found.value, found.unit) == ("MDC_TEMP_TYMP", 36.4, "Cel")
    assert (found.source_utc, found.episodic) == (MEASURED_UTC, True)
    (found,) = read(0x2A1C, "01 d90300ff")
    assert (found.name, found.value, found.unit) == ("MDC_TEMP", 98.5, "[degF]")
    (found,) = read(0x2A1E, "00 6c0100ff")
    assert (found.validity, found.episodic) == ("questionable", False)


def test_blood_pressure() -> None:
    found = read(0x2A35, f"1e 8000 4c00 5d00 {TIME} 4800 01 0000")
    assert [(one.name, one.value, one.unit) for one in found] == [
        ("MDC_PRESS_BLD_NONINV_SYS", 128.0, "mm[Hg]"),
        ("MDC_PRESS_BLD_NONINV_DIA", 76.0, "mm[Hg]"),
        ("MDC_PRESS_BLD_NONINV_MEAN", 93.0, "mm[Hg]"),
        ("MDC_PULS_RATE_NON_INV", 72.0, "/min"),
    ]
    assert {(one.source_utc, one.validity, one.episodic) for one in found} == {
        (MEASURED_UTC, "valid", True)
    }
    found = read(0x2A35, "11 aaf0 65f0 7cf0 2300")
    assert [one.value for one in found] == [17.0, 10.1, 12.4]
    assert {(one.unit, one.validity) for one in found} == {("kPa", "questionable")}


# Damage


@pytest.mark.parametrize("characteristic", CHARACTERISTICS)
def test_what_is_cut_off_or_too_long_gives_nothing(characteristic: int) -> None:
    monitor = BluetoothMonitor(Patient(), Faults(), UTC)
    whole = {
        0x2A5F: monitor.continuous(),
        0x2A5E: bytes.fromhex(f"01 6100 4800 {TIME}"),
        0x2A1C: monitor.temperature(NOW_UTC),
        0x2A1E: monitor.temperature(NOW_UTC),
        0x2A35: monitor.pressure(NOW_UTC),
    }[characteristic]
    for data in (*(whole[:n] for n in range(len(whole))), whole + b"\0", bytes(600)):
        device = Bluetooth("m1", UTC)
        device.receive(characteristic, data, NOW_UTC)
        assert (device.observations(), device.damaged) == ([], 1)
        device.receive(characteristic, whole, NOW_UTC)
        assert device.observations(), "the next one is read"


def test_fields_of_a_later_version_are_let_pass() -> None:
    spo2, _ = read(0x2A5F, "20 6100 4800 0102")
    assert spo2.value == 97.0


def test_other_characteristics_are_not_read() -> None:
    device = Bluetooth("m1", UTC)
    device.receive(0x2A37, b"\0\x48", NOW_UTC)
    assert (device.readable, device.damaged) == (0, 0)


@given(st.sampled_from(sorted(CHARACTERISTICS)), st.binary(max_size=40))
def test_any_bytes_are_measurements_or_damage(characteristic: int, data: bytes) -> None:
    device = Bluetooth("m1", UTC)
    device.receive(characteristic, data, NOW_UTC)
    assert device.readable + device.damaged == 1
    found = device.observations()
    assert unpack(pack(found)) == found
