"""A simulated Philips IntelliVue monitor (guide 4535 642 59271), without I/O.

Written as a monitor's side, apart from the parser it is to test. It accepts one association at a
time, reports its MDS, answers polls, and ends an association it has not heard of for 10 s.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import LEADS, Patient

TICKS_PER_S = 8000
ASSOCIATION_S = 10.0
NUMERICS_EVERY_S = 1.024
WAVES_EVERY_S = 0.256
ECG_PERIOD_TICKS = 16
PLETH_PERIOD_TICKS = 64
CUFF_EVERY_S = 30.0
_LEAD_IDS = dict(zip(LEADS, (257, 258, 317, 318, 319, 320, *range(259, 265)), strict=True))
_ACCEPT = bytes.fromhex(
    "3180a0808001010000a280a003000001a580308080010081025101000030808001008 10c"
    "2a8648ce1402010000000201000000006180308002010 1a0806180a180060c2a8648ce140201000000030100"
    "00a203020100a305a103020100be80288006 0c2a8648ce14020100000001010201028148".replace(" ", "")
)
_USER = bytes.fromhex(
    "8000000040000000000000008000000020000000000000000001002c00010028800000000000"
    "09c4000009c4000003e8ffffffff600000000001000cf00100088c00000000000000"
)


@dataclass
class _Poll:
    """An extended poll that is being answered."""

    invoke_id: int
    number: int
    group: int
    until: float
    due: float
    sequence: int = 0
    is_first: bool = True


class IntelliVueMonitor:
    """The monitor's end of the conversation."""

    def __init__(
        self,
        patient: Patient,
        faults: Faults,
        *,
        now: float,
        zone: tzinfo = UTC,
        leads: tuple[str, ...] = LEADS[:3],
    ):
        self.patient = patient
        self.faults = faults
        self._zone = zone
        self._leads = leads
        self._started = now
        self._heard = -1e9
        self._associated = False
        self._polls: dict[int, _Poll] = {}
        self._cuff_utc: float | None = None
        self._cuff_at = -1e9
        self._samples_at = now
        self.requests: list[bytes] = []
        """What came in, for tests."""

    def receive(self, message: bytes, now: float, now_utc: float) -> list[bytes]:
        """Answers to one message."""
        self.requests.append(message)
        if not message:
            return []
        self._heard = now
        kind = message[0]
        if kind == 0x0D:
            if self._associated:
                self._associated = False
                return [
                    _session(
                        0x19,
                        bytes.fromhex(
                            "11010 3c129a080a08030800201010602510100000000"
                            "61803080020101a08064808001010000000000000000".replace(" ", "")
                        ),
                    )
                ]
            self._associated = True
            self._polls.clear()
            accept = bytes.fromhex("0508130100160102800014020002c1")
            body = _ACCEPT + _USER + bytes(16)
            return [_session(0x0E, accept + bytes([len(body)]) + body), self._created(now, now_utc)]
        if kind == 0x09:
            self._associated = False
            return [
                _session(0x0A, bytes.fromhex("c11661803080020101a08063808001000000000000000000"))
            ]
        if not self._associated or len(message) < 14:
            return []
        return self._handle_operation(message, now, now_utc)

    def tick(self, now: float, now_utc: float) -> list[bytes]:
        """What is due to be sent by itself."""
        if self.faults.reboot:
            self.faults.reboot = False
            self._associated, self._started = False, now
            self._polls.clear()
        if self._associated and now > self._heard + ASSOCIATION_S:
            self._associated = False
        if not self._associated or self.faults.is_silent(now):
            return []
        out: list[bytes] = []
        for object_class, poll in list(self._polls.items()):
            if now > poll.until:
                del self._polls[object_class]
                continue
            while now >= poll.due:
                out.append(self._answer(object_class, poll, poll.due, now_utc - (now - poll.due)))
                every = WAVES_EVERY_S if object_class == 9 else NUMERICS_EVERY_S
                poll.due += every
        return out

    def _handle_operation(self, message: bytes, now: float, now_utc: float) -> list[bytes]:
        kind, _, invoke_id, command = struct.unpack(">HHHH", message[4:12])
        if kind != 1:
            return []
        if command == 5:  # the list of waves
            return [_operation(2, invoke_id, 5, struct.pack(">HHHHH", 33, 0, 0, 0, 0))]
        if command != 7:
            return [struct.pack(">HHHHHHH", 0xE100, 2, 3, 6, invoke_id, 2, 0)]
        (action,) = struct.unpack(">H", message[24:26])
        number, _, object_class, group = struct.unpack(">HHHH", message[28:36])
        if action == 0x0C16:
            poll = _Poll(invoke_id, number, group, now, now)
            return [self._answer(object_class, poll, now, now_utc, action=0x0C16)]
        ticks = struct.unpack(">I", message[-4:])[0] if len(message) >= 48 else 8000
        until = now + ticks / TICKS_PER_S
        if object_class in self._polls:
            self._polls[object_class].until = until
            return []
        self._polls[object_class] = _Poll(invoke_id, number, group, until, now)
        return []

    def _created(self, now: float, now_utc: float) -> bytes:
        maker, model = b"Philips \x00\x00", b"SIM MX450\x00"
        value = _string(maker) + _string(model)
        attributes = _attributes([(0x0928, value), (0x0987, self._absolute(now_utc))])
        info = struct.pack(">HHH", 33, 0, 0) + attributes
        event = struct.pack(">HHHIHH", 33, 0, 0, self._ticks(now), 0x0D06, len(info)) + info
        return _operation(1, 1, 1, event)

    def _answer(
        self, object_class: int, poll: _Poll, now: float, now_utc: float, action: int = 0xF13B
    ) -> bytes:
        objects = self._objects(object_class, poll, now, now_utc)
        poll.is_first = False
        sequence = struct.pack(">H", poll.sequence) if action == 0xF13B else b""
        poll.sequence = (poll.sequence + 1) & 0xFFFF
        head = struct.pack(">H", poll.number) + sequence + struct.pack(">I", self._ticks(now))
        head += self._absolute(now_utc) + struct.pack(">HHH", 1, object_class, poll.group)
        listed = b"".join(
            struct.pack(">H", handle) + _attributes(attributes) for handle, attributes in objects
        )
        context = struct.pack(">HHH", 1, len(objects), len(listed)) + listed
        reply = head + struct.pack(">HH", 1, len(context)) + context
        result = struct.pack(">HHHHH", 33, 0, 0, action, len(reply)) + reply
        return _operation(2, poll.invoke_id, 7, result)

    def _objects(
        self, object_class: int, poll: _Poll, now: float, now_utc: float
    ) -> list[tuple[int, list[tuple[int, bytes]]]]:
        if object_class == 6:
            return self._numerics(now, now_utc)
        if object_class == 9:
            return self._waves(poll, now)
        if object_class == 54:
            return [(300, [(0x0902, self._alarm_list()), (0x0904, struct.pack(">HH", 0, 0))])]
        return []

    def _numerics(self, now: float, now_utc: float) -> list[tuple[int, list[tuple[int, bytes]]]]:
        p = self.patient
        state = self._state()
        if now >= self._cuff_at + CUFF_EVERY_S or self._cuff_utc is None:
            self._cuff_at, self._cuff_utc = now, now_utc
        steady = (
            (0x4182, p.heart_rate, 0x0AA0, "HR"),
            (0x4BB8, p.spo2, 0x0220, "SpO2"),
            (0x4822, p.heart_rate, 0x0AA0, "Pulse"),
            (0x500A, p.resp_rate, 0x0AE0, "RR"),
            (0x4B48, p.temperature, 0x17A0, "Temp"),
        )
        found: list[tuple[int, list[tuple[int, bytes]]]] = [
            (
                100 + n,
                [
                    (0x0927, _text(label)),
                    (0x0950, struct.pack(">HHH", physio, state, unit) + _float(value, state)),
                ],
            )
            for n, (physio, value, unit, label) in enumerate(steady)
        ]
        demo = 0x0400 if self.faults.demo else 0
        cuff = b"".join(
            struct.pack(">HHH", physio, demo, 0x0F20) + _float(value, demo)
            for physio, value in ((0x4A05, p.systolic), (0x4A06, p.diastolic), (0x4A07, p.mean))
        )
        compound = struct.pack(">HH", 3, len(cuff)) + cuff
        found.append(
            (
                110,
                [
                    (0x0927, _text("NBP")),
                    (0x093F, struct.pack(">IHHBBH", 0, 1, 0xB000, 1, 3, 0)),
                    (0x0990, self._absolute(self._cuff_utc)),
                    (0x094B, compound),
                ],
            )
        )
        return found

    def _waves(self, poll: _Poll, now: float) -> list[tuple[int, list[tuple[int, bytes]]]]:
        state = self._state()
        found: list[tuple[int, list[tuple[int, bytes]]]] = []
        begin = now - WAVES_EVERY_S
        for n, lead in enumerate(self._leads):
            count = round(WAVES_EVERY_S * TICKS_PER_S / ECG_PERIOD_TICKS)
            raw = [
                round((self.patient.ecg_mv(lead, begin + k * 0.002) + 40.96) / 0.005) & 0x3FFF
                for k in range(count)
            ]
            static = [
                (0x0927, _text(lead)),
                (0x096D, struct.pack(">HBBH", count, 16, 14, 0x3000)),
                (0x096F, _float(-40.96, 0) + _float(40.955, 0) + struct.pack(">HH", 0, 16383)),
                (0x098D, struct.pack(">I", ECG_PERIOD_TICKS)),
                (0x0996, struct.pack(">H", 0x10B2)),
            ]
            value = _sample_value(_LEAD_IDS[lead], state, raw)
            found.append((200 + n, [*(static if poll.is_first else []), (0x096E, value)]))
        count = round(WAVES_EVERY_S * TICKS_PER_S / PLETH_PERIOD_TICKS)
        raw = [round(1000 * self.patient.pleth(begin + k * 0.008)) for k in range(count)]
        static = [
            (0x0927, _text("Pleth")),
            (0x096D, struct.pack(">HBBH", count, 16, 12, 0)),
            (0x098D, struct.pack(">I", PLETH_PERIOD_TICKS)),
        ]
        value = _sample_value(0x4BB4, state, raw)
        found.append((220, [*(static if poll.is_first else []), (0x096E, value)]))
        return found

    def _alarm_list(self) -> bytes:
        entries = b""
        for n, text in enumerate(self.faults.alarms):
            string = text.encode("utf-16-be") + b"\x00\x00"
            info = struct.pack(">HIHH", n, 0, 0, 0) + struct.pack(">H", len(string)) + string
            entries += struct.pack(">HHHHHHHHH", 0x4BB8, 10 + n, 512, 0, 54, 1, 300, 516, len(info))
            entries += info
        return struct.pack(">HH", len(self.faults.alarms), len(entries)) + entries

    def _state(self) -> int:
        return (0x8000 if self.faults.lead_off else 0) | (0x0400 if self.faults.demo else 0)

    def _ticks(self, now: float) -> int:
        return round((now - self._started) * TICKS_PER_S) & 0xFFFFFFFF

    def _absolute(self, at_utc: float) -> bytes:
        moment = datetime.fromtimestamp(at_utc + self.faults.clock_s, self._zone)
        parts = (
            *divmod(moment.year, 100),
            *(moment.month, moment.day, moment.hour, moment.minute, moment.second),
            moment.microsecond // 10_000,
        )
        return bytes(int(f"{part:02d}", 16) for part in parts)


def _session(kind: int, body: bytes) -> bytes:
    if len(body) < 255:
        return bytes([kind, len(body)]) + body
    return bytes([kind, 255]) + len(body).to_bytes(2, "big") + body


def _operation(kind: int, invoke_id: int, command: int, argument: bytes) -> bytes:
    body = struct.pack(">HHH", invoke_id, command, len(argument)) + argument
    return struct.pack(">HHHH", 0xE100, 2, kind, len(body)) + body


def _attributes(pairs: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack(">HH", number, len(value)) + value for number, value in pairs)
    return struct.pack(">HH", len(pairs), len(body)) + body


def _string(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def _text(text: str) -> bytes:
    return _string(text.encode("utf-16-be") + b"\x00\x00")


def _float(value: float, state: int) -> bytes:
    """FLOAT-Type with three decimals; NaN where the state says that there is no value."""
    if state & 0xA000:
        return b"\x00\x7f\xff\xff"
    return b"\xfd" + (round(value * 1000) & 0xFFFFFF).to_bytes(3, "big")


def _sample_value(physio: int, state: int, raw: list[int]) -> bytes:
    data = b"".join(one.to_bytes(2, "big") for one in raw)
    return struct.pack(">HHH", physio, state, len(data)) + data
