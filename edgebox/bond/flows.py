"""The flows that an end sends on: where each goes, and whether the far end knows it."""

from edgebox.bond.datagram import Datagram, Flow
from edgebox.bond.wire import FRAGMENT_SIZE, OVERHEAD
from edgebox.errors import LocalProtocolError

FLOWS_MAX = 1024
FLOW_IDLE_S = 180.0


class Flows(dict[int, Flow]):
    """By number."""

    def open(self, number: int, destination: str, now: float) -> None:
        """Name where a flow goes at the far end; announced with its first datagrams."""
        known = self.get(number)
        if known is None or known.destination != destination:
            self[number] = Flow(destination, now)
        while len(self) > FLOWS_MAX:
            del self[min(self, key=lambda one: self[one].used_at)]

    def use(self, number: int, now: float) -> Flow:
        """Raises LocalProtocolError when it is not open."""
        flow = self.get(number)
        if flow is None:
            raise LocalProtocolError(f"flow {number} is not open")
        flow.used_at = now
        return flow

    def on_announced(self, number: int) -> None:
        """The far end has read where the flow goes."""
        flow = self.get(number)
        if flow is not None:
            flow.announced = True

    def forget_idle(self, now: float) -> None:
        """Drop those nobody used for long."""
        for number in [number for number in self if self[number].used_at < now - FLOW_IDLE_S]:
            del self[number]


def announcement(datagram: Datagram, flow: Flow, outer_max: int) -> str:
    """Where the flow goes, if the far end must be told.

    A datagram that was cut when the far end still knew may have no room left; one cut now has.
    """
    size = len(datagram.payload) + 1 + len(flow.destination)
    if datagram.fragment is not None:
        size += FRAGMENT_SIZE
    return "" if flow.announced or size > outer_max - OVERHEAD else flow.destination
