"""HL7 from monitors: what they really send, and what they send when something is wrong."""

import contextlib
import random
import time
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import hl7 as python_hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.observation import Alarm, Numeric, Observation, Wave, pack, unpack, unpack_samples
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.patient import LEADS, Patient
from edgebox.vitals.monitors import hl7, hl7_message
from edgebox.vitals.monitors.mllp import END_S, MESSAGE_MAX_BYTES, Mllp, frame

OSLO = ZoneInfo("Europe/Oslo")
NOW = 1_795_000_000.0

WCM = (
    b"MSH|^~\\&|MINDRAY|WARD|||20260124131540+0800||ORU^R01|42|P|2.3.1||||||UNICODE UTF-8\r"
    b"OBR|1||1227^MINDRAY_^00A037000000^EUI-64|CONTINUOUS WAVEFORM|||20260124131539000+0800\r"
    b"OBX|1|NA|131329^MDC_ECG_ELEC_POTL_I^MDC|1.7.6.131329|80^88^32767^92|262656^MDC_DIM_DIMLESS^MDC\r"
    b"OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|1.7.6.131329.1|500|264640^MDC_DIM_HZ^MDC\r"
    b"OBX|3|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|1.7.6.131329.2|0.001221|266418^MDC_DIM_MILLI_VOLT^MDC\r"
    b"OBX|5|NA|150452^MDC_PULS_OXIM_PLETH^MDC|1.7.6.150452|Pleth signal\r"
    b"OBX|6|NM|0^MDC_ATTR_SAMP_RATE^MDC|1.7.6.150452.1|125|264640^MDC_DIM_HZ^MDC|||||R\r"
)
"""In the form that a Mindray eGateway sends, after examples in public repositories."""

MILLIVOLTS = (
    b"MSH|^~\\&|ECG||||20150617120000||ORU^R01^ORU_R01|7|P|2.6\r"
    b"OBR|1|||CONTINUOUS WAVEFORM|||20150617120000.000|20150617120001.000\r"
    b"OBX|1|NA|131329^MDC_ECG_LEAD_I^MDC|1.1.1.1|-0.53714565^-0.54203324^1.5|266418^MDC_DIM_MILLI_VOLT^MDC|||||F|||20150617120000.000\r"
    b"OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|1.1.1.1.1|150.0|264608^MDC_DIM_PER_SEC|||||F\r"
)

GE_ALARM = (
    b"MSH|^~\\&|GE_Mural|LAB|ASCOM|LAB|20210122052031.040+0000||"
    b"ORU^R40^ORU_R40|75063efd|P|2.6|||AL|NE||UNICODE UTF-8\n"
    b"PID|||PID-12345||Robert^Julie^|\n"
    b"OBR|1|56eb716f^GE|56eb716f^GE|196616^MDC_EVT_ALARM^MDC|||20210120082326.275+0000\n"
    b"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X\n"
    b"OBX|2|ST|0^MDCX_EVT_ALERT_ADVISORY^MDC|1.0.0.0.1|HYPERTENSION-Alert Recheck BP"
    b"|||A~PM~SA|||R|||20210120082326.275+0000\n"
    b"OBX|3|ST|68164^MDC_ATTR_ALERT_SOURCE^MDC|1.0.0.0.2|GE_Mural|||A~PM~SA|||R\n"
    b"OBX|4|ST|68165^MDC_ATTR_EVENT_PHASE^MDC|1.0.0.0.3|update|||A~PM~SA|||R\n"
    b"OBX|5|ST|68166^MDC_ATTR_ALERT_STATE^MDC|1.0.0.0.4|active|||A~PM~SA|||R\n"
    b"OBX|7|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.0.0.0.6|PM|||A~PM~SA|||R\n"
)
"""After an example of GE in a public repository, names changed."""


def read(text: bytes, zone: ZoneInfo = OSLO) -> list[Observation]:
    return hl7.Reader("m1", zone).read(hl7_message.parse(text), NOW)


def values(found: list[Observation]) -> dict[str, Numeric]:
    return {one.name: one for one in found if isinstance(one, Numeric)}


def waves(found: list[Observation]) -> dict[str, Wave]:
    return {one.name: one for one in found if isinstance(one, Wave)}


def numeric(obx: str, head: str = "ORU^R01^ORU_R01") -> Numeric:
    message = (
        f"MSH|^~\\&|M||||20260101120000||{head}|1|P|2.6\rOBR|1||||||20260101120000\rOBX|1|{obx}\r"
    )
    (found,) = read(message.encode())
    assert isinstance(found, Numeric)
    return found


def monitor(faults: Faults | None = None, *, waves: bool = True) -> Hl7Monitor:
    return Hl7Monitor(Patient(), faults or Faults(), waves=waves)


def unframed(framed: bytes) -> bytes:
    (message,) = Mllp().receive(framed, 0.0)
    return message


# Values


def test_simulated_monitor_says_what_its_patient_has() -> None:
    found = values(read(unframed(monitor().message(NOW))))
    assert {name: (one.value, one.unit, one.loinc) for name, one in found.items()} == {
        "MDC_ECG_HEART_RATE": (72, "/min", "8867-4"),
        "MDC_PULS_OXIM_SAT_O2": (97, "%", "59408-5"),
        "MDC_PULS_OXIM_PULS_RATE": (72, "/min", "8889-8"),
        "MDC_RESP_RATE": (14, "/min", "9279-1"),
        "MDC_TEMP": (36.8, "Cel", "8310-5"),
        "MDC_CONC_AWAY_CO2_ET": (38, "mm[Hg]", "19889-5"),
        "MDC_PRESS_BLD_NONINV_SYS": (128, "mm[Hg]", "8480-6"),
        "MDC_PRESS_BLD_NONINV_DIA": (76, "mm[Hg]", "8462-4"),
        "MDC_PRESS_BLD_NONINV_MEAN": (93, "mm[Hg]", "8478-0"),
    }
    assert {one.source_utc for one in found.values()} == {NOW}
    assert {one.received_utc for one in found.values()} == {NOW}
    assert {one.validity for one in found.values()} == {"valid"}
    assert [name for name, one in found.items() if one.episodic] == [
        name for name in found if "NONINV" in name
    ]


def test_cuff_keeps_its_own_time() -> None:
    sim = monitor(waves=False)
    sim.message(NOW)
    found = values(read(unframed(sim.message(NOW + 10))))
    assert found["MDC_PRESS_BLD_NONINV_SYS"].source_utc == NOW
    assert found["MDC_ECG_HEART_RATE"].source_utc == NOW + 10


@pytest.mark.parametrize(
    ("field", "value", "validity"),
    [
        ("97", 97.0, "valid"),
        ("97.5 ", 97.5, "valid"),
        ("0", 0.0, "valid"),
        ("-999", None, "unavailable"),
        ("-100", None, "unavailable"),
        ("-99.9", None, "unavailable"),
        ("-1", None, "unavailable"),
        ("", None, "unavailable"),
        ("---", None, "unavailable"),
        ("NaN", None, "unavailable"),
        ("1e999", None, "unavailable"),
        ("\uff19\uff17", None, "unavailable"),
    ],
)
def test_what_stands_for_no_value(field: str, value: float | None, validity: str) -> None:
    found = numeric(f"NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1|{field}|262688^MDC_DIM_PERCENT^MDC")
    assert (found.value, found.validity) == (value, validity)


def test_minus_one_is_a_venous_pressure_and_uncertain_where_nothing_is_known() -> None:
    cvp = numeric("NM|150087^MDC_PRESS_BLD_VEN_CENT_MEAN^MDC|1.1|-1|266016^MDC_DIM_MMHG^MDC")
    assert (cvp.value, cvp.validity) == (-1.0, "valid")
    other = numeric("NM|4711^BASE EXCESS^99X|1.1|-1|mmol/L")
    assert (other.value, other.validity) == (-1.0, "questionable")


@pytest.mark.parametrize(
    ("flags", "status", "validity"),
    [
        ("", "R", "valid"),
        ("H~A", "F", "valid"),
        ("DEMO", "R", "demo"),
        ("QUES", "R", "questionable"),
        ("QUES~DEMO", "R", "demo"),
        ("INV", "R", "invalid"),
        ("NAV", "X", "unavailable"),
        ("CALB", "R", "calibrating"),
        ("TEST", "R", "test"),
        ("", "X", "unavailable"),
        ("", "W", "invalid"),
    ],
)
def test_validity_is_what_the_monitor_says(flags: str, status: str, validity: str) -> None:
    found = numeric(f"NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1|97|%^^UCUM||{flags}|||{status}")
    assert found.validity == validity
    assert (found.value is None) == (validity in {"invalid", "unavailable"})


def test_two_values_of_one_kind_are_told_apart() -> None:
    text = (
        b"MSH|^~\\&|M||||20260101120000||ORU^R01|1|P|2.6\rOBR|1||||||20260101120000\r"
        b"OBX|1|NM|150344^MDC_TEMP^MDC|1.4.1|36.8|268192^MDC_DIM_DEGC^MDC\r"
        b"OBX|2|NM|150344^MDC_TEMP^MDC|1.4.2|31.2|268192^MDC_DIM_DEGC^MDC\r"
    )
    found = [one for one in read(text) if isinstance(one, Numeric)]
    assert [(one.value, one.channel) for one in found] == [(36.8, "1.4.1"), (31.2, "1.4.2")]


def test_message_type_without_structure_and_own_separators_are_read() -> None:
    assert numeric("NM|150456^X^MDC|1|97|%", head="ORU^R01").value == 97
    text = b"MSH$%~\\&$M$$$$20260101120000$$ORU%R01$1$P$2.6\rOBX$1$NM$150456%SPO2%MDC$1$97$bpm\r"
    (found,) = read(text)
    assert isinstance(found, Numeric)
    assert (found.code, found.value, found.unit) == (150456, 97, "/min")


def test_unit_that_is_not_known_is_kept_in_braces() -> None:
    assert numeric("NM|1^ICP^99|1|3|mm of x").unit == "{mmofx}"


def test_letters_of_every_character_set() -> None:
    for charset, encoding in (("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1"), ("", "latin-1")):
        text = (
            f"MSH|^~\\&|M||||20260101||ORU^R40|1|P|2.6||||||{charset}\rOBR|1||9\r"
            "OBX|1|ST|1^MDC_EVT_X^MDC|1|Apné \\T\\ blødning\r"
        )
        (alarm,) = read(text.encode(encoding))
        assert isinstance(alarm, Alarm)
        assert alarm.text == "Apné & blødning"


# Times


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("20260101120000+0100", UTC, 1767265200.0),
        ("20260101110000Z", UTC, None),
        ("20260101120000", timezone(timedelta(hours=1)), 1767265200.0),
        ("202601011200+0100", UTC, 1767265200.0),
        ("20260101120000.25+0100", UTC, 1767265200.25),
        ("20260101120000.123456789+0100", UTC, 1767265200.123456),
        ("20261301120000", UTC, None),
        ("20260101120000+9999", UTC, None),
        ("2026", UTC, None),
        ("", UTC, None),
        ("garbage", UTC, None),
    ],
)
def test_times(text: str, zone: timezone, expected: float | None) -> None:
    assert hl7_message.read_time(text, zone) == expected


def test_time_without_zone_is_the_configured_one() -> None:
    text = (
        b"MSH|^~\\&|M||||x||ORU^R01|1|P|2.6\rOBR|1||||||20260701120000\rOBX|1|NM|150456^S^M|1|9|%\r"
    )
    assert read(text)[0].source_utc == 1782900000.0


def test_day_old_time_is_kept_as_the_monitor_says_it() -> None:
    faults = Faults(clock_s=-86_400)
    found = values(read(unframed(monitor(faults).message(NOW))))
    assert found["MDC_ECG_HEART_RATE"].source_utc == NOW - 86_400
    assert found["MDC_ECG_HEART_RATE"].received_utc == NOW


# Waves


def test_simulated_waves_are_whole() -> None:
    sim, reader = monitor(), hl7.Reader("m1", OSLO)
    for n in range(3):
        found = waves(reader.read(hl7_message.parse(unframed(sim.message(NOW + n))), NOW + n))
        assert len(found) == len(LEADS) + 1
        ecg = found["MDC_ECG_ELEC_POTL_II"]
        assert (ecg.rate_hz, ecg.unit, ecg.scale, ecg.first) == (500, "mV", 0.005, 500 * n)
        assert ecg.source_utc == NOW + n - 1
        samples = unpack_samples(ecg.samples)
        assert samples == [
            round(Patient().ecg_mv("II", NOW + n - 1 + k / 500) / 0.005) for k in range(500)
        ]


def test_lead_off_is_a_gap_and_an_invalid_value() -> None:
    found = read(unframed(monitor(Faults(lead_off=True)).message(NOW)))
    assert set(unpack_samples(waves(found)["MDC_ECG_ELEC_POTL_II"].samples)) == {None}
    assert values(found)["MDC_ECG_HEART_RATE"].validity == "invalid"


def test_missing_second_is_a_jump_of_the_sample_number() -> None:
    sim, reader = monitor(), hl7.Reader("m1", OSLO)
    firsts = []
    for n in range(4):
        message = hl7_message.parse(unframed(sim.message(NOW + n)))
        if n != 2:
            found = waves(reader.read(message, NOW + n))
            firsts.append(found["MDC_ECG_ELEC_POTL_II"].first)
    assert firsts == [0, 500, 1500]


def test_wave_in_the_form_of_an_egateway() -> None:
    (wave,) = read(WCM)
    assert isinstance(wave, Wave)
    assert (wave.rate_hz, wave.scale, wave.unit, wave.validity) == (500, 0.001221, "mV", "valid")
    assert unpack_samples(wave.samples) == [80, 88, None, 92]
    assert wave.source_utc == 1769231739.0


def test_wave_in_millivolts_becomes_whole_numbers() -> None:
    (wave,) = read(MILLIVOLTS)
    assert isinstance(wave, Wave)
    samples = [one * wave.scale for one in unpack_samples(wave.samples) if one is not None]
    assert samples == pytest.approx([-0.53714565, -0.54203324, 1.5])
    assert wave.rate_hz == 150


def test_unreadable_wave_does_not_take_the_values_with_it() -> None:
    reader = hl7.Reader("m1", OSLO)
    text = WCM + b"OBX|9|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.2.1|97|262688^MDC_DIM_PERCENT^MDC\r"
    found = reader.read(hl7_message.parse(text), NOW)
    assert values(found)["MDC_PULS_OXIM_SAT_O2"].value == 97
    assert reader.unreadable == 1


def test_message_of_nothing_but_waves_is_read_in_no_time() -> None:
    lines = [f"OBX|{n}|NA|{n}^W{n}^X|{n}|1^2^3" for n in range(1900)]
    text = b"MSH|^~\\&|M||||x||ORU^R01|1|P|2.6\r" + "\r".join(lines).encode()
    began_at = time.process_time()
    read(text)
    assert time.process_time() - began_at < 1.0
    with pytest.raises(RemoteProtocolError, match="too many segments"):
        read(text + b"\r" + "\r".join(lines).encode())


# Alarms


def test_alarm_is_relayed_in_the_monitors_own_words() -> None:
    (alarm,) = read(GE_ALARM)
    assert isinstance(alarm, Alarm)
    assert alarm.text == "HYPERTENSION-Alert Recheck BP"
    assert (alarm.priority, alarm.state, alarm.origin) == ("PM", "update", "GE_Mural")
    assert alarm.source_utc == 1611131006.275


def test_alarm_that_ends_says_so() -> None:
    sim = monitor()
    (alarm,) = read(unframed(sim.alarm(NOW, "SpO2 | lav", "end")))
    assert isinstance(alarm, Alarm)
    assert (alarm.text, alarm.state) == ("SpO2 | lav", "inactive")


# Replies


@pytest.mark.parametrize("text", [MILLIVOLTS, GE_ALARM, WCM])
def test_reply_is_read_by_independent_parsers(text: bytes) -> None:
    message = hl7_message.parse(text)
    reply = hl7_message.acknowledge(message, "accepted", NOW).decode()
    code = "CA" if b"|AL|NE|" in text else "AA"
    theirs = python_hl7.parse(reply)
    assert str(theirs.segment("MSA")[1]) == code
    assert str(theirs.segment("MSA")[2]) == message.msh(10)
    validated = parse_message(reply.replace("2.3.1", "2.6"), find_groups=False)
    assert validated.msa.msa_1.value == code
    assert validated.msh.msh_9.msh_9_1.value == "ACK"


@pytest.mark.parametrize(
    ("fifteen", "sixteen", "verdict", "wanted"),
    [
        ("", "", "accepted", True),
        ("NE", "AL", "accepted", True),
        ("NE", "NE", "rejected", False),
        ("AL", "NE", "accepted", True),
        ("ER", "", "accepted", False),
        ("SU", "", "rejected", False),
    ],
)
def test_reply_is_sent_when_it_is_asked_for(
    fifteen: str, sixteen: str, verdict: hl7_message.Verdict, wanted: bool
) -> None:
    message = hl7_message.parse(
        f"MSH|^~\\&|M||||x||ORU^R01|1|P|2.6|||{fifteen}|{sixteen}\r".encode()
    )
    assert hl7_message.wants_reply(message, verdict) is wanted


def test_independent_parser_reads_the_same_values() -> None:
    raw = unframed(monitor().message(NOW))
    theirs = python_hl7.parse(raw.decode())
    ours = {one.code: one.value for one in read(raw) if isinstance(one, Numeric)}
    for segment in theirs.segments("OBX"):
        code = int(str(segment[3][0][0]))
        if str(segment[2]) == "NM" and code in ours:
            assert float(str(segment[5])) == ours[code]
    assert len(ours) == 9
    validated = parse_message(raw.decode(), find_groups=False)
    assert validated.msh.msh_9.msh_9_3.value == "ORU_R01"


# What is wrong


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"MSH",
        b"PID|1",
        b"MSH|\r",
        b"MSH\nS:\x03\x95PID|1\r",
        b"MSHxxxxxxxxxxxxxx\r",
        b"MSH||||||||||\r",
        b"MSH|^~\\&|A|B\r",
        b"\xff\xfe\xfd" * 10,
    ],
)
def test_what_is_no_message_is_refused(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        hl7_message.parse(text)


@pytest.mark.parametrize("kind", ["ADT^A01", "QRY^R02", "ACK"])
def test_message_of_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not for a monitor"):
        read(f"MSH|^~\\&|A||||x||{kind}|1|P|2.6\r".encode())


SEEDS = [WCM, MILLIVOLTS, GE_ALARM, unframed(monitor(waves=False).message(NOW))]


@given(st.sampled_from(SEEDS), st.integers(0, 2**32))
def test_damaged_messages_are_read_or_refused(seed: bytes, number: int) -> None:
    rng = random.Random(number)
    data = bytearray(seed)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data))
        data[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
    with contextlib.suppress(RemoteProtocolError):
        found = read(bytes(data))
        assert unpack(pack(found)) == found


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        read(b"MSH|^~\\&|" + data)


# MLLP


@given(st.lists(st.integers(1, 400), max_size=30), st.integers(0, 10))
def test_stream_cut_anywhere_gives_the_same_messages(cuts: list[int], lead: int) -> None:
    stream = b"x" * lead + b"".join(frame(seed) for seed in SEEDS)
    mllp, found, at = Mllp(), [], 0
    for cut in [*cuts, len(stream)]:
        found += mllp.receive(stream[at : at + cut], 0.0)
        at += cut
    assert found == SEEDS
    assert (mllp.damaged > 0) == (lead > 0)


def test_half_a_message_costs_only_itself() -> None:
    mllp = Mllp()
    stream = frame(SEEDS[0])[:100] + frame(SEEDS[1]) + b"garbage" + frame(SEEDS[2])
    assert mllp.receive(stream, 0.0) == [SEEDS[1], SEEDS[2]]
    assert mllp.damaged == 2


def test_message_without_an_end_is_taken_if_its_last_segment_is_whole() -> None:
    mllp = Mllp()
    assert mllp.receive(b"\x0b" + SEEDS[0], 5.0) == []
    assert mllp.next_timeout() == 5.0 + END_S
    assert mllp.end() == [SEEDS[0]]
    assert mllp.receive(b"\x0b" + SEEDS[0] + b"\x0b" + SEEDS[1][:-5], 6.0) == [SEEDS[0]]
    assert mllp.next_timeout() is None
    assert mllp.end() == []
    assert mllp.damaged == 1


def test_endless_message_does_not_fill_the_memory() -> None:
    mllp = Mllp()
    for _ in range(40):
        mllp.receive(b"\x0b" + b"x" * (MESSAGE_MAX_BYTES // 16), 0.0)
    mllp.receive(b"\x0b" + b"x" * (MESSAGE_MAX_BYTES + 1), 0.0)
    assert mllp.receive(frame(SEEDS[0]), 0.0) == [SEEDS[0]]
    assert len(mllp._buffer) == 0


@given(st.binary(max_size=500))
def test_any_stream_is_survived(data: bytes) -> None:
    mllp = Mllp()
    mllp.receive(data, 0.0)
    mllp.end()
    assert mllp.receive(frame(SEEDS[1]), 0.0) == [SEEDS[1]]
