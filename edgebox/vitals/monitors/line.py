"""What every protocol on a serial line offers, and IntelliVue in that shape. No I/O."""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

from edgebox.errors import RemoteProtocolError
from edgebox.observation import Observation
from edgebox.vitals.monitors.intellivue import IntelliVue
from edgebox.vitals.monitors.intellivue_frame import Deframer, write_frame


@dataclass(frozen=True)
class Speed:
    """How a line is set up."""

    baud: int
    parity: str = "none"
    rtscts: bool = False
    """Hardware flow control."""


class Line(Protocol):
    """One monitor on a serial line; told the time, and asked what to send."""

    @property
    def readable(self) -> int:
        """Whole undamaged frames so far."""

    @property
    def damaged(self) -> int:
        """Frames that were not, so far."""

    @property
    def name(self) -> str:
        """Maker and model, as far as it says."""

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """Bytes, cut anywhere. Damage is counted, never raised."""

    def data_to_send(self) -> bytes:
        """Taken once."""

    def observations(self) -> list[Observation]:
        """Taken once."""

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""

    def handle_timeout(self, now: float) -> None:
        """What time alone brings about."""

    def leave(self) -> bytes:
        """What to send before the port is closed."""


class IntelliVueLine:
    """IntelliVue in frames."""

    speed = Speed(115_200)

    def __init__(self, device: str, zone: tzinfo, *, waves: bool, now: float):
        self._core = IntelliVue(device, zone, waves=waves, now=now)
        self._deframer = Deframer()
        self._refused = 0
        self.readable = 0
        self.damaged = 0

    @property
    def name(self) -> str:
        """As `Line`."""
        return self._core.name

    def receive(self, data: bytes, now: float, now_utc: float) -> None:
        """As `Line`."""
        for message in self._deframer.receive(data):
            try:
                self._core.receive(message, now, now_utc)
                self.readable += 1
            except RemoteProtocolError:
                self._refused += 1
        self.damaged = self._deframer.damaged + self._refused

    def data_to_send(self) -> bytes:
        """As `Line`."""
        return b"".join(write_frame(message) for message in self._core.messages_to_send())

    def observations(self) -> list[Observation]:
        """As `Line`."""
        return self._core.observations()

    def next_timeout(self) -> float | None:
        """As `Line`."""
        return self._core.next_timeout()

    def handle_timeout(self, now: float) -> None:
        """As `Line`."""
        self._core.handle_timeout(now)

    def leave(self) -> bytes:
        """As `Line`."""
        return write_frame(self._core.leave())
