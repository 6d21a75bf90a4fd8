"""Dräger MEDIBUS: ventilators and anaesthesia machines (RS 232 MEDIBUS 6.00, MEDIBUS.X). No I/O.

19200 baud 8E1 (Evita). Slow data are ASCII; a command of either side and the other's answer:

    ESC (1B) code [argument] CK CR        SOH (01) code [data] CK CR

CK is the sum of everything before it, ESC or SOH included, as two hexadecimal letters. Bytes with
bit 7 set are realtime data in between (medibus_realtime.py) and are split off first.

Theory of operation. ICC (51) opens the conversation, asked again until it is answered; then the
device is asked who it is (52), what realtime streams it has (53), to send some of them (54), and,
in turn and each POLL_EVERY_S, for measured values (24, 2B) and alarms (27, 2E). Both sides say
something every 2 s, NOP (30) if nothing else; after 3 s of silence all begins anew. What the device
asks is echoed.

A sum of eight bits lets one damaged frame in 256 through: so a frame counts only if, besides, each
of its records is exactly as it must be.
"""

import re
import string

from edgebox.observation import Alarm, Numeric, Observation, clean
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors.line import Speed
from edgebox.vitals.monitors.medibus_realtime import Realtime, Stream
from edgebox.vitals.monitors.standing_alarms import StandingAlarms

ESC, SOH, CR = 0x1B, 0x01, 0x0D
FRAME_MAX_BYTES = 4096
ICC, IDENTITY, STREAMS, CHOOSE_STREAMS, STOP, NOP = 0x51, 0x52, 0x53, 0x54, 0x55, 0x30
STREAMS_CHANGED = 0x56
VALUES_1, VALUES_2, ALARMS_1, ALARMS_2 = 0x24, 0x2B, 0x27, 0x2E
POLLS = (VALUES_1, VALUES_2, ALARMS_1, ALARMS_2)
POLL_EVERY_S = 1.0
ICC_EVERY_S = 2.0
NOP_EVERY_S = 1.5
SILENT_S = 3.0
ANSWER_S = 2.0
OUR_IDENTITY = b"0161'edgebox'01.00:06.00"
HEX = frozenset(string.hexdigits.encode())
VALUE = re.compile(rb" *-?(\d+\.?\d*|\.\d+) *")

_TERMS = nomenclature.TERMS
MEASURED_1: dict[int, tuple[str, str, nomenclature.Term | None]] = {
    0x07: ("Compliance", "L/bar", None),
    0x08: ("Resistance", "mbar.s/L", None),
    0x73: ("Mean breathing pressure", "mbar", None),
    0x74: ("Plateau pressure", "mbar", None),
    0x78: ("PEEP", "mbar", None),
    0x7D: ("Peak breathing pressure", "mbar", None),
    0x82: ("Tidal volume (fraction)", "L", None),
    0x88: ("Tidal volume", "mL", None),
    0xB5: ("Spontaneous respiratory rate", "/min", None),
    0xB7: ("Spontaneous minute volume", "L/min", None),
    0xB8: ("Minute volume", "L/min", None),
    0xB9: ("Minute volume (fraction)", "L/min", None),
    0xC1: ("Airway temperature", "Cel", None),
    0xD5: ("Respiratory rate (CO2)", "/min", _TERMS[151594]),
    0xD6: ("Respiratory rate", "/min", _TERMS[151562]),
    0xDB: ("End-tidal CO2", "%", None),
    0xE1: ("Pulse rate", "/min", _TERMS[149530]),
    0xE3: ("End-tidal CO2", "kPa", _TERMS[151728]),
    0xE6: ("End-tidal CO2", "mm[Hg]", _TERMS[151728]),
    0xEB: ("Oxygen saturation", "%", _TERMS[150456]),
    0xEF: ("Expiratory O2", "%", None),
    0xF0: ("Inspiratory O2", "%", None),
}
"""Codepage 1: the device's name for it, its unit, and the standard's term where there is one."""


class Medibus:
    """One device on a line."""

    speed = Speed(19_200, "even")

    def __init__(self, device: str, *, waves: bool, now: float):
        self._device = device
        self._waves = waves
        self._slow = bytearray()
        self._is_inside = False
        self._out = bytearray()
        self._found: list[Observation] = []
        self._realtime = Realtime(device)
        self._alarms = {code: StandingAlarms() for code in (ALARMS_1, ALARMS_2)}
        self._open = False
        self._turn = 0
        self._waiting: int | None = None
        self._ask_at = now
        self._heard_at = now
        self._sent_at = now
        self._damaged = 0
        self.readable = 0
        self.name = ""

    @property
    def damaged(self) -> int:
        """As `Line`."""
        return self._damaged + self._realtime.damaged

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        self._found += self._realtime.receive(bytes(b for b in data if b & 0x80), now_utc)
        for byte in data:
            if byte & 0x80:
                continue
            if byte in {ESC, SOH}:
                self._damaged += bool(self._slow)
                self._slow = bytearray([byte])
                self._is_inside = True
            elif byte == CR and self._is_inside:
                frame, self._slow, self._is_inside = bytes(self._slow), bytearray(), False
                self._take(frame, now, now_utc)
            elif self._is_inside:
                self._slow.append(byte)
                if len(self._slow) > FRAME_MAX_BYTES:
                    self._slow, self._is_inside = bytearray(), False
                    self._damaged += 1

    def data_to_send(self) -> bytes:
        """As `Line`."""
        out, self._out = bytes(self._out), bytearray()
        return out

    def observations(self) -> list[Observation]:
        """As `Line`."""
        found, self._found = self._found, []
        return found

    def next_timeout(self) -> float | None:
        """As `Line`."""
        if not self._open:
            return self._ask_at
        return min(self._ask_at, self._sent_at + NOP_EVERY_S, self._heard_at + SILENT_S)

    def handle_timeout(self, now: float) -> None:
        """As `Line`."""
        if self._open and now >= self._heard_at + SILENT_S:
            self._open = False
            self._ask_at = now
        if not self._open:
            if now >= self._ask_at:
                self._command(ICC, now)
                self._ask_at = now + ICC_EVERY_S
        elif now >= self._ask_at:
            self._poll(now)
        elif now >= self._sent_at + NOP_EVERY_S:
            self._command(NOP, now)

    def leave(self) -> bytes:
        """As `Line`."""
        return write_frame(ESC, STOP) if self._open else b""

    # Conversation

    def _take(self, frame: bytes, now: float, now_utc: float) -> None:
        if not _is_whole(frame):
            self._damaged += 1
            return
        code, data = frame[1], frame[2:-2]
        if frame[0] == ESC:
            self.readable += 1
            self._heard_at = now
            self._answer(code, now)
        elif self._understand(code, data, now, now_utc):
            self.readable += 1
            self._heard_at = now
        else:
            self._damaged += 1

    def _answer(self, code: int, now: float) -> None:
        self._out += write_frame(SOH, code, OUR_IDENTITY if code == IDENTITY else b"")
        self._sent_at = now
        if code == ICC:
            self._begin(now)
        elif code == STREAMS_CHANGED and self._waves:
            self._realtime.stop()
            self._command(STREAMS, now)
        elif code == STOP:
            self._open, self._ask_at = False, now + ICC_EVERY_S

    def _begin(self, now: float) -> None:
        self._open = True
        self._waiting = None
        self._ask_at = now + POLL_EVERY_S
        self._realtime.stop()
        self._command(IDENTITY, now)

    def _understand(self, code: int, data: bytes, now: float, now_utc: float) -> bool:
        """False if it is not as it must be."""
        if code == self._waiting:
            self._waiting = None
            self._ask_at = now + (POLL_EVERY_S / len(POLLS))
        match code:
            case 0x51:
                self._begin(now)
            case 0x52:
                self._name(data)
                if self._waves:
                    self._command(STREAMS, now)
            case 0x53:
                return self._choose(data, now)
            case 0x54:
                self._out += self._realtime.start()
                self._sent_at = now
            case 0x24 | 0x2B:
                return self._values(code, data, now_utc)
            case 0x27 | 0x2E:
                return self._alarm_list(code, data, now, now_utc)
        return True

    def _poll(self, now: float) -> None:
        """The next question; one that was not answered is passed over, not waited for."""
        self._turn = (self._turn + 1) % len(POLLS)
        self._waiting = POLLS[self._turn]
        self._ask_at = now + ANSWER_S
        self._command(self._waiting, now)

    def _command(self, code: int, now: float, argument: bytes = b"") -> None:
        self._out += write_frame(ESC, code, argument)
        self._sent_at = now

    # Content

    def _name(self, data: bytes) -> None:
        """Identification: four letters, the name in quotes, revisions."""
        parts = data.split(b"'")
        text = parts[1] if len(parts) >= 3 else data[4:34]
        self.name = clean(f"Draeger {text.decode('ascii', 'replace').strip()}")

    def _choose(self, data: bytes, now: float) -> bool:
        streams = Stream.read_all(data)
        if streams is None:
            return False
        chosen = self._realtime.choose(streams)
        if chosen:
            self._command(CHOOSE_STREAMS, now, b"".join(b"%02X01" % one.code for one in chosen))
        return True

    def _values(self, page: int, data: bytes, now_utc: float) -> bool:
        """Records of two hexadecimal letters and four of the value."""
        if len(data) % 6 or not all(
            HEX.issuperset(data[n : n + 2]) for n in range(0, len(data), 6)
        ):
            return False
        self._found += [
            self._numeric(page, int(data[n : n + 2], 16), data[n + 2 : n + 6], now_utc)
            for n in range(0, len(data), 6)
        ]
        return True

    def _numeric(self, page: int, code: int, text: bytes, now_utc: float) -> Numeric:
        number = 1 if page == VALUES_1 else 2
        unknown = (f"MEDIBUS {number}-{code:02X}", "", None)
        label, unit, term = MEASURED_1.get(code, unknown) if number == 1 else unknown
        value = float(text) if VALUE.fullmatch(text) else None
        return Numeric(
            device=self._device,
            received_utc=now_utc,
            source_utc=None,
            code=term.code if term is not None else 0,
            name=term.name if term is not None else label,
            unit=unit,
            value=value,
            validity="unavailable" if value is None else "valid",
            loinc=term.loinc if term is not None else "",
            label=label,
        )

    def _alarm_list(self, code: int, data: bytes, now: float, now_utc: float) -> bool:
        """Records of a priority, two hexadecimal letters and twelve of text."""
        if len(data) % 15 or not all(
            HEX.issuperset(data[n + 1 : n + 3]) for n in range(0, len(data), 15)
        ):
            return False
        alarms = [
            Alarm(
                device=self._device,
                received_utc=now_utc,
                source_utc=None,
                text=clean(data[n + 3 : n + 15].decode("ascii", "replace"), 500),
                priority=clean(chr(data[n])),
                state="active",
                alarm=f"{code:02X}-{data[n + 1 : n + 3].decode()}",
            )
            for n in range(0, len(data), 15)
        ]
        self._found += self._alarms[code].update(alarms, now, now_utc)
        return True


def write_frame(begin: int, code: int, data: bytes = b"") -> bytes:
    """A command (ESC) or an answer (SOH)."""
    body = bytes([begin, code]) + data
    return body + b"%02X" % (sum(body) & 0xFF) + bytes([CR])


def _is_whole(frame: bytes) -> bool:
    if len(frame) < 4 or not HEX.issuperset(frame[-2:]):
        return False
    return int(frame[-2:], 16) == sum(frame[:-2]) & 0xFF
