"""A forwarded datagram on its way through the sender, and the flow it belongs to."""

from edgebox.bond.classify import Classifier, Seen
from edgebox.bond.wire import Fragment, TrafficClass

UNSENT_S = {
    TrafficClass.CONTROL: 0.5,
    TrafficClass.AUDIO: 0.2,
    TrafficClass.VIDEO: 0.15,
    TrafficClass.DEFAULT: 0.5,
}
"""A datagram not sent by then is dropped."""
DEADLINE_S = {
    TrafficClass.CONTROL: 1.0,
    TrafficClass.AUDIO: 0.25,
    TrafficClass.VIDEO: 0.3,
    TrafficClass.DEFAULT: 0.6,
}
"""A copy that cannot arrive by then is not sent: libwebrtc has given the frame up."""


class Flow:
    """One client of one forward."""

    __slots__ = ("announced", "classifier", "destination", "last_frame", "last_link", "last_order",
                 "used_at")  # fmt: skip

    def __init__(self, destination: str, now: float):
        self.destination = destination
        """Where it goes at the far end; empty where the far end opened it."""
        self.announced = not destination
        self.classifier = Classifier()
        self.last_order: dict[TrafficClass, int] = {}
        """Sequence number of the class's latest datagram."""
        self.last_frame = -1
        self.last_link = -1
        self.used_at = now


class Datagram:
    """One inner datagram, or one piece of a large one."""

    __slots__ = (
        "accepted_at",
        "acknowledged",
        "back",
        "deadline_at",
        "expected_at",
        "expires_at",
        "flow",
        "fragment",
        "frame",
        "links",
        "payload",
        "place",
        "rescues",
        "sequence",
        "traffic_class",
        "under_way",
    )  # fmt: skip

    def __init__(
        self, flow: int, payload: bytes, seen: Seen, now: float, fragment: Fragment | None = None
    ):
        self.flow = flow
        self.payload = payload
        self.traffic_class, self.frame, self.place = seen
        self.accepted_at = now
        self.expires_at = now + UNSENT_S[self.traffic_class]
        self.deadline_at = now + DEADLINE_S[self.traffic_class]
        self.expected_at = 0.0
        """When its acknowledgement should be here."""
        self.fragment = fragment
        self.sequence = -1
        """Given at the first transmission, so that what is never sent leaves no gap."""
        self.back = 0
        self.links = 0
        """Bit i: a copy went over link i."""
        self.under_way = 0
        """Copies neither acknowledged nor lost."""
        self.rescues = 0
        self.acknowledged = False
