"""Dräger MEDIBUS: conversation, values, alarms, realtime, damage."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.observation import Alarm, Numeric, Observation, Wave, pack, unpack, unpack_samples
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.medibus import CYCLE_S, MedibusMonitor
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals.monitors.medibus import ESC, SOH, Medibus, write_frame
from edgebox.vitals.monitors.medibus_realtime import Stream

NOW_UTC = 1_795_000_000.0


class Talk:
    """A ventilator and us, in virtual time."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.device = MedibusMonitor(Patient(), self.faults, now=0.0)
        self.line = Medibus("m1", waves=True, now=0.0)
        self.now = 0.0
        self.found: list[Observation] = []
        self.sent = b""
        self.heard: list[bytes] = []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.02
            due = self.line.next_timeout()
            if due is not None and self.now >= due:
                self.line.handle_timeout(self.now)
            out = self.line.data_to_send()
            self.sent += out
            answer = self.device.take(out, self.now, NOW_UTC) + self.device.tick(self.now, NOW_UTC)
            self.heard.append(answer)
            self.line.receive(answer, self.now, NOW_UTC + self.now)
            self.found += self.line.observations()


def values(found: list[Observation]) -> dict[str, Numeric]:
    return {one.label: one for one in found if isinstance(one, Numeric)}


def waves(found: list[Observation], name: str) -> list[Wave]:
    return [one for one in found if isinstance(one, Wave) and one.name == name]


def test_frames_are_as_documented() -> None:
    assert write_frame(ESC, 0x51) == b"\x1b\x51\x36\x43\x0d"  # 1B + 51 = 6C
    assert write_frame(ESC, 0x24) == b"\x1b\x24\x33\x46\x0d"
    assert write_frame(SOH, 0x30) == b"\x01\x30\x33\x31\x0d"


def test_values_are_what_the_device_says() -> None:
    talk = Talk()
    talk.run(4.0)
    assert talk.line.name == "Draeger Evita 4"
    found = values(talk.found)
    assert {label: (one.value, one.unit) for label, one in found.items()} == {
        "Peak breathing pressure": (25, "mbar"),
        "Mean breathing pressure": (12, "mbar"),
        "PEEP": (5, "mbar"),
        "Respiratory rate": (14, "/min"),
        "End-tidal CO2": (38, "mm[Hg]"),
        "Minute volume": (6.3, "L/min"),
        "Oxygen saturation": (97, "%"),
        "Airway temperature": (None, "Cel"),
    }
    assert found["Oxygen saturation"].loinc == "59408-5"
    assert found["Airway temperature"].validity == "unavailable"
    assert talk.line.damaged == 0


def test_realtime_is_split_off_and_scaled() -> None:
    talk = Talk()
    talk.run(10.0)
    pressure = waves(talk.found, "MDC_PRESS_AWAY")
    assert {(one.rate_hz, one.unit) for one in pressure} == {(1 / CYCLE_S, "mbar")}
    samples = [one for wave in pressure for one in unpack_samples(wave.samples)]
    levels = [one * pressure[0].scale + pressure[0].offset for one in samples if one is not None]
    assert None not in samples
    assert min(levels) == pytest.approx(5, abs=0.1)
    assert max(levels) == pytest.approx(25, abs=0.1)
    following = [one.first + len(unpack_samples(one.samples)) for one in pressure]
    assert [one.first for one in pressure[1:]] == following[:-1]
    assert waves(talk.found, "MDC_FLOW_AWAY")
    assert waves(talk.found, "MDC_AWAY_CO2")


def test_alarms_begin_and_end_in_the_devices_words() -> None:
    talk = Talk()
    talk.run(3.0)
    talk.faults.alarms.append("APNOE")
    talk.run(3.0)
    talk.faults.alarms.clear()
    talk.run(3.0)
    alarms = [one for one in talk.found if isinstance(one, Alarm)]
    assert [(one.text, one.state, one.priority) for one in alarms] == [
        ("APNOE", "active", "7"),
        ("APNOE", "end", "7"),
    ]


def test_silence_of_three_seconds_begins_anew() -> None:
    talk = Talk()
    talk.run(3.0)
    talk.faults.command("silence 6", talk.now)
    talk.run(7.0)
    talk.found.clear()
    talk.run(4.0)
    assert talk.sent.count(write_frame(ESC, 0x51)) >= 2
    assert values(talk.found)
    assert waves(talk.found, "MDC_PRESS_AWAY")


def test_what_the_device_asks_is_answered() -> None:
    line = Medibus("m1", waves=False, now=0.0)
    line.receive(write_frame(ESC, 0x51) + write_frame(ESC, 0x30) + write_frame(ESC, 0x52), 0.0, 0.0)
    out = line.data_to_send()
    assert out.startswith(write_frame(SOH, 0x51))
    assert write_frame(SOH, 0x30) in out
    assert b"\x01\x52" in out
    assert b"'edgebox'" in out


def test_leaving_stops_the_conversation() -> None:
    talk = Talk()
    talk.run(2.0)
    assert talk.line.leave() == write_frame(ESC, 0x55)


def test_corrupt_cycle_is_a_gap() -> None:
    talk = Talk()
    talk.run(3.0)
    talk.line.receive(b"\xd7\x81\x82\x83\xd7", talk.now, NOW_UTC)
    talk.run(2.0)
    pressure = waves(talk.found, "MDC_PRESS_AWAY")
    samples = [one for wave in pressure for one in unpack_samples(wave.samples)]
    assert 1 <= samples.count(None) <= 2
    assert talk.line.damaged >= 1


@pytest.mark.parametrize("fault", ["checksum", "half"])
def test_damaged_answer_gives_nothing_and_costs_only_itself(fault: str) -> None:
    talk = Talk()
    talk.run(3.0)
    for _ in range(5):
        talk.faults.command(fault, talk.now)
        talk.run(1.0)
    assert talk.line.damaged >= 1
    assert {one.value for one in talk.found if isinstance(one, Numeric) and one.unit == "%"} == {97}


def test_streams_of_other_forms_are_refused() -> None:
    good = b"00    8000  -10  1007D0"
    assert Stream.read_all(good) == [Stream(0, 8000, -10, 100, 0x7D0)]
    assert Stream.read_all(good[:-1]) is None
    assert Stream.read_all(b"0x" + good[2:]) is None
    assert Stream.read_all(b"") == []
    flat = Stream.read_all(b"00    8000  100  1007D0")
    assert flat is not None
    assert not flat[0].is_usable


def recorded() -> list[bytes]:
    talk = Talk(Faults(alarms=["APNOE"]))
    talk.run(4.0)
    return [one for one in talk.heard if one]


RECORDED = recorded()


@pytest.mark.parametrize("number", range(60))
def test_damaged_stream_changes_no_value(number: int) -> None:
    """Fixed seeds: of damaged frames one in 256 has a right sum."""
    rng = random.Random(number)
    stream = bytearray(b"".join(RECORDED))
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(stream))
        del stream[at : at + rng.randint(1, 10)]
    line = Medibus("m1", waves=True, now=0.0)
    step = rng.randint(1, 200)
    for at in range(0, len(stream), step):
        line.receive(bytes(stream[at : at + step]), 1.0, NOW_UTC)
        line.data_to_send()
    found = line.observations()
    assert unpack(pack(found)) == found
    saturation = [one.value for one in found if isinstance(one, Numeric) and one.code == 150456]
    assert set(saturation) <= {97.0}


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    line = Medibus("m1", waves=True, now=0.0)
    line.receive(data, 0.0, NOW_UTC)
    line.receive(b"".join(RECORDED), 1.0, NOW_UTC)
    assert values(line.observations())
