"""Nonin oximeters, serial data formats 2 and 7 (OEM III module specification). No I/O.

9600 baud 8N1; 75 frames of five bytes each second, the last byte the sum of the others:

    format 2    01  STATUS  PLETH       DATA  CHK
    format 7    STATUS  PLETH-high  PLETH-low  DATA  CHK

STATUS: 80 always, 40 no sensor, 20 artifact, 10 out of track, 08 sensor alarm, 06 perfusion,
01 SYNC: first of 25 frames whose DATA make up a packet. DATA of frames 1, 2: heart rate, two bits
and seven; 3: SpO2. 511 and 127 mean no value.

A sum of eight bits lets one damaged frame in 256 through. So a value is only given out when all 25
frames of its packet were whole and SYNC stood where it must.
"""

from edgebox.observation import WITHOUT_VALUE, Numeric, Validity, Wave, pack_samples, worst
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors.line import Speed
from edgebox.vitals.monitors.listening import Listening

FRAME, PACKET = 5, 25
RATE_HZ = 75.0
NO_RATE, NO_SPO2 = 511, 127
NO_SENSOR, ARTIFACT, OUT_OF_TRACK, SENSOR_ALARM, SYNC = 0x40, 0x20, 0x10, 0x08, 0x01
LOCK_FRAMES = 3
"""So many good frames in a row are no accident: 2^-24 with the marks they need."""
PULSE, SPO2, PLETH = (nomenclature.TERMS[code] for code in (149530, 150456, 150452))


class Nonin(Listening):
    """One oximeter; format 2 or 7 is recognised."""

    speed = Speed(9600)
    name = "Nonin"

    def __init__(self, device: str):
        super().__init__()
        self._device = device
        self._buffer = bytearray()
        self._format = 0
        """0: not locked."""
        self._packet: list[tuple[int, int, int] | None] = []
        """Status, pleth, data of the frames since SYNC; None: damaged."""
        self._first = 0
        self._ended_utc: float | None = None

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        self._buffer += data
        while self._step(now_utc):
            pass

    def _step(self, now_utc: float) -> bool:
        """One frame, or one try to find where they begin; False if more bytes are needed."""
        if not self._format:
            return self._lock()
        if len(self._buffer) < FRAME:
            return False
        frame = _parse(self._buffer[:FRAME], self._format)
        if frame is None:
            if len(self._buffer) < 2 * FRAME:
                return False  # the next one tells whether it was only this
            self.damaged += 1
            if _parse(self._buffer[FRAME : 2 * FRAME], self._format) is None:
                self._flush(now_utc)
                self._format = 0
                return True
        else:
            self.readable += 1
        del self._buffer[:FRAME]
        if frame is not None and frame[0] & SYNC:
            self._flush(now_utc)
        self._packet.append(frame)
        if len(self._packet) == PACKET:
            self._flush(now_utc)
        return True

    def _lock(self) -> bool:
        need = FRAME * LOCK_FRAMES
        for start in range(len(self._buffer) - need + 1):
            for number in (2, 7):
                at = range(start, start + need, FRAME)
                if all(_parse(self._buffer[n : n + FRAME], number) for n in at):
                    self.damaged += -(-start // FRAME)
                    del self._buffer[:start]
                    self._format = number
                    return True
        passed = max(0, len(self._buffer) - need + 1)
        self.damaged += passed // FRAME
        del self._buffer[:passed]
        return False

    def _flush(self, now_utc: float) -> None:
        """Give out what there is of a packet; of one that did not begin with SYNC, nothing."""
        packet, self._packet = self._packet, []
        if not packet or packet[0] is None or not packet[0][0] & SYNC:
            return
        self._found.append(self._wave(packet, now_utc))
        whole = [frame for frame in packet if frame is not None]
        if len(whole) == PACKET and not any(frame[0] & SYNC for frame in whole[1:]):
            self._found += self._values(whole, now_utc)

    def _wave(self, packet: list[tuple[int, int, int] | None], now_utc: float) -> Wave:
        samples = [None if frame is None or frame[0] & NO_SENSOR else frame[1] for frame in packet]
        if self._ended_utc is not None:
            missing = round((now_utc - self._ended_utc) * RATE_HZ) - len(samples)
            self._first += missing if PACKET < missing < 2**31 else 0
        self._ended_utc = now_utc
        first, self._first = self._first, self._first + len(samples)
        statuses = [frame[0] for frame in packet if frame is not None]
        return Wave(
            device=self._device,
            received_utc=now_utc,
            source_utc=None,
            code=PLETH.code,
            name=PLETH.name,
            unit="1",
            rate_hz=RATE_HZ,
            scale=1.0,
            offset=0.0,
            first=first,
            samples=pack_samples(samples),
            validity=worst(_validity(status) for status in statuses),
        )

    def _values(self, packet: list[tuple[int, int, int]], now_utc: float) -> list[Numeric]:
        validity = worst(_validity(status) for status, _, _ in packet)
        high, low, spo2 = (packet[n][2] for n in range(3))
        rate = (high & 0x03) << 7 | low & 0x7F
        return [
            self._numeric(PULSE, None if rate == NO_RATE else rate, validity, now_utc),
            self._numeric(SPO2, None if spo2 & 0x7F == NO_SPO2 else spo2 & 0x7F, validity, now_utc),
        ]

    def _numeric(
        self, term: nomenclature.Term, value: int | None, validity: Validity, now_utc: float
    ) -> Numeric:
        if value is None and validity not in WITHOUT_VALUE:
            validity = "unavailable"
        return Numeric(
            device=self._device,
            received_utc=now_utc,
            source_utc=None,
            code=term.code,
            name=term.name,
            unit=term.unit,
            value=None if value is None or validity in WITHOUT_VALUE else float(value),
            validity=validity,
            loinc=term.loinc,
        )


def _parse(frame: bytes | bytearray, number: int) -> tuple[int, int, int] | None:
    """Status, pleth and data of a whole frame of this format."""
    if len(frame) < FRAME or sum(frame[:4]) & 0xFF != frame[4]:
        return None
    if number == 2:
        return (frame[1], frame[2], frame[3]) if frame[0] == 1 and frame[1] & 0x80 else None
    return (frame[0], frame[1] << 8 | frame[2], frame[3]) if frame[0] & 0x80 else None


def _validity(status: int) -> Validity:
    if status & NO_SENSOR:
        return "unavailable"
    if status & SENSOR_ALARM:
        return "invalid"
    return "questionable" if status & (ARTIFACT | OUT_OF_TRACK) else "valid"
