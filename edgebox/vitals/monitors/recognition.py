"""Which of the known monitors is on a serial port. No I/O, told the time.

One speed after the other is tried for TRY_S; at each, all protocols of that speed listen side by
side, and those that have to ask do. The first with CERTAIN readable frames is it, and stays until
the port is closed. Two that read frames at the same time are two monitors on one line.
"""

from dataclasses import dataclass
from datetime import tzinfo

from edgebox.observation import Observation
from edgebox.vitals.monitors.dri import Dri
from edgebox.vitals.monitors.line import IntelliVueLine, Line, Speed
from edgebox.vitals.monitors.masimo import Masimo
from edgebox.vitals.monitors.medibus import Medibus
from edgebox.vitals.monitors.nonin import Nonin
from edgebox.vitals.monitors.nonin_text import NoninText

TRY_S = 5.0
CERTAIN = {"dri": 1, "intellivue": 1, "masimo": 1, "medibus": 2, "nonin": 25, "nonin-text": 2}


@dataclass
class _Candidate:
    kind: str
    line: Line


class Recognition:
    """A `Line` that becomes one of the others; `speed` changes until then."""

    def __init__(self, device: str, zone: tzinfo, *, waves: bool, now: float):
        self._device = device
        self._zone = zone
        self._waves = waves
        self._speeds = [Masimo.speed, IntelliVueLine.speed, Medibus.speed, Dri.speed]
        self._until = now + TRY_S
        self._candidates = self._make(now)
        self.kind = ""
        """The protocol, once it is known."""

    @property
    def speed(self) -> Speed:
        """How the port must be set up now."""
        return self._speeds[0]

    @property
    def name(self) -> str:
        """As `Line`; two at once name both."""
        return " + ".join(one.line.name or one.kind for one in self._readers())

    @property
    def senders(self) -> list[str]:
        """The protocols that are being read: more than one are two monitors."""
        return [one.kind for one in self._readers()]

    @property
    def readable(self) -> int:
        """As `Line`."""
        return sum(one.line.readable for one in self._readers())

    @property
    def damaged(self) -> int:
        """As `Line`; what the wrong protocol cannot read is no damage."""
        readers = self._readers()
        return readers[0].line.damaged if len(readers) == 1 else 0

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        for one in self._candidates:
            one.line.receive(data, now, now_utc)
        readers = self._readers()
        if readers and not self.kind:
            self.kind = readers[0].kind

    def data_to_send(self) -> bytes:
        """As `Line`."""
        return b"".join(one.line.data_to_send() for one in self._candidates)

    def observations(self) -> list[Observation]:
        """As `Line`: of those that are certain; before that they are kept back, not lost."""
        return [found for one in self._readers() for found in one.line.observations()]

    def next_timeout(self) -> float | None:
        """As `Line`."""
        due = [one.line.next_timeout() for one in self._candidates]
        times = [at for at in due if at is not None]
        return min([*times, self._until] if not self.kind else times, default=None)

    def handle_timeout(self, now: float) -> None:
        """As `Line`; or the next speed."""
        if not self.kind and now >= self._until:
            self._speeds.append(self._speeds.pop(0))
            self._until = now + TRY_S
            self._candidates = self._make(now)
        for one in self._candidates:
            due = one.line.next_timeout()
            if due is not None and now >= due:
                one.line.handle_timeout(now)

    def leave(self) -> bytes:
        """As `Line`."""
        return b"".join(one.line.leave() for one in self._candidates) if self.kind else b""

    def _readers(self) -> list[_Candidate]:
        return [one for one in self._candidates if one.line.readable >= CERTAIN[one.kind]]

    def _make(self, now: float) -> list[_Candidate]:
        if self.speed == IntelliVueLine.speed:
            line = IntelliVueLine(self._device, self._zone, waves=self._waves, now=now)
            return [_Candidate("intellivue", line)]
        if self.speed == Dri.speed:
            return [_Candidate("dri", Dri(self._device, waves=self._waves, now=now))]
        if self.speed == Medibus.speed:
            return [_Candidate("medibus", Medibus(self._device, waves=self._waves, now=now))]
        return [
            _Candidate("masimo", Masimo(self._device, self._zone)),
            _Candidate("nonin", Nonin(self._device)),
            _Candidate("nonin-text", NoninText(self._device)),
        ]
