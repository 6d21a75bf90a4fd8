"""Which batch goes to the hub when, so that each gets there once and in order. No I/O.

Theory of operation. The box first asks the hub how far each stream is (`question`, `answered`), and
then sends what follows (`next_stream`): at most WINDOW_BYTES are on their way unacknowledged, and
fewer while acknowledgements are slow, because everything the box says to the hub waits behind them;
and no more than RATE_BPS leave in the long run, so that hours of backlog do not press the picture.
Acknowledgements move on; when none comes for ACK_TIMEOUT_S, or the broker goes, the box asks again
before it sends anything: a bridge that is down in silence queues everything it is given, but a
question expires there. What the hub has already, it drops by its number; what it does not have yet
it asks for by `missing`.

Numerics go before waves. Of the same kind a newer stream waits until the hub has the older ones:
what was measured first stands first in the hub's store, whatever was lost on the way.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edgebox.messages.vitals import VitalsAck

WINDOW_BYTES, WINDOW_MIN_BYTES = 48 * 1024, 3 * 1024
QUEUE_S = 0.5
"""An acknowledgement may come so much later than the soonest: a queue nobody minds."""
RATE_BPS = 400_000
"""Of content. Twelve leads at 500 Hz with four more waves are 60,000 to 90,000."""
BURST_BYTES = 64 * 1024
ACK_TIMEOUT_S = 4.0
"""Longer than a bridge takes to come back after a short tunnel."""
ASK_AGAIN_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Between questions nobody answers."""
REWIND_S = 1.0
"""At most so often because of `missing`: what follows a lost batch all says so."""
STREAMS_PER_QUESTION = 64


@dataclass
class Flow:
    """One stream as it is being sent: batches `first` to `next` - 1 wait on the box."""

    id: str
    kind: str
    number: int
    first: int
    next: int
    to_send: int = 0
    """0: the hub has not said yet how far it is."""
    rewound_at: float = -1e9


class Uplink:
    """All streams of one box."""

    def __init__(self, now: float) -> None:
        self._flows: dict[str, Flow] = {}
        self._on_the_way: dict[tuple[str, int], tuple[int, float]] = {}
        """Size in bytes, and when it was sent."""
        self._window = float(WINDOW_BYTES)
        self._narrowed_at = now
        self._least_s = float("inf")
        """The soonest acknowledgement since the hub was asked last."""
        self._asking = True
        self._asked = 0
        self._ask_at = now
        self._progress_at = now
        self._tokens = float(BURST_BYTES)
        self._tokens_at = now

    def update(self, stream: str, kind: str, number: int, first: int, next_seq: int) -> None:
        """What the store holds of a stream now; one that is new to us begins at the hub at 0."""
        flow = self._flows.get(stream)
        if flow is None:
            flow = self._flows[stream] = Flow(stream, kind, number, first, next_seq)
            if not self._asking:  # a stream of this start, which the hub cannot know
                flow.to_send = first
        flow.first, flow.next = first, next_seq
        flow.to_send = max(flow.to_send, first) if flow.to_send else 0

    def remove(self, stream: str) -> None:
        """The hub has all of it and it will not grow."""
        self._flows.pop(stream, None)
        self._settle(stream, -1)

    def disconnected(self, now: float) -> None:
        """The broker is away: what was on its way may be lost."""
        self._ask(now)

    def question(self, now: float) -> tuple[str, ...]:
        """Streams to ask the hub about now; none: it is not the time."""
        if not self._asking or now < self._ask_at or not self._flows:
            return ()
        self._ask_at = now + ASK_AGAIN_S[min(self._asked, len(ASK_AGAIN_S) - 1)]
        self._asked += 1
        unknown = [flow for flow in self._in_order() if not flow.to_send]
        return tuple(flow.id for flow in unknown[:STREAMS_PER_QUESTION])

    def answered(self, places: Iterable[VitalsAck], now: float) -> list[tuple[str, int]]:
        """The hub's answer; how far the store may forget each stream.

        A file put back from a backup may hold less of an old stream than the hub: it has all of it.
        """
        stored = []
        for place in places:
            flow = self._flows.get(place.stream)
            if flow is not None:
                through = min(place.through, flow.next - 1)
                flow.to_send = max(through + 1, flow.first)
                stored.append((flow.id, through))
        self._asking = any(not flow.to_send for flow in self._flows.values())
        self._asked = 0
        self._progress_at = now
        return stored

    def acknowledged(self, ack: VitalsAck, now: float) -> int:
        """How far the store may forget this stream; 0: nothing new."""
        flow = self._flows.get(ack.stream)
        if flow is None:
            return 0
        through = min(ack.through, flow.next - 1)
        self._fit_window(self._settle(ack.stream, through), now)
        if ack.missing and flow.to_send > through + 1 and now >= flow.rewound_at + REWIND_S:
            flow.rewound_at = now
            flow.to_send = max(through + 1, flow.first)
            self._settle(ack.stream, -1)
        if through < flow.first:
            return 0
        self._progress_at = now
        if flow.to_send:
            flow.to_send = max(flow.to_send, through + 1)
        return through

    def next_stream(self, now: float) -> tuple[str, int, int] | None:
        """Stream, number of the first batch to send, and how many bytes there is room for."""
        if self._asking or (room := self._room(now)) <= 0:
            return None
        on_the_way = {stream for stream, _ in self._on_the_way}
        waits: set[str] = set()
        for flow in self._in_order():
            if flow.to_send and flow.to_send < flow.next and flow.kind not in waits:
                return flow.id, flow.to_send, room
            if flow.id in on_the_way:
                waits.add(flow.kind)
        return None

    def sent(self, stream: str, seq: int, size: int, now: float) -> None:
        """This batch was given to the broker."""
        if not self._on_the_way:
            self._progress_at = now
        self._on_the_way[stream, seq] = size, now
        self._tokens -= size
        self._flows[stream].to_send = seq + 1

    def handle_timeout(self, now: float) -> None:
        """Call at `next_timeout`."""
        if self._on_the_way and not self._asking and now >= self._progress_at + ACK_TIMEOUT_S:
            self._ask(now)

    def next_timeout(self, now: float) -> float:
        """When something may be due that no call brings about."""
        if self._asking:
            return self._ask_at if self._flows else now + ACK_TIMEOUT_S
        if self._on_the_way:
            soon = self._progress_at + ACK_TIMEOUT_S
            return min(soon, now + 0.25) if self._waits_for_tokens() else soon
        return now + (0.25 if self._waits_for_tokens() else ACK_TIMEOUT_S)

    def _waits_for_tokens(self) -> bool:
        return self._tokens <= 0 and any(f.to_send < f.next for f in self._flows.values())

    def _ask(self, now: float) -> None:
        self._asking = True
        self._ask_at = now
        self._least_s = float("inf")
        self._on_the_way.clear()
        for flow in self._flows.values():
            flow.to_send = 0

    def _settle(self, stream: str, through: int) -> list[tuple[int, float]]:
        """These are no longer on their way; all of the stream for -1."""
        found = [key for key in self._on_the_way if key[0] == stream]
        return [self._on_the_way.pop(key) for key in found if through < 0 or key[1] <= through]

    def _fit_window(self, settled: list[tuple[int, float]], now: float) -> None:
        """What is sent now shall not be acknowledged later than that."""
        if not settled:
            return
        sent_at = max(at for _, at in settled)
        took_s = now - sent_at
        self._least_s = min(self._least_s, took_s)
        if took_s <= self._least_s + QUEUE_S:
            self._window = min(WINDOW_BYTES, self._window + sum(size for size, _ in settled))
        elif sent_at >= self._narrowed_at:
            # What was sent into the old window says nothing of the new one.
            self._window = max(WINDOW_MIN_BYTES, self._window * (self._least_s + QUEUE_S) / took_s)
            self._narrowed_at = now

    def _room(self, now: float) -> int:
        self._tokens = min(
            float(BURST_BYTES), self._tokens + (now - self._tokens_at) * RATE_BPS / 8
        )
        self._tokens_at = now
        window = self._window - sum(size for size, _ in self._on_the_way.values())
        return int(min(window, self._tokens))

    def _in_order(self) -> list[Flow]:
        return sorted(self._flows.values(), key=lambda one: (one.kind != "numerics", one.number))
