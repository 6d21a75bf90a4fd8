"""Bytes that others published, and what they say is in them. Sources: docs/monitors.md.

Ours were written from the same documents as our simulated monitors. These were not: they were
recorded from real monitors, or other people's programs make or expect them. Where a recording says
which device it was, those bytes are zero here; nothing of a patient was in any of them.
"""

import struct
from datetime import UTC

import pytest

from edgebox.observation import Numeric, Wave, unpack_samples
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals.monitors import dri
from edgebox.vitals.monitors import intellivue_wire as wire
from edgebox.vitals.monitors.intellivue import IntelliVue
from edgebox.vitals.monitors.intellivue_frame import Deframer, crc16_x25, write_frame
from edgebox.vitals.monitors.masimo import Masimo
from edgebox.vitals.monitors.medibus import MEASURED_1
from edgebox.vitals.monitors.nonin import Nonin

NOW_UTC = 1_795_000_000.0


# Philips IntelliVue

MDS_CREATED = bytes.fromhex(
    "e10000020001011200010001010c002100000000293b6f000d0600fe002100000000001100f40984"
    "000800060009fb000000098600040001114d091d000200320928001200085068696c697073000006"
    "4d3830303000094800040001000009370008063206320001000b094600024000090d000200020935"
    "00020002098200020002090c0002012cf1fa0014000100100001000c0006ffffffff0006ffffffff"
    "09a700020006091e0024002200000000000000000000000000000000000000000000000000000000"
    "000000000000098700082018071813234100098f0004293b6f0009850034000100300102002c0005"
    "0028000100210000000100010006000000c9000100090000003c0001002a00000001000100360000"
    "0001"
)
MDS_POLLED = bytes.fromhex(
    "e1000002000201c00001000701ba0021000000000c1601b0000100095c00ffffffffffffffff0001"
    "002100000001019800000001019200000013018c094600022000090d000200020935000200010982"
    "00020002090c00020000f1fa0014000100100001000c00060000862b00060000862b09a700020006"
    "0984000800060009fb000000091e0024002200000000000000000000000000000000000000000000"
    "000000000000000000000000098700082024031110464800098f000400095c00098600040001114d"
    "091d000201d40921000200000928001200085068696c6970730000064d3830303000092d008e0008"
    "008a00010008000a3030303030303030303000020008000e4d323730354100000000000000000002"
    "0058000e532d4d323730332d3135303141200004005800084c2e33332e36352000020010000e532d"
    "4d323730332d3134303141200004001000084c2e33332e36352000020018000e532d4d383030302d"
    "313330314120000400180008412e31362e33330009850034000100300102002c0005002800010021"
    "000000010001000600000119000100090000004c0001002a00000001000100360000000109480004"
    "0001000009370008066e066e0001000b"
)
DEMO_MODE, MONITORING_MODE = b"\x20\x00", b"\x40\x00"


def attribute(attributes: tuple[wire.Attribute, ...], number: int) -> bytes:
    (found,) = [one.value for one in attributes if one.id == number]
    return found


def test_a_real_monitor_says_what_it_is() -> None:
    created = wire.decode(MDS_CREATED)
    assert isinstance(created, wire.Created)
    assert (created.invoke_id, created.ticks, len(created.attributes)) == (1, 0x293B6F00, 17)
    assert attribute(created.attributes, 0x0946) == MONITORING_MODE
    at = attribute(created.attributes, 0x0987)
    assert wire.to_utc(at, UTC) == 1_531_920_221.0  # 2018-07-18 13:23:41
    line = IntelliVue("m1", UTC, waves=False, now=0.0)
    line.receive(MDS_CREATED, 0.0, NOW_UTC)
    assert line.name == "Philips M8000"


def test_a_real_monitor_answers_a_poll() -> None:
    polled = wire.decode(MDS_POLLED)
    assert isinstance(polled, wire.PollResult)
    assert (polled.poll_number, polled.sequence, polled.object_class) == (1, None, wire.MDS)
    assert wire.to_utc(polled.absolute, UTC) is None  # it left that to the attribute
    (mds,) = polled.objects
    assert len(mds.attributes) == 19
    assert attribute(mds.attributes, 0x0946) == DEMO_MODE
    assert attribute(mds.attributes, 0x098F) == polled.ticks.to_bytes(4, "big")


def test_a_real_monitor_refuses_and_confirms() -> None:
    refused = bytes.fromhex("e100000200030016000000070010002100000000000100040005f12a0000")
    assert wire.decode(refused) == wire.Refusal(invoke_id=0, error=7)
    confirmed = bytes.fromhex("e10000020002001800000003001200210000000000010008f23a000400000000")
    assert wire.decode(confirmed) == wire.Confirmed(0)


@pytest.mark.parametrize(("data", "crc"), [("3a71", "9b26"), ("3a91", "95c1")])
def test_sums_of_another_programs_frames_are_ours(data: str, crc: str) -> None:
    assert crc16_x25(bytes.fromhex(data)).to_bytes(2, "little").hex() == crc


def test_a_whole_frame_comes_back() -> None:
    deframer = Deframer()
    assert deframer.receive(write_frame(MDS_CREATED)) == [MDS_CREATED]


# Masimo: a line of each model, as their owners recorded them, and one made of the last


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (
            (
                "02/24/18 04:48:53 SN=0000145838 SPO2=097% BPM=080 PI=04.96% SPCO=--.-% "
                "SPMET=--.-% DESAT=-- PIDELTA=+-- ALARM=0000 EXC=000800"
            ),
            (97.0, 80.0, 4.96, "valid"),
        ),
        (
            (
                "03/17/16 19:19:36 SN=---------- SPO2=098% BPM=123 PI=00.55 SPCO=--% SPMET=--.-% "
                "SPHB=--.- SPOC=-- RESVD=--- DESAT=-- PIDELTA=+-- PVI=--- ALARM=000000 EXC=0000C00 "
                "EXC1=00000000"
            ),
            (98.0, 123.0, 0.55, "questionable"),
        ),
        (
            (
                "05/15/07 08:12:21 SN=0000070986 SPO2=---% BPM=--- PI=--.--% SPCO=--.-% "
                "SPMET=--.-% DESAT=-- PIDELTA=+-- PVI=--- ALARM=0000 EXC=000000"
            ),
            (None, None, None, "unavailable"),
        ),
        (
            "09/15/10 15:10:29 SPO2=097% BPM=064 PI=11.82% ALARM=20 EXC=800",
            (97.0, 64.0, 11.82, "valid"),
        ),
        (
            "09/15/10 15:10:30 SPO2=097% BPM=064 PI=00.20% ALARM=1A EXC=C00",
            (97.0, 64.0, 0.2, "questionable"),
        ),
    ],
    ids=["Rad-8", "Radical-7", "Radical-7 blue", "Radical-5", "Radical-5, letters in numbers"],
)
def test_lines_of_real_oximeters(
    line: str, values: tuple[float | None, float | None, float | None, str]
) -> None:
    masimo = Masimo("m1", UTC)
    masimo.receive(f"{line}\r\n".encode(), 0.0, NOW_UTC)
    found = {one.name: one for one in masimo.observations() if isinstance(one, Numeric)}
    names = ("MDC_PULS_OXIM_SAT_O2", "MDC_PULS_OXIM_PULS_RATE", "MDC_PULS_OXIM_PERF_REL")
    assert tuple(found[name].value for name in names) == values[:3]
    assert {found[name].validity for name in names} == {values[3]}
    assert (masimo.readable, masimo.damaged) == (1, 0)
    assert "--" not in masimo.name


# Nonin, data format 2: a packet of the Pufferfish ventilator's tests

PACKET = bytes.fromhex(
    "0181010083 01800148ca 01800161e3 01800130b2 0180010082 0180010082 0180010082 0180010082"
    "01800161e3 01800161e3 01800161e3 0180010082 0180010082 0180010082 01800148ca 01800161e3"
    "01800161e3 0180010082 0180010082 0180010082 01800148ca 0180010082 01800148ca 0180010082"
    "0180010082"
)


def nonin(packet: bytes) -> tuple[dict[str, Numeric], list[Wave]]:
    line = Nonin("m1")
    line.receive(packet, 0.0, NOW_UTC)
    found = line.observations()
    assert line.damaged == 0
    values = {one.name: one for one in found if isinstance(one, Numeric)}
    return values, [one for one in found if isinstance(one, Wave)]


def test_a_packet_has_the_values_that_another_decoder_finds() -> None:
    values, (wave,) = nonin(PACKET)
    assert values["MDC_PULS_OXIM_PULS_RATE"].value == 72
    assert values["MDC_PULS_OXIM_SAT_O2"].value == 97
    assert {one.validity for one in values.values()} == {"valid"}
    assert unpack_samples(wave.samples) == [1] * 25


@pytest.mark.parametrize(
    ("status", "validity"),
    [
        (0x82, "valid"),  # perfusion green
        (0x86, "valid"),  # yellow
        (0x84, "valid"),  # red
        (0x88, "invalid"),  # sensor alarm
        (0x90, "questionable"),  # out of track
        (0xA0, "questionable"),  # artifact
        (0xC0, "unavailable"),  # sensor disconnected
    ],
)
def test_status_bits_are_those_of_another_decoder(status: int, validity: str) -> None:
    frame = bytes([1, status, 1, 0])
    packet = PACKET[:20] + frame + bytes([sum(frame) & 0xFF]) + PACKET[25:]
    values, _ = nonin(packet)
    assert {one.validity for one in values.values()} == {validity}


# GE/Datex-Ohmeda S/5: requests that other programs send


def test_the_request_of_another_program_is_ours_but_for_its_choice_of_classes() -> None:
    theirs = bytes.fromhex(f"7e 3100 {'00' * 19} ff {'00' * 18} 01 0a00 0e000000 0000 49 7e")
    ours = dri.ask_values(10)
    at = len(theirs) - 8
    assert ours[:at] == theirs[:at]
    assert struct.unpack("<I", theirs[at : at + 4]) == (0x0E,)
    body = bytearray(ours[1:-2])
    body[at - 1] = 0x0E
    assert dri.write_record(bytes(body)) == theirs


RECORDED_VALUES = bytes.fromhex(
    "7e31 0000 00e8 fd25 0407 6700 0000 0000 0000 0000 0000 ff00 0000 0000 0000 0000 0000"
    "0000 0000 0000 0001 0a00 0800 0000 0000 bf7e"
)
RECORDED_WAVES = bytes.fromhex(
    "7e58 0000 00e8 fd58 2708 6700 0000 0001 0000 0000 0000 ff00 0000 0000 0000 0000 0000"
    "0000 0000 0000 0000 0005 0001 0408 09ff 0000 0000 0000 0000 0000 0000 0000 0000 0000"
    "0000 0000 0000 0000 0000 0000 0000 0000 0000 0045 7e"
)


def test_recorded_requests_say_what_ours_say() -> None:
    values, waves = dri.ask_values(10), dri.ask_waves((1, 4, 8, 9))
    main_type, first, kind = slice(15, 17), slice(17, 23), slice(41, 44)
    for part in (main_type, first, kind):
        assert values[part] == RECORDED_VALUES[part]
    assert waves[main_type] == RECORDED_WAVES[main_type]
    assert waves[45:53] == RECORDED_WAVES[45:50] + bytes([0xFF] * 3)


def test_the_stand_in_understands_recorded_requests() -> None:
    monitor = DriMonitor(Patient(), Faults(), now=0.0)
    monitor.take(RECORDED_VALUES + RECORDED_WAVES, 0.0, NOW_UTC)
    line = dri.Dri("m1", waves=True, now=0.0)
    line.receive(monitor.tick(1.0, NOW_UTC), 1.0, NOW_UTC)
    found = line.observations()
    labels = {one.label for one in found if isinstance(one, Wave)}
    assert labels == {"ECG1", "INVP1", "PLETH", "CO2"}
    assert any(isinstance(one, Numeric) for one in found)


# Draeger MEDIBUS: codes and units as another program has them (VSCaptureDrgVent 1.003)

CODES_OF_ANOTHER_PROGRAM = {
    0x07: "L/bar",
    0x08: "mbar.s/L",
    0x73: "mbar",
    0x74: "mbar",
    0x78: "mbar",
    0x7D: "mbar",
    0x88: "mL",
    0xD5: "/min",
    0xD6: "/min",
    0xDB: "%",
    0xE1: "/min",
    0xE3: "kPa",
    0xE6: "mm[Hg]",
    0xEB: "%",
    0xEF: "%",
    0xF0: "%",
}


@pytest.mark.parametrize(("code", "unit"), CODES_OF_ANOTHER_PROGRAM.items())
def test_codes_have_the_units_that_another_program_has(code: int, unit: str) -> None:
    assert MEASURED_1[code][1] == unit
