"""GE/Datex-Ohmeda S/5: requests, values, waves, damage."""

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.observation import Numeric, Observation, Wave, pack, unpack, unpack_samples
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals.monitors.dri import SILENT_S, Dri, ask_values, ask_waves, write_record

NOW_UTC = 1_795_000_000.0


class Talk:
    """A monitor and us, in virtual time."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.monitor = DriMonitor(Patient(), self.faults, now=0.0)
        self.line = Dri("m1", waves=True, now=0.0)
        self.now = 0.0
        self.found: list[Observation] = []
        self.heard: list[bytes] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.05
            due = self.line.next_timeout()
            if due is not None and self.now >= due:
                self.line.handle_timeout(self.now)
            now_utc = NOW_UTC + self.now
            answer = self.monitor.take(self.line.data_to_send(), self.now, now_utc)
            answer += self.monitor.tick(self.now, now_utc)
            self.heard.append(answer)
            self.line.receive(answer, self.now, now_utc)
            self.found += self.line.observations()


def values(found: list[Observation]) -> dict[str, Numeric]:
    return {one.label: one for one in found if isinstance(one, Numeric)}


def waves(found: list[Observation], label: str) -> list[Wave]:
    return [one for one in found if isinstance(one, Wave) and one.label == label]


def test_requests_have_the_documented_form() -> None:
    record = ask_values(5)
    assert record[:1] == record[-1:] == b"\x7e"
    assert len(record) == 49 + 3
    assert struct.unpack_from("<h", record, 1) == (49,)
    assert record[41:50] == struct.pack("<BhIh", 1, 5, 0, 0)
    wave = ask_waves((1, 8))
    assert struct.unpack_from("<h", wave, 1) == (72,)
    assert wave[45:53] == b"\x01\x08\xff\xff\xff\xff\xff\xff"


def test_values_are_what_the_patient_has() -> None:
    talk = Talk()
    talk.run(6.0)
    found = values(talk.found)
    assert {label: (one.value, one.unit) for label, one in found.items()} == {
        "HR": (72, "/min"),
        "RR (impedance)": (14, "/min"),
        "P1 systolic": (128, "mm[Hg]"),
        "P1 diastolic": (76, "mm[Hg]"),
        "P1 mean": (93, "mm[Hg]"),
        "NIBP systolic": (128, "mm[Hg]"),
        "NIBP diastolic": (76, "mm[Hg]"),
        "NIBP mean": (93, "mm[Hg]"),
        "T1": (36.8, "Cel"),
        "SpO2": (97, "%"),
        "Pulse rate": (72, "/min"),
        "CO2 end-tidal": (5, "%"),
        "CO2 inspired": (0.1, "%"),
        "RR (CO2)": (14, "/min"),
    }
    assert found["P1 mean"].name == "MDC_PRESS_BLD_ART_MEAN"
    assert found["P1 systolic"].code == 150033
    assert found["NIBP systolic"].episodic
    assert found["HR"].source_utc == pytest.approx(found["HR"].received_utc, abs=1)
    assert talk.line.damaged == 0


def test_waves_are_whole() -> None:
    talk = Talk()
    talk.run(5.0)
    ecg = waves(talk.found, "ECG1")
    assert (ecg[0].rate_hz, ecg[0].unit, ecg[0].scale) == (300, "mV", 0.001)
    assert [one.first for one in ecg] == [60 * n for n in range(len(ecg))]
    raw = [one for wave in ecg for one in unpack_samples(wave.samples)]
    assert max(one or 0 for one in raw) * 0.001 == pytest.approx(1.2, abs=0.05)
    assert waves(talk.found, "PLETH")
    assert waves(talk.found, "CO2")


def test_no_value_is_none() -> None:
    talk = Talk(Faults(lead_off=True))
    talk.run(6.0)
    assert {one.validity for one in values(talk.found).values()} == {"invalid"}
    assert set(unpack_samples(waves(talk.found, "ECG1")[0].samples)) == {None}


def test_monitor_that_restarts_is_asked_again() -> None:
    talk = Talk()
    talk.run(6.0)
    talk.faults.reboot = True
    talk.run(1.0)
    talk.found.clear()
    talk.run(SILENT_S + 2.0)
    assert values(talk.found)


@pytest.mark.parametrize("fault", ["checksum", "half", "garbage 300"])
def test_damage_costs_only_its_record(fault: str) -> None:
    talk = Talk()
    talk.run(6.0)
    talk.faults.command(fault, talk.now)
    talk.run(12.0)
    assert talk.line.damaged >= 1
    assert {
        one.value for one in talk.found if isinstance(one, Numeric) and one.label == "SpO2"
    } == {97}


def test_record_whose_offsets_do_not_fit_is_refused() -> None:
    line = Dri("m1", waves=True, now=0.0)
    head = struct.pack("<hBBHIBBHh", 50, 1, 5, 7, 0, 0, 0, 0, 0)
    for listed in (b"\x20\x00\x01", b"\xff\xff\x01", b"\x00\x00\x01\x00\x00\x01"):
        record = head + (listed + b"\0\0\xff").ljust(24, b"\0") + bytes(10)
        line.receive(write_record(record), 0.0, NOW_UTC)
    assert line.damaged == 3
    assert line.observations() == []


def recorded() -> bytes:
    talk = Talk()
    talk.run(6.0)
    return b"".join(talk.heard)


RECORDED = recorded()


@pytest.mark.parametrize("number", range(60))
def test_damaged_stream_changes_no_value(number: int) -> None:
    """Fixed seeds: of damaged frames one in 256 has a right sum."""
    rng = random.Random(number)
    stream = bytearray(RECORDED)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(stream))
        del stream[at : at + rng.randint(1, 10)]
    line = Dri("m1", waves=True, now=0.0)
    step = rng.randint(1, 300)
    for at in range(0, len(stream), step):
        line.receive(bytes(stream[at : at + step]), 1.0, NOW_UTC)
    found = line.observations()
    assert unpack(pack(found)) == found
    assert {one.value for one in found if isinstance(one, Numeric) and one.label == "SpO2"} <= {97}


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    line = Dri("m1", waves=True, now=0.0)
    line.receive(data, 0.0, NOW_UTC)
    line.receive(RECORDED, 1.0, NOW_UTC)
    assert values(line.observations())


def test_a_record_without_subrecords_says_nothing() -> None:
    """Found by a million damaged records: it once ended the service."""
    record = struct.pack("<h14x", 41) + b"\0\0\xff" * 8 + b"\0"
    line = Dri("m1", waves=True, now=0.0)
    line.receive(write_record(record), 0.0, NOW_UTC)
    assert (line.readable, line.damaged, line.observations()) == (1, 0, [])
