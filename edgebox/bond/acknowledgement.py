"""What an acknowledgement says about the packets of one link."""

from typing import NamedTuple

from edgebox.bond.control import Ack
from edgebox.bond.path import Path, Sent
from edgebox.bond.reception import MAP_BITS
from edgebox.bond.wire import unwrap
from edgebox.errors import RemoteProtocolError

LOST_PACKETS = 3
LOST_S = 0.010
"""A packet is lost when this many later ones, sent this much later, have arrived."""


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
