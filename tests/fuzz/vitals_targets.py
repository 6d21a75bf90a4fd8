"""The parsers of the vitals service and of the hub's side of it, for the fuzzer.

Besides not breaking, none may give a value without its validity (observations refuse to be made
so) or anything that cannot be stored and read again.
"""

import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC

import msgspec
from msgspec import Struct

from edgebox.errors import RemoteProtocolError
from edgebox.hub import vitals_fhir, vitals_hl7
from edgebox.hub.vitals_store import BatchRow
from edgebox.observation import Observation, pack, unpack, unpack_samples
from edgebox.sim.monitors.bluetooth import BluetoothMonitor
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.medibus import MedibusMonitor
from edgebox.sim.monitors.oximeters import MasimoMonitor, NoninMonitor, NoninTextMonitor
from edgebox.sim.monitors.patient import Patient
from edgebox.vitals import sdc_pipe
from edgebox.vitals.monitors import dri, hl7, hl7_message
from edgebox.vitals.monitors.bluetooth import CHARACTERISTICS, Bluetooth
from edgebox.vitals.monitors.dri import Dri
from edgebox.vitals.monitors.intellivue import IntelliVue
from edgebox.vitals.monitors.intellivue_frame import write_frame
from edgebox.vitals.monitors.line import IntelliVueLine, Line
from edgebox.vitals.monitors.masimo import Masimo
from edgebox.vitals.monitors.medibus import Medibus
from edgebox.vitals.monitors.mllp import Mllp
from edgebox.vitals.monitors.nonin_text import AnyNonin
from edgebox.vitals.monitors.sdc import Code, Condition, Metric, Quality, Sdc

NOW_UTC = 1_795_000_000.0
Target = tuple[Callable[[bytes], None], tuple[bytes, ...]]


def _check(found: Sequence[Observation]) -> None:
    if found:
        assert unpack(pack(found)) == list(found)


def take_hl7(data: bytes) -> None:
    """A stream of messages, cut in two, and what is answered."""
    mllp, reader = Mllp(), hl7.Reader("m1", UTC)
    half = len(data) // 2
    found = [*mllp.receive(data[:half], 0.0), *mllp.receive(data[half:], 1.0), *mllp.end()]
    for raw in found:
        with suppress(RemoteProtocolError):
            message = hl7_message.parse(raw)
            hl7_message.acknowledge(message, "accepted", NOW_UTC, "text")
            hl7_message.wants_reply(message, "accepted")
            _check(reader.read(message, NOW_UTC))


def take_intellivue(data: bytes) -> None:
    """A datagram that follows good ones."""
    core = IntelliVue("m1", UTC, waves=True, now=0.0)
    for message in (*_CONVERSATION[:4], data):
        with suppress(RemoteProtocolError):
            core.receive(message, 1.0, NOW_UTC)
    core.handle_timeout(20.0)
    core.messages_to_send()
    _check(core.observations())


def _take_line(line: Line, data: bytes) -> None:
    half = len(data) // 2
    line.receive(data[:half], 0.0, NOW_UTC)
    line.receive(data[half:], 1.0, NOW_UTC + 1)
    line.data_to_send()
    _check(line.observations())


def take_intellivue_serial(data: bytes) -> None:
    """Bytes of a line."""
    _take_line(IntelliVueLine("m1", UTC, waves=True, now=0.0), data)


def take_nonin(data: bytes) -> None:
    """Bytes of a line."""
    _take_line(AnyNonin("m1"), data)


def take_masimo(data: bytes) -> None:
    """Bytes of a line."""
    _take_line(Masimo("m1", UTC), data)


def take_medibus(data: bytes) -> None:
    """Bytes of a line that follow a device's answers."""
    line = Medibus("m1", waves=True, now=0.0)
    line.receive(_MEDIBUS[0], 0.0, NOW_UTC)
    _take_line(line, data)
    line.handle_timeout(10.0)


def _medibus() -> tuple[bytes, ...]:
    """What a simulated ventilator says in some seconds: all answers, then realtime between."""
    device = MedibusMonitor(Patient(), Faults(alarms=["APNOE"]), now=0.0)
    line = Medibus("m1", waves=True, now=0.0)
    said: list[bytes] = []
    for step in range(200):
        now = step * 0.02
        due = line.next_timeout()
        if due is not None and now >= due:
            line.handle_timeout(now)
        answer = device.take(line.data_to_send(), now, NOW_UTC) + device.tick(now, NOW_UTC)
        line.receive(answer, now, NOW_UTC)
        said += [answer] if answer else []
    early = b"".join(said[:8])
    return early, *(b"".join(said[n : n + 6]) for n in range(8, 60, 6))


def take_dri(data: bytes) -> None:
    """Bytes of a line, and the same as a record whose sum fits."""
    _take_line(Dri("m1", waves=True, now=0.0), data)
    _take_line(Dri("m1", waves=True, now=0.0), dri.write_record(data))


def _dri() -> tuple[bytes, ...]:
    """Values and waves of a simulated S/5, framed and bare."""
    monitor = DriMonitor(Patient(), Faults(), now=0.0)
    monitor.take(dri.ask_values(5) + dri.ask_waves(dri.ASKED), 0.0, NOW_UTC)
    framed = [record for record in monitor.tick(1.0, NOW_UTC).split(b"\x7e") if record]
    return tuple(b"\x7e" + record + b"\x7e" for record in framed) + tuple(
        record[:-1] for record in framed
    )


def take_bluetooth(data: bytes) -> None:
    """Which characteristic (first byte), then its payload."""
    device = Bluetooth("m1", UTC)
    which = sorted(CHARACTERISTICS)[data[0] % len(CHARACTERISTICS)] if data else 0
    device.receive(which, data[1:], NOW_UTC)
    _check(device.observations())


def _bluetooth() -> tuple[bytes, ...]:
    """What a simulated device measures."""
    device = BluetoothMonitor(Patient(), Faults(), UTC)
    kinds = sorted(CHARACTERISTICS)
    said = {
        0x2A5F: device.continuous(),
        0x2A1C: device.temperature(NOW_UTC),
        0x2A35: device.pressure(NOW_UTC),
    }
    spot = bytes.fromhex("0f61004800ea0703010c1e2d0001000000faf0")
    return (
        *(bytes([kinds.index(kind)]) + value for kind, value in said.items()),
        bytes([kinds.index(0x2A5E)]) + spot,
    )


class SdcStates(Struct, array_like=True):
    """What a device's reports come down to."""

    metrics: list[Metric]
    values: list[tuple[str, float | None, Quality]]
    samples: list[tuple[str, list[float], Quality]]
    conditions: list[Condition]


_sdc_decoder = msgspec.msgpack.Decoder(SdcStates)


def take_sdc(data: bytes) -> None:
    """States as structs, the library's XML left out; and a report of the process."""
    with suppress(RemoteProtocolError):
        unpack(sdc_pipe.read(data).content)
    with suppress(RemoteProtocolError):
        sdc_pipe.length(data[:4].ljust(4, b"\0"))
    try:
        states = _sdc_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError):
        return
    device = Sdc("m1")
    with suppress(RemoteProtocolError):
        device.describe(states.metrics)
    for value in states.values:
        device.take_value(*value, NOW_UTC)
    for samples in states.samples:
        device.take_samples(*samples, NOW_UTC)
    device.take_conditions(states.conditions, 0.0, NOW_UTC)
    _check(device.observations())


def _sdc() -> tuple[bytes, ...]:
    """A device with a value, a wave and an alert; and a report with what it says."""
    good = Quality("Vld", determined_utc=NOW_UTC)
    states = SdcStates(
        [
            Metric("spo2", Code("150456", text="SpO2"), Code("262688")),
            Metric("ecg", Code("131330"), Code("266418"), period_s=0.004),
        ],
        [("spo2", 97.0, good)],
        [("ecg", [0.005 * n for n in range(20)], good)],
        [Condition("a", Code("196670", text="SpO2 low"), "Me", NOW_UTC, "spo2")],
    )
    report = sdc_pipe.Report("data", content=pack(_VALUES), readable=1)
    return msgspec.msgpack.encode(states), sdc_pipe.frame(report)[4:]


def take_batch(data: bytes) -> None:
    """A batch from a box, as the hub stores and exports it."""
    with suppress(RemoteProtocolError):
        unpack(data)
    with suppress(RemoteProtocolError):
        unpack_samples(data)
    row = BatchRow(1, "box-1", "s", 1, NOW_UTC, zlib.compress(data))
    with suppress(RemoteProtocolError):
        vitals_fhir.bundle_of(vitals_fhir.observations_of(row, waves=True))
    with suppress(RemoteProtocolError):
        vitals_hl7.message_of(row, waves=True, now_utc=NOW_UTC)
    vitals_hl7.verdict_of(data, row)


def _conversation() -> tuple[bytes, ...]:
    """What a simulated IntelliVue says in two seconds."""
    faults = Faults(alarms=["ASYSTOLE"])
    monitor = IntelliVueMonitor(Patient(), faults, now=0.0, leads=("II",))
    core = IntelliVue("m1", UTC, waves=True, now=0.0)
    said: list[bytes] = []
    for step in range(40):
        now = step * 0.05
        if now >= core.next_timeout():
            core.handle_timeout(now)
        answers = monitor.tick(now, NOW_UTC + now)
        for message in core.messages_to_send():
            answers += monitor.receive(message, now, NOW_UTC + now)
        for answer in answers:
            core.receive(answer, now, NOW_UTC + now)
        said += answers
    return tuple(said)


_CONVERSATION = _conversation()
_MEDIBUS = _medibus()
_HL7 = Hl7Monitor(Patient(), Faults(), waves=False)
_HL7_WAVE = (
    b"\x0bMSH|^~\\&|M||||20260124||ORU^R01|42|P|2.3.1\rOBR|1||1|W|||20260124131539+0800\r"
    b"OBX|1|NA|131329^MDC_ECG_ELEC_POTL_I^MDC|1.7.6.1|80^88^32767^92|262656^X^MDC\r"
    b"OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|1.7.6.1.1|500|264640^MDC_DIM_HZ^MDC\r"
    b"OBX|3|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|1.7.6.1.2|0.001221|266418^MDC_DIM_MILLI_VOLT^MDC\r"
    b"\x1c\r"
)
_VALUES = hl7.Reader("m1", UTC).read(hl7_message.parse(Mllp().receive(_HL7_WAVE, 0.0)[0]), NOW_UTC)

VITALS_TARGETS: dict[str, Target] = {
    "hl7": (
        take_hl7,
        (_HL7_WAVE, _HL7.message(NOW_UTC), _HL7.alarm(NOW_UTC, "ASYSTOLE")),
    ),
    "intellivue": (take_intellivue, _CONVERSATION[:12]),
    "intellivue-serial": (
        take_intellivue_serial,
        tuple(write_frame(message) for message in _CONVERSATION[:4]),
    ),
    "nonin": (
        take_nonin,
        (
            NoninMonitor(Patient(), Faults(), now=0.0, number=2).tick(1.0),
            NoninMonitor(Patient(), Faults(), now=0.0, number=7).tick(1.0),
            NoninTextMonitor(Patient(), Faults(), now=0.0).tick(1.5, NOW_UTC),
        ),
    ),
    "masimo": (take_masimo, (MasimoMonitor(Patient(), Faults(), now=0.0).tick(1.5, NOW_UTC),)),
    "medibus": (take_medibus, _MEDIBUS),
    "dri": (take_dri, _dri()),
    "bluetooth": (take_bluetooth, _bluetooth()),
    "sdc": (take_sdc, _sdc()),
    "vitals-batch": (take_batch, (zlib.decompress(pack(_VALUES)), pack(_VALUES))),
}
