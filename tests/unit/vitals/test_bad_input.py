"""What goes wrong at the plug, for every protocol that can have it: said plainly, nothing made up.

Two monitors on one port, a wrong speed, a cable pulled in mid-frame, a clock that is a day wrong,
garbage between frames; and which monitor it is, where the configuration does not say.
"""

import random
from collections.abc import Callable
from datetime import UTC

import pytest

from edgebox.config.vitals import Monitor
from edgebox.errors import RemoteProtocolError
from edgebox.messages.vitals import VitalsNow, VitalsStatus
from edgebox.observation import Numeric, Observation
from edgebox.panel.catalogue import compile_catalogue
from edgebox.panel.vitals import vitals_view
from edgebox.panel.vitals_words import say_vitals
from edgebox.panel.words import Words
from edgebox.sim.monitors.bluetooth import PRESSURE, BluetoothMonitor
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.medibus import MedibusMonitor
from edgebox.sim.monitors.oximeters import MasimoMonitor, NoninMonitor, NoninTextMonitor
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.monitors.wire import FramedIntelliVue
from edgebox.vitals.attendant import Attendant
from edgebox.vitals.monitors import hl7, hl7_message
from edgebox.vitals.monitors.bluetooth import Bluetooth
from edgebox.vitals.monitors.dri import Dri
from edgebox.vitals.monitors.line import IntelliVueLine, Line
from edgebox.vitals.monitors.masimo import Masimo
from edgebox.vitals.monitors.medibus import Medibus
from edgebox.vitals.monitors.mllp import Mllp
from edgebox.vitals.monitors.nonin import Nonin
from edgebox.vitals.monitors.nonin_text import NoninText
from edgebox.vitals.monitors.recognition import TRY_S, Recognition

NOW_UTC = 1_795_000_000.0
DAY_S = 86_400.0
SERIAL = ("nonin", "nonin-text", "masimo", "intellivue", "medibus", "dri")
STEP_S = 0.05

Talker = Callable[[bytes, float, float], bytes]
"""A monitor: what came, monotonic time, wall time; what it says."""


def talker(kind: str, faults: Faults | None = None) -> Talker:
    """A simulated monitor on a line."""
    faults, patient = faults or Faults(), Patient()
    match kind:
        case "nonin":
            nonin = NoninMonitor(patient, faults, now=0.0)
            return lambda data, now, now_utc: nonin.tick(now)
        case "nonin-text":
            text = NoninTextMonitor(patient, faults, now=0.0)
            return lambda data, now, now_utc: text.tick(now, now_utc)
        case "masimo":
            masimo = MasimoMonitor(patient, faults, now=0.0)
            return lambda data, now, now_utc: masimo.tick(now, now_utc)
        case "intellivue":
            framed = FramedIntelliVue(IntelliVueMonitor(patient, faults, now=0.0))
            return lambda data, now, at: framed.take(data, now, at) + framed.tick(now, at)
        case "medibus":
            medibus = MedibusMonitor(patient, faults, now=0.0)
            return lambda data, now, at: medibus.take(data, now, at) + medibus.tick(now, at)
    dri = DriMonitor(patient, faults, now=0.0)
    return lambda data, now, at: dri.take(data, now, at) + dri.tick(now, at)


def reader(kind: str) -> Line:
    """Our side of it."""
    match kind:
        case "nonin":
            return Nonin("m1")
        case "nonin-text":
            return NoninText("m1")
        case "masimo":
            return Masimo("m1", UTC)
        case "intellivue":
            return IntelliVueLine("m1", UTC, waves=True, now=0.0)
        case "medibus":
            return Medibus("m1", waves=True, now=0.0)
    return Dri("m1", waves=True, now=0.0)


class Talk:
    """A line and who looks after it, in virtual time; `spoil` is the wire."""

    def __init__(self, line: Line, say: Talker, spoil: Callable[[bytes], bytes] = bytes):
        self.line = line
        self.say = say
        self.spoil = spoil
        self.now = 0.0
        self.chunks: list[bytes] = []
        self.found: list[Observation] = []
        self.attendant = Attendant(
            Monitor(id="m1", name="M", kind="auto", port="/dev/x", stale_after_s=4.0), NOW_UTC
        )
        self.attendant.opened(0.0)

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += STEP_S
            due = self.line.next_timeout()
            if due is not None and self.now >= due:
                self.line.handle_timeout(self.now)
            said = self.say(self.line.data_to_send(), self.now, NOW_UTC + self.now)
            if said:
                self.chunks.append(said)
            self.hear(self.spoil(said))

    def hear(self, data: bytes) -> None:
        readable, damaged = self.line.readable, self.line.damaged
        if data:
            self.line.receive(data, self.now, NOW_UTC + self.now)
        found = self.line.observations()
        self.found += found
        for sender in getattr(self.line, "senders", ()):
            self.attendant.sender(sender, self.now)
        self.attendant.observe(found, self.now)
        now_utc, line = NOW_UTC + self.now, self.line
        self.attendant.heard(
            len(data), line.readable - readable, max(0, line.damaged - damaged), self.now, now_utc
        )
        self.attendant.check(self.now, now_utc)

    def saturations(self) -> set[float | None]:
        return {one.value for one in self.found if isinstance(one, Numeric) and one.code == 150456}


# Two monitors on one port


@pytest.mark.parametrize("kind", ["nonin", "nonin-text", "masimo"])
def test_two_of_a_kind_on_one_line_are_said(kind: str) -> None:
    """Both talk at once, a few bytes of the one between those of the other."""
    one, other, rng = talker(kind), talker(kind), random.Random(kind)

    def both(data: bytes, now: float, now_utc: float) -> bytes:
        mine, theirs = one(data, now, now_utc), other(data, now, now_utc)
        if rng.random() < 0.2:
            return mine + theirs
        cut, at = rng.randrange(len(mine) + 1), rng.randrange(len(theirs) + 1)
        return mine[:cut] + theirs[:at] + mine[cut:] + theirs[at:]

    talk = Talk(reader(kind), both)
    talk.run(20.0)
    assert talk.attendant.state == "two-on-one-line"
    assert talk.saturations() <= {97.0}


def test_two_of_different_kinds_on_one_line_are_both_named() -> None:
    nonin, masimo = talker("nonin"), talker("masimo")
    talk = Talk(
        Recognition("m1", UTC, waves=True, now=0.0),
        lambda data, now, at: nonin(data, now, at) + masimo(data, now, at),
    )
    talk.run(4.0)
    assert talk.attendant.state == "two-on-one-line"
    assert talk.attendant.detail == "both masimo and nonin send here"


# A wrong speed


def misread(data: bytes, ratio: float) -> bytes:
    """What a UART makes of 8N1 bytes when it samples `ratio` times as fast as they were sent."""
    bits = [bit for byte in data for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]
    found, at, end = bytearray(), 0.0, len(bits) - 10.0 / ratio - 1

    def level(where: float) -> int:
        return bits[int(where)]

    while at < end:
        if level(at) == 1:  # idle: wait for a start bit
            at += 0.25 / ratio
            continue
        samples = [level(at + (n + 1.5) / ratio) for n in range(8)]
        found.append(sum(bit << n for n, bit in enumerate(samples)))
        at += 9.5 / ratio
    return bytes(found)


@pytest.mark.parametrize("ratio", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("kind", ["nonin", "nonin-text", "masimo"])
def test_a_wrong_speed_is_said_and_gives_nothing(kind: str, ratio: float) -> None:
    talk = Talk(reader(kind), talker(kind), lambda data: misread(data, ratio))
    talk.run(12.0)
    assert talk.attendant.state == "wrong-speed"
    assert "speed" in talk.attendant.detail
    assert talk.found == []


@pytest.mark.parametrize("ratio", [0.5, 2.0])
@pytest.mark.parametrize("kind", ["intellivue", "medibus", "dri"])
def test_a_wrong_speed_of_who_waits_to_be_asked_gives_nothing(kind: str, ratio: float) -> None:
    """It does not understand what we ask; what it says all the same is not read."""
    right = Talk(reader(kind), talker(kind))
    right.run(6.0)
    talk = Talk(reader(kind), lambda data, now, at: b"", bytes)
    for chunk in right.chunks:
        talk.now += STEP_S
        talk.hear(misread(chunk, ratio))
    assert talk.attendant.state == "wrong-speed"
    assert talk.found == []


# A cable pulled in mid-frame


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", SERIAL)
def test_a_cable_pulled_in_mid_frame_costs_that_frame(kind: str, number: int) -> None:
    rng = random.Random(number)
    talk = Talk(reader(kind), talker(kind))
    talk.run(7.0)
    assert talk.saturations() == {97.0}
    chunk = next(one for one in talk.chunks if len(one) > 3)
    talk.hear(chunk[: rng.randrange(1, len(chunk) - 1)])
    talk.now += 5.0
    talk.attendant.closed(talk.now, NOW_UTC + talk.now, "the port has gone")
    assert talk.attendant.state == "gone"
    # Plugged in again: a new line, as serial_port.py makes it, and the monitor in the middle of it.
    again = Talk(reader(kind), talk.say)
    again.now = talk.now
    again.attendant.opened(again.now)
    again.hear(chunk[rng.randrange(1, len(chunk)) :])
    again.run(16.0)
    assert again.saturations() == {97.0}
    assert again.attendant.state == "connected"


# Garbage between frames


@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("kind", ["nonin", "nonin-text", "masimo", "intellivue", "dri"])
def test_reading_is_in_step_within_one_frame_after_garbage(kind: str, number: int) -> None:
    talk = Talk(reader(kind), talker(kind))
    talk.run(6.0)
    whole = talk.line.readable
    rng, line, now = random.Random(number), reader(kind), 0.0
    where = rng.randrange(1, len(talk.chunks) - 1)
    for index, chunk in enumerate(talk.chunks):
        now += STEP_S
        if index == where:
            line.receive(rng.randbytes(rng.randint(1, 60)), now, NOW_UTC + now)
        line.receive(chunk, now, NOW_UTC + now)
    assert line.readable >= whole - 1
    values = [one for one in line.observations() if isinstance(one, Numeric)]
    assert {one.value for one in values if one.code == 150456} == {97.0}


@pytest.mark.parametrize("number", range(20))
def test_hl7_is_in_step_with_the_next_message_after_garbage(number: int) -> None:
    rng, mllp, reading = random.Random(number), Mllp(), hl7.Reader("m1", UTC)
    sim = Hl7Monitor(Patient(), Faults(), waves=False)
    messages = [sim.message(NOW_UTC + n) for n in range(3)]
    garbage = rng.randbytes(rng.randint(1, 200))
    stream = messages[0] + garbage + messages[1] + messages[2]
    read = 0
    for raw in mllp.receive(stream, 0.0):
        try:
            read += bool(reading.read(hl7_message.parse(raw), NOW_UTC))
        except RemoteProtocolError:
            continue
    assert read >= 2


# A clock that is a day wrong


def a_day_late(kind: str) -> list[Observation]:
    """What a monitor says whose clock is 24 hours behind."""
    faults = Faults(clock_s=-DAY_S)
    if kind == "hl7":
        sim = Hl7Monitor(Patient(), faults, waves=False)
        (raw,) = Mllp().receive(sim.message(NOW_UTC), 0.0)
        return hl7.Reader("m1", UTC).read(hl7_message.parse(raw), NOW_UTC)
    if kind == "bluetooth":
        device = Bluetooth("m1", UTC)
        cuff = BluetoothMonitor(Patient(), faults, UTC).pressure(NOW_UTC)
        device.receive(PRESSURE, cuff, NOW_UTC)
        return device.observations()
    talk = Talk(reader(kind), talker(kind, faults))
    talk.run(6.0)
    return talk.found


@pytest.mark.parametrize("kind", ["hl7", "masimo", "intellivue", "dri", "bluetooth"])
def test_a_day_old_timestamp_is_kept_shown_and_never_corrected(kind: str) -> None:
    found = a_day_late(kind)
    values = [one for one in found if isinstance(one, Numeric) and one.validity != "unavailable"]
    assert values
    assert all(one.validity == "valid" and one.value is not None for one in values)
    for one in values:
        assert one.source_utc is not None
        assert abs(one.received_utc - one.source_utc - DAY_S) < 35.0, "a cuff's may be older"
    if kind == "bluetooth":
        return  # only times of single measurements: they say nothing of its clock
    attendant = Attendant(Monitor(id="m1", name="M", kind="auto", port="/dev/x"), NOW_UTC)
    attendant.opened(0.0)
    attendant.observe(found, 1.0)
    attendant.heard(100, 1, 0, 1.0, NOW_UTC)
    status = attendant.status()
    assert status.clock_ahead_s == pytest.approx(-DAY_S, abs=2.0)
    board = VitalsNow(at_utc=NOW_UTC, numerics=tuple(values))
    told = VitalsStatus(at_utc=NOW_UTC, monitors=(status,))
    view = vitals_view((attendant.monitor,), told, board, NOW_UTC)
    text = say_vitals(view, Words("nb", compile_catalogue("nb").gettext), NOW_UTC)
    assert text is not None
    assert text["clock"] == "Klokken i M går 24 t etter."
    assert all("GAMMEL" not in cell["now"] for cell in text["values"]), "age goes by the box"


# Which monitor it is


@pytest.mark.parametrize("kind", SERIAL)
def test_each_kind_is_recognised_at_its_own_speed(kind: str) -> None:
    say = talker(kind)
    line = Recognition("m1", UTC, waves=True, now=0.0)
    own = reader(kind).speed  # type: ignore[attr-defined]

    def only_at_its_speed(data: bytes, now: float, now_utc: float) -> bytes:
        said = say(data if line.speed == own else b"", now, now_utc)
        return said if line.speed == own else misread(said, line.speed.baud / own.baud)

    talk = Talk(line, only_at_its_speed)
    talk.run(4 * TRY_S + 12.0)
    assert line.kind == kind
    assert talk.attendant.state == "connected"
    assert talk.saturations() == {97.0}
