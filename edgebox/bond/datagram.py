"""A forwarded datagram on its way through the sender, its frame, and the flow both belong to."""

from collections import deque

from edgebox.bond.classify import BURST_GAP_S, Classifier, Seen
from edgebox.bond.wire import Fragment, TrafficClass

UNSENT_S = {
    TrafficClass.CONTROL: 0.5,
    TrafficClass.AUDIO: 0.2,
    TrafficClass.VIDEO: 0.45,
    TrafficClass.DEFAULT: 0.5,
}
"""A datagram not sent by then is dropped; video sooner and by frames, see backlog.py."""
DEADLINE_S = {
    TrafficClass.CONTROL: 1.0,
    TrafficClass.AUDIO: 0.25,
    TrafficClass.VIDEO: 0.4,
    TrafficClass.DEFAULT: 0.6,
}
"""A copy that cannot arrive by then is not sent: libwebrtc has given the frame up."""

FRAMES_MAX = 8
"""Frames of a flow that may still get packets: several cameras may take turns."""


class Frame:
    """Packets of a flow that belong together: a picture, or a burst of other traffic."""

    __slots__ = ("accepted_at", "begun", "bytes", "dropped", "is_closed", "is_whole", "last_link",
                 "members", "number", "waiting")  # fmt: skip

    def __init__(self, number: int, now: float, *, is_whole: bool):
        self.number = number
        self.accepted_at = now
        self.is_whole = is_whole
        """One packet missing makes the others worthless."""
        self.begun = False
        """A packet of it was sent."""
        self.dropped = False
        self.waiting: deque[Datagram] = deque()
        self.bytes = 0
        """Payload of what waits."""
        self.last_link = -1
        self.is_closed = False
        """Its last packet was accepted."""
        self.members: list[Datagram] = []
        """Sent once, to be protected by parity when the frame is complete."""

    def is_over(self, now: float) -> bool:
        """All of it has been sent, and nothing more has come since."""
        pause_s = now - self.members[-1].accepted_at if self.members else 0.0
        return not self.waiting and pause_s > BURST_GAP_S


class Cover:
    """Datagrams that parity protects together."""

    __slots__ = ("missing", "rows")

    def __init__(self, missing: int):
        self.missing = missing
        """Datagrams not acknowledged."""
        self.rows = 0
        """Parity rows acknowledged."""

    @property
    def is_enough(self) -> bool:
        """The far end can make out what it lacks."""
        return self.missing <= self.rows


class Flow:
    """One client of one forward."""

    __slots__ = ("announced", "classifier", "destination", "frames", "last_order", "used_at")

    def __init__(self, destination: str, now: float):
        self.destination = destination
        """Where it goes at the far end; empty where the far end opened it."""
        self.announced = not destination
        self.classifier = Classifier()
        self.last_order: dict[TrafficClass, int] = {}
        """Sequence number of the class's latest datagram."""
        self.frames: deque[Frame] = deque(maxlen=FRAMES_MAX)
        """Those that last had a datagram begun, oldest first."""
        self.used_at = now

    def frame_of(self, seen: Seen, now: float) -> Frame:
        """The frame that a datagram belongs to, a new one if need be."""
        if seen.traffic_class < TrafficClass.VIDEO:
            return Frame(seen.frame, now, is_whole=False)
        for frame in reversed(self.frames):
            if frame.number == seen.frame:
                return frame
        frame = Frame(seen.frame, now, is_whole=seen.traffic_class is TrafficClass.VIDEO)
        self.frames.append(frame)
        return frame


class Datagram:
    """One inner datagram, or one piece of a large one."""

    __slots__ = (
        "accepted_at",
        "acknowledged",
        "back",
        "bundle",
        "cover",
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
        self,
        flow: int,
        payload: bytes,
        seen: Seen,
        bundle: Frame,
        now: float,
        fragment: Fragment | None = None,
    ):
        self.flow = flow
        self.bundle = bundle
        self.cover: Cover | None = None
        self.payload = payload
        self.traffic_class, self.frame, self.place, is_last = seen
        bundle.is_closed = bundle.is_closed or is_last
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
