"""Observations as bytes."""

import contextlib
import math
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.observation import (
    BATCH_MAX_BYTES,
    Alarm,
    Incident,
    Numeric,
    Observation,
    Validity,
    Wave,
    clean,
    pack,
    pack_samples,
    unpack,
    unpack_samples,
    worst,
)

SAMPLES = st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=300)


def numeric(value: float | None = 97.0, validity: Validity = "valid") -> Numeric:
    return Numeric(
        device="m1",
        received_utc=1000.5,
        source_utc=None,
        code=150456,
        name="MDC_PULS_OXIM_SAT_O2",
        unit="%",
        value=value,
        validity=validity,
    )


def test_batch_comes_back_as_it_was() -> None:
    wave = Wave(
        device="m1",
        received_utc=2.0,
        source_utc=1.0,
        code=131330,
        name="MDC_ECG_ELEC_POTL_II",
        unit="mV",
        rate_hz=500.0,
        scale=0.005,
        offset=-40.96,
        first=7,
        samples=pack_samples([1, 2, None]),
        validity="demo",
    )
    alarm = Alarm(device="m1", received_utc=2.0, source_utc=None, text="** HF høy")
    incident = Incident(device="m1", received_utc=2.0, source_utc=None, what="silent")
    batch: list[Observation] = [numeric(), wave, alarm, incident]
    assert unpack(pack(batch)) == batch


@pytest.mark.parametrize("validity", ["invalid", "unavailable"])
def test_no_number_without_its_validity(validity: Validity) -> None:
    assert numeric(None, validity).value is None
    with pytest.raises(ValueError, match="cannot be"):
        numeric(97.0, validity)
    with pytest.raises(ValueError, match="cannot be valid"):
        numeric(None)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        numeric(value)


def test_number_without_validity_is_no_batch() -> None:
    honest = zlib.decompress(pack([numeric()]))
    forged = honest.replace(b"\xa5valid", b"\xa7invalid")
    assert forged != honest
    with pytest.raises(RemoteProtocolError):
        unpack(zlib.compress(forged))


@given(SAMPLES)
def test_samples_come_back_as_they_were(samples: list[int | None]) -> None:
    assert unpack_samples(pack_samples(samples)) == samples


@given(st.binary(max_size=200))
def test_any_bytes_are_samples_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        unpack_samples(data)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(zlib.compress))
def test_any_bytes_are_a_batch_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        unpack(data)


def test_batch_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="too large"):
        unpack(zlib.compress(bytes(BATCH_MAX_BYTES + 1)))


def test_ecg_takes_about_a_byte_for_each_sample() -> None:
    samples = [round(200 * math.sin(n / 40) + 30 * math.sin(n / 7)) for n in range(5000)]
    assert len(pack_samples(samples)) < 5100


def test_worst_validity_wins() -> None:
    assert worst(["valid", "demo", "questionable"]) == "demo"
    assert worst([]) == "valid"


@given(st.text())
def test_clean_text_fits_a_field(text: str) -> None:
    assert len(clean(text)) <= 64
    assert clean(text).isprintable()
