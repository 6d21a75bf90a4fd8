"""What the support desk knows of the boxes, from what they say of themselves. Pure."""

from dataclasses import dataclass, field

from edgebox.hub.desk_sift import Sift
from edgebox.messages.support import SupportSession
from edgebox.messages.support_way import DIRECT, SupportWay
from edgebox.messages.update import UpdateStatus

BOXES_MAX = 10_000
OFF = SupportSession(state="off")
CLOSED = SupportWay(state="closed")


@dataclass
class BoxEntry:
    """One box."""

    id: str
    vehicle: str = ""
    bridge: bool | None = None
    support: bool = False
    """Its support service runs."""
    said: SupportSession = OFF
    doubled: bool = False
    """Two boxes use its identity."""
    way: SupportWay = CLOSED
    """Of its support service's own connection."""
    sift: Sift = field(default_factory=Sift)
    software: UpdateStatus | None = None
    """Which version runs, and what becomes of the next; None: it has not said."""

    @property
    def reachable(self) -> bool:
        """Whether an order could get there."""
        return self.is_direct or (self.support and self.bridge is not False)

    @property
    def address(self) -> str:
        """Its name in the topics that get there now."""
        return f"{DIRECT}{self.id}" if self.is_direct else self.id

    @property
    def is_direct(self) -> bool:
        """Its support service is connected by itself."""
        return self.way.state == "open"

    @property
    def session(self) -> SupportSession:
        """Of a process that lives; the word of a dead one is worth nothing."""
        return self.said if self.support or self.is_direct else OFF


class Board:
    """All boxes."""

    def __init__(self) -> None:
        self.boxes: dict[str, BoxEntry] = {}

    def box(self, key: str) -> BoxEntry | None:
        """The entry, made if need be; None when there are too many. `key`: of its topics."""
        id_ = key.removeprefix(DIRECT)
        if id_ not in self.boxes and len(self.boxes) >= BOXES_MAX:
            return None
        return self.boxes.setdefault(id_, BoxEntry(id_))

    def shown(self) -> list[BoxEntry]:
        """Those who asked first, then who is being helped, then by name."""
        order = {"asked": 0, "active": 1, "off": 2}
        return sorted(
            (box for box in self.boxes.values() if box.vehicle or box.support or box.is_direct),
            key=lambda box: (order[box.session.state], not box.reachable, box.vehicle, box.id),
        )

    def session_of(self, id_: str, serial: str) -> SupportSession | None:
        """The active session of this technician with this box."""
        box = self.boxes.get(id_)
        if box is None or box.session.state != "active" or box.session.serial != serial:
            return None
        return box.session
