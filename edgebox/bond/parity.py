"""Parity for frames that repair would come too late for, and how many rows of it.

Repair takes a round trip. Where that would miss the moment a picture is wanted, on long ways, rows
of a Reed-Solomon code (galois.py) follow the frame, over links other than the data's where there
are any. As many as leave less than MISS of the frames incomplete, given the links' loss; none
where nothing is lost or another copy would be in time. They are paid from an allowance, and only
while nothing waits. The far end's half is recovery.py.
"""

import math
from collections.abc import Callable, Iterable

from edgebox.bond.datagram import Cover, Datagram, Frame
from edgebox.bond.galois import encode
from edgebox.bond.links import Links
from edgebox.bond.meter import Allowance
from edgebox.bond.path import Path
from edgebox.bond.schedule import choose
from edgebox.bond.wire import (
    FRAME_BITS,
    HEADER_SIZE,
    PARITY_SIZE,
    TAG_SIZE,
    WRAP,
    Parity,
    encode_symbol,
)

ON_TIME_S = 0.150
"""A picture is wanted this long after its capture: a browser asks for what is missing then."""
SPARE = 0.8
"""Parity is sent while the load, parity included, is below this share of what the links carry."""
MARGIN_S = 0.06
"""Repair is expected so much later than usual."""
MISS = 0.01
LOSS_LEAST = 0.002
"""Links that lose less get no parity."""
ROWS_MAX = 6
BLOCK_DATAGRAMS = 32
SHARE = 0.12
BURST_BYTES = 24_000

Send = Callable[[Parity, Cover, Path, float], None]


class Protection:
    """Looks at each frame when its last packet has gone."""

    def __init__(self, links: Links, send: Send):
        self._links = links
        self._send = send
        self._allowance = Allowance(SHARE, BURST_BYTES)
        self.wanted = False
        """Some link loses packets, so frames are worth keeping until they are complete."""

    def earn(self, size: int) -> None:
        """Ordinary bytes were sent."""
        self._allowance.earn(size)

    def look(self, load_bps: float, extra_bps: float, now: float) -> None:
        """See whether parity may be needed at all, and there is room for it.

        `extra_bps` of the load are copies and parity already.
        """
        lossy = any(path.estimate.usual_loss > LOSS_LEAST for path in self._links.usable)
        room_bps = self._links.carried_bps(now) * SPARE
        self.wanted = lossy and room_bps > load_bps and extra_bps <= SHARE * load_bps

    def protect(self, frame: Frame, now: float) -> None:
        """Send rows for the frame's datagrams if they are needed; all have gone once."""
        members, frame.members = frame.members, []
        for block in _blocks(members):
            rows = self._rows(block, now)
            if not rows:
                continue
            cover = Cover(sum(not one.acknowledged for one in block))
            for datagram in block:
                datagram.cover = cover
            for row in range(rows):
                if not self._send_row(cover, block, row, now):
                    return

    def _rows(self, block: list[Datagram], now: float) -> int:
        """The least number that keeps the chance of too many losses below MISS."""
        expected = sum(self._risk(datagram, now) for datagram in block)
        if expected < MISS:
            return 0
        rows, term = 0, math.exp(-expected)
        missed = 1.0 - term
        while missed > MISS and rows < ROWS_MAX:
            rows += 1
            term *= expected / rows
            missed -= term
        return rows

    def _risk(self, datagram: Datagram, now: float) -> float:
        """Chance that it is lost and repair comes too late."""
        path = self._links.paths.get(datagram.links.bit_length() - 1)
        if path is None or path.estimate.usual_loss <= LOSS_LEAST:
            return 0.0
        repaired_at = now + path.estimate.rescue_after_s() + self._links.way_s() + MARGIN_S
        wanted_at = datagram.accepted_at + ON_TIME_S
        return path.estimate.usual_loss if repaired_at > wanted_at else 0.0

    def _send_row(self, cover: Cover, block: list[Datagram], row: int, now: float) -> bool:
        symbols = [encode_symbol(one) for one in block]
        size = HEADER_SIZE + PARITY_SIZE + max(map(len, symbols)) + TAG_SIZE
        path = self._path(block, row, size, now)
        if path is None or not self._allowance.spend(size):
            return False
        base = block[0].sequence
        members = sum(1 << (one.sequence - base) for one in block)
        parity = Parity(0, block[0].traffic_class, base % WRAP, members, row, encode(symbols, row))
        self._send(parity, cover, path, now)
        return True

    def _path(self, block: list[Datagram], row: int, size: int, now: float) -> Path | None:
        """One that carries little or nothing of the block and is free; else any that is free."""
        free = [one for one in self._links.fitting(size) if one.wait_s(size, now) < 0.02]
        used = [one.links.bit_length() - 1 for one in block]
        others = [one for one in free if one.link not in used]
        return choose(others or free, size, now)


def _blocks(members: Iterable[Datagram]) -> list[list[Datagram]]:
    """Datagrams close enough in sequence for one parity packet to name them."""
    blocks: list[list[Datagram]] = []
    for datagram in sorted(members, key=lambda one: one.sequence):
        if (
            blocks
            and len(blocks[-1]) < BLOCK_DATAGRAMS
            and datagram.sequence - blocks[-1][0].sequence < FRAME_BITS
        ):
            blocks[-1].append(datagram)
        else:
            blocks.append([datagram])
    return blocks
