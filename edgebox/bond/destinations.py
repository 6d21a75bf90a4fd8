"""Where a box's flows go, as the hub was told, and which of them it cannot serve."""

from edgebox.bond.control import FlowRefused, FlowUnknown, Item

FLOWS_MAX = 256
"""Destinations remembered for one box."""
NOTICES_MAX = 32
"""A second; they fit beside the acknowledgements of all links into one packet."""


class Destinations:
    """By flow."""

    def __init__(self) -> None:
        self.notices: dict[Item, None] = {}
        """To be told, in order."""
        self._known: dict[int, str] = {}
        self._told: set[int] = set()
        """Flows the far end was told something about since the last housekeeping."""

    def __len__(self) -> int:
        """Flows known."""
        return len(self._known)

    def learn(self, flow: int, destination: str) -> bool:
        """The box says where it goes; False if there are too many."""
        if flow not in self._known and len(self._known) >= FLOWS_MAX:
            return False
        self._known[flow] = destination
        return True

    def find(self, flow: int) -> str:
        """Where it goes. Of one that is not known the box is told, and it is empty."""
        destination = self._known.get(flow, "")
        if not destination:
            full = len(self._known) >= FLOWS_MAX
            self._tell(FlowRefused(flow) if full else FlowUnknown(flow))
        return destination

    def refuse(self, flow: int) -> None:
        """It will not be served; it takes no other's place."""
        self.forget(flow)
        self._tell(FlowRefused(flow))

    def forget(self, flow: int) -> None:
        """If it wakes up, the box must say again where it goes."""
        self._known.pop(flow, None)

    def keep_house(self) -> None:
        """A second has passed."""
        self._told.clear()

    def _tell(self, notice: FlowRefused | FlowUnknown) -> None:
        """Once a second for each flow is enough; the box may flood us, we do not answer in kind."""
        if notice.flow not in self._told and len(self._told) < NOTICES_MAX:
            self._told.add(notice.flow)
            self.notices[notice] = None
