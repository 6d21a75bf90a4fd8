"""What an acknowledgement says about the packets of one link."""

from typing import NamedTuple

from edgebox.bond.path import Path, Sent
from edgebox.bond.reception import MAP_BITS
from edgebox.bond.wire import Ack, difference, unwrap
from edgebox.errors import RemoteProtocolError

LOST_PACKETS = 3
LOST_S = 0.010
"""A packet is lost when this many later ones, sent this much later, have arrived."""
RTT_LEAST_S = 0.0005


class Verdict(NamedTuple):
    """One block, made out."""

    highest: int
    newest: Sent | None
    """The packet `highest`, unless it was known to have arrived."""
    arrived: list[Sent]
    lost: list[Sent]


def make_out(path: Path, ack: Ack, next_number: int) -> Verdict:
    """Which packets arrived, and which it proves lost.

    Raises RemoteProtocolError when it acknowledges what was never sent.
    """
    highest = unwrap(ack.highest, max(path.acknowledged, 0))
    if not 0 <= highest < next_number:
        raise RemoteProtocolError("acknowledges what was never sent")
    newest = path.sent.get(highest)
    arrived: list[Sent] = []
    lost: list[Sent] = []
    lost_before = newest.sent_at - LOST_S if newest is not None else -1.0
    bitmap = ack.bitmap
    for number, sent in path.sent.items():
        behind = highest - number
        if behind < 0:
            break
        if behind == 0 or (behind <= MAP_BITS and bitmap >> (behind - 1) & 1):
            arrived.append(sent)
        elif behind > MAP_BITS or (behind >= LOST_PACKETS and sent.sent_at < lost_before):
            lost.append(sent)
    return Verdict(highest, newest, arrived, lost)


class Clocks:
    """Delays between two clocks: receiver's minus sender's, from a common origin for all links."""

    def __init__(self) -> None:
        self._offset: int | None = None

    def measure(self, path: Path, ack: Ack, newest: Sent, ack_sent_us: int, now: float) -> None:
        """Tell the estimate of the link what the newest packet met."""
        held_s = max(0.0, difference(ack_sent_us, ack.received_us) / 1e6)
        delay = (ack.received_us - newest.sent_us) % (1 << 32)
        if self._offset is None:
            self._offset = delay
        path.received_s += difference(ack.received_us, path.received_us) / 1e6
        path.received_us = ack.received_us
        path.bytes_total = unwrap(ack.bytes_total, path.bytes_total)
        path.estimate.on_progress(
            now,
            max(RTT_LEAST_S, now - newest.sent_at - held_s),
            difference(delay, self._offset) / 1e6,
            path.received_s,
            path.bytes_total,
            newest.size,
            newest.burst_bytes,
            newest.sent_at - newest.burst_at,
        )
        path.correct_queue(newest, path.estimate.queue_s, now)
