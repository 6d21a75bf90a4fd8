"""Philips IntelliVue: wire format against published bytes, conversation, values, damage."""

import contextlib
import random
import struct
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.observation import (
    Alarm,
    Incident,
    Numeric,
    Observation,
    Wave,
    pack,
    unpack,
    unpack_samples,
)
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals.monitors import intellivue_wire as wire
from edgebox.vitals.monitors.intellivue import SILENT_S, IntelliVue
from edgebox.vitals.monitors.intellivue_frame import Deframer, crc16_x25, write_frame

NOW_UTC = 1_795_000_000.0

# The guide's own examples, as programs in public use send them (VSCapture, pymind).
ASSOCIATION_REQUEST = bytes.fromhex(
    "0dec0508130100160102800014020002c1dc3180a0808001010000a280a003000001a480308002"
    "0101060452010001308006025101000000003080020102060c2a8648ce14020100000001013080"
    "060c2a8648ce140201000000020100000000000061803080020101a0806080a180060c2a8648ce"
    "14020100000003010000be802880060c2a8648ce14020100000001010201028148800000004000"
    "0000000000008000000020000000000000000001002c0001002880000000000009c4000009c400"
    "0003e8ffffffff600000000001000cf00100088c00000000000000000000000000000000000000"
    "00000000"
)
MDS_CREATE_RESULT = bytes.fromhex(
    "e1000002000200140001000100 0e0021000000000 00abd000d060000".replace(" ", "")
)
SINGLE_POLL = bytes.fromhex(
    "e100000200010 01c00010007001600210000000000000000 0c16000800010001002 1080c".replace(" ", "")
)
EXTENDED_POLL = bytes.fromhex(
    "e10000020001002800040007002200210000000000000000f13b0014000300010009000000010008"
    "f13e000400493e00"
)
SET_WAVES = bytes.fromhex(
    "e10000020001002200000005001c00210000000000000000000 1000e0000f23a00080001000400020102".replace(
        " ", ""
    )
)
RELEASE = bytes.fromhex("0918c11661803080020101a08062808001000000000000000000")


def test_requests_are_as_published() -> None:
    assert wire.associate() == ASSOCIATION_REQUEST
    assert wire.confirm(wire.Created(1, 0x000ABD00, ())) == MDS_CREATE_RESULT
    assert wire.poll(1, 1, wire.MDS, wire.GROUP_IDENTITY) == SINGLE_POLL
    assert wire.poll_extended(4, 3, wire.WAVE, 0x00493E00) == EXTENDED_POLL
    assert wire.choose_waves(0, (0x00020102,)) == SET_WAVES
    assert wire.release() == RELEASE


def test_crc_has_its_published_check_value() -> None:
    assert crc16_x25(b"123456789") == 0x906E


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (0xFD007D00, 32.0),
        (0x00000140, 320.0),
        (0xFE000E60, 36.8),
        (0x02000001, 100.0),
        (0x00FFFFFF, -1.0),
        (0x007FFFFF, None),
        (0x00800000, None),
        (0x007FFFFE, None),
        (0x00800002, None),
    ],
)
def test_floats(data: int, value: float | None) -> None:
    assert wire.to_float(data) == value


def test_times() -> None:
    assert wire.to_utc(bytes.fromhex("2026010112000050"), ZoneInfo("Europe/Oslo")) == 1767265200.5
    assert wire.to_utc(bytes.fromhex("2026130112000050"), UTC) is None
    assert wire.to_utc(bytes.fromhex("ffffffffffffffff"), UTC) is None


class Talk:
    """A monitor and us, in virtual time."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.now = 0.0
        self.faults = faults or Faults()
        self.monitor = IntelliVueMonitor(Patient(), self.faults, now=0.0)
        self.us = IntelliVue("m1", UTC, waves=True, now=0.0)
        self.found: list[Observation] = []
        self.to_us: list[bytes] = []
        self.lose = 0.0
        self.random = random.Random(1)

    @property
    def now_utc(self) -> float:
        return NOW_UTC + self.now

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.064
            if self.now >= self.us.next_timeout():
                self.us.handle_timeout(self.now)
            answers = self.monitor.tick(self.now, self.now_utc)
            for message in self.us.messages_to_send():
                answers += self.monitor.receive(message, self.now, self.now_utc)
            for message in answers:
                self.to_us.append(message)
                if self.random.random() >= self.lose:
                    self.us.receive(message, self.now, self.now_utc)
            self.found += self.us.observations()


def values(found: list[Observation]) -> dict[str, Numeric]:
    return {one.label + "/" + one.name: one for one in found if isinstance(one, Numeric)}


def waves(found: list[Observation], name: str = "MDC_ECG_ELEC_POTL_II") -> list[Wave]:
    return [one for one in found if isinstance(one, Wave) and one.name == name]


def test_monitor_is_associated_and_says_its_values() -> None:
    talk = Talk()
    talk.run(5.0)
    assert talk.us.name == "Philips SIM MX450"
    found = values(talk.found)
    assert {name: (one.value, one.unit) for name, one in found.items()} == {
        "HR/MDC_ECG_HEART_RATE": (72, "/min"),
        "SpO2/MDC_PULS_OXIM_SAT_O2": (97, "%"),
        "Pulse/MDC_PLETH_PULS_RATE": (72, "/min"),
        "RR/MDC_RESP_RATE": (14, "/min"),
        "Temp/MDC_TEMP": (36.8, "Cel"),
        "NBP/MDC_PRESS_BLD_NONINV_SYS": (128, "mm[Hg]"),
        "NBP/MDC_PRESS_BLD_NONINV_DIA": (76, "mm[Hg]"),
        "NBP/MDC_PRESS_BLD_NONINV_MEAN": (93, "mm[Hg]"),
    }
    assert found["HR/MDC_ECG_HEART_RATE"].loinc == "8867-4"
    heart = found["HR/MDC_ECG_HEART_RATE"]
    assert heart.source_utc is not None
    assert abs(heart.source_utc - heart.received_utc) < 0.1
    cuff = found["NBP/MDC_PRESS_BLD_NONINV_SYS"]
    assert cuff.episodic
    assert not heart.episodic
    assert cuff.source_utc == pytest.approx(
        values(talk.found[:20])["NBP/MDC_PRESS_BLD_NONINV_SYS"].source_utc
    )


def test_waves_are_whole_and_in_millivolts() -> None:
    talk = Talk()
    talk.run(5.0)
    found = waves(talk.found)
    assert len(found) >= 15
    assert found[0].rate_hz == 500
    assert found[0].unit == "mV"
    assert [one.first for one in found] == [128 * n for n in range(len(found))]
    raw = [one for wave in found for one in unpack_samples(wave.samples)]
    highest = max(one for one in raw if one is not None) * found[0].scale + found[0].offset
    assert highest == pytest.approx(1.2, abs=0.02)
    pleth = waves(talk.found, "MDC_PULS_OXIM_PLETH")
    assert (pleth[0].rate_hz, pleth[0].scale) == (125, 1.0)


def test_association_is_kept_for_minutes() -> None:
    talk = Talk()
    talk.run(150.0)
    assert sum(request[0] == wire.ASSOCIATE for request in talk.monitor.requests) == 1
    hearts = [one for one in talk.found if isinstance(one, Numeric) and one.label == "HR"]
    assert len(hearts) >= 140
    found = waves(talk.found)
    assert [one.first for one in found] == [128 * n for n in range(len(found))]


def test_lost_datagrams_are_gaps_with_their_true_length() -> None:
    talk = Talk()
    talk.run(4.0)
    talk.lose = 0.3
    talk.run(30.0)
    talk.lose = 0.0
    talk.run(3.0)
    found = waves(talk.found)
    sent = [message for message in talk.to_us if message[0] == 0xE1 and _is_wave(message)]
    assert len(found) < len(sent)
    assert found[-1].first + 128 - found[0].first == 128 * len(sent)


def _is_wave(message: bytes) -> bool:
    decoded = wire.decode(message)
    return isinstance(decoded, wire.PollResult) and decoded.object_class == wire.WAVE


def test_datagram_that_comes_twice_counts_once() -> None:
    talk = Talk()
    talk.run(4.0)
    last = next(m for m in reversed(talk.to_us) if _is_wave(m))
    talk.us.receive(last, talk.now, talk.now_utc)
    assert talk.us.observations() == []


@pytest.mark.parametrize(("fault", "validity"), [("lead-off", "invalid"), ("demo", "demo")])
def test_what_is_not_a_patients_value_says_so(fault: str, validity: str) -> None:
    faults = Faults()
    faults.command(fault, 0.0)
    talk = Talk(faults)
    talk.run(3.0)
    heart = values(talk.found)["HR/MDC_ECG_HEART_RATE"]
    assert heart.validity == validity
    assert (heart.value is None) == (validity == "invalid")
    (wave, *_) = waves(talk.found)
    assert wave.validity == validity
    assert (set(unpack_samples(wave.samples)) == {None}) == (validity == "invalid")


def test_alarms_are_its_own_words_and_end_when_it_no_longer_says_them() -> None:
    talk = Talk()
    talk.run(3.0)
    talk.faults.alarms.append("** SpO2 LAV")
    talk.run(3.0)
    talk.faults.alarms.clear()
    talk.run(3.0)
    alarms = [one for one in talk.found if isinstance(one, Alarm)]
    assert [(one.text, one.state, one.priority) for one in alarms] == [
        ("** SpO2 LAV", "active", "medium patient"),
        ("** SpO2 LAV", "end", "medium patient"),
    ]


def test_monitor_that_restarts_is_taken_up_again() -> None:
    talk = Talk()
    talk.run(5.0)
    talk.faults.reboot = True
    talk.run(1.0)
    before = len(talk.found)
    talk.run(SILENT_S + 8.0)
    assert any(isinstance(one, Numeric) for one in talk.found[before:])


def test_monitor_that_holds_an_old_association_is_taken_up_again() -> None:
    talk = Talk()
    talk.run(5.0)
    talk.us = IntelliVue("m1", UTC, waves=True, now=talk.now)
    before = len(talk.found)
    talk.run(8.0)
    assert any(isinstance(one, Numeric) for one in talk.found[before:])


def test_abort_is_said() -> None:
    talk = Talk()
    talk.run(5.0)
    talk.us.receive(bytes([wire.ABORT, 0]), talk.now, talk.now_utc)
    (incident,) = [one for one in talk.us.observations() if isinstance(one, Incident)]
    assert incident.what == "restarted"


def test_leaving_lets_the_next_association_in_at_once() -> None:
    talk = Talk()
    talk.run(5.0)
    (answer,) = talk.monitor.receive(talk.us.leave(), talk.now, talk.now_utc)
    assert wire.decode(answer) == wire.Association(wire.RELEASED)


# Damage


def recorded() -> list[bytes]:
    talk = Talk(Faults(alarms=["ASYSTOLE"]))
    talk.run(4.0)
    return talk.to_us


RECORDED = recorded()


@given(st.integers(0, len(RECORDED) - 1), st.integers(0, 2**32))
def test_damaged_messages_are_read_or_refused(index: int, number: int) -> None:
    rng = random.Random(number)
    data = bytearray(RECORDED[index])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        data[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        if not data:
            break
    us = IntelliVue("m1", UTC, waves=True, now=0.0)
    for message in (*RECORDED[:3], bytes(data)):
        with contextlib.suppress(RemoteProtocolError):
            us.receive(message, 1.0, NOW_UTC)
    found = us.observations()
    assert unpack(pack(found)) == found


@given(st.integers(0, len(RECORDED) - 1), st.data())
def test_message_that_is_cut_off_gives_nothing(index: int, data: st.DataObject) -> None:
    message = RECORDED[index]
    cut = data.draw(st.integers(0, len(message) - 1))
    us = IntelliVue("m1", UTC, waves=True, now=0.0)
    with pytest.raises(RemoteProtocolError):
        us.receive(message[:cut], 1.0, NOW_UTC)
    assert us.observations() == []


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for head in (b"", b"\xe1\x00\x00\x02", struct.pack(">HHHH", 0xE100, 2, 2, len(data))):
        with contextlib.suppress(RemoteProtocolError):
            wire.decode(head + data)


# Serial


@given(st.binary(max_size=300))
def test_frame_comes_back(message: bytes) -> None:
    deframer = Deframer()
    assert deframer.receive(write_frame(message)) == [message]
    assert deframer.damaged == 0


def test_length_that_does_not_fit_is_damage() -> None:
    body = b"\x11\x01\x00\x05ab"
    body += crc16_x25(body).to_bytes(2, "little")
    deframer = Deframer()
    assert deframer.receive(b"\xc0" + body + b"\xc1") == []
    assert deframer.damaged == 1


@given(st.lists(st.integers(1, 200), max_size=20), st.binary(max_size=40))
def test_stream_cut_anywhere_gives_the_same_messages(cuts: list[int], garbage: bytes) -> None:
    messages = RECORDED[:6]
    stream = garbage + b"".join(write_frame(message) for message in messages)
    deframer, found, at = Deframer(), [], 0
    for cut in [*cuts, len(stream)]:
        found += deframer.receive(stream[at : at + cut])
        at += cut
    assert found == messages


@given(st.integers(0, 2**32))
def test_no_flipped_bit_gets_through(number: int) -> None:
    rng = random.Random(number)
    frames = [write_frame(message) for message in RECORDED[:4]]
    damaged = bytearray(frames[1])
    damaged[rng.randrange(1, len(damaged) - 1)] ^= 1 << rng.randrange(8)
    deframer = Deframer()
    found = deframer.receive(frames[0] + bytes(damaged) + frames[2] + frames[3])
    assert found[0] == RECORDED[0]
    assert found[-2:] == RECORDED[2:4] or found[-1] == RECORDED[3]
    assert all(message in RECORDED for message in found)
    assert RECORDED[1] not in found[1:-1]


def test_aborted_frame_is_no_damage() -> None:
    deframer = Deframer()
    assert deframer.receive(b"\xc0\x11\x01\x7d\xc1" + write_frame(b"abc")) == [b"abc"]
    assert deframer.damaged == 0


def test_endless_frame_does_not_fill_the_memory() -> None:
    deframer = Deframer()
    deframer.receive(b"\xc0" + b"x" * 100_000)
    assert deframer.receive(write_frame(b"abc")) == [b"abc"]
    assert deframer.damaged >= 1
