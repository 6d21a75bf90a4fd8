"""Between a connection and its link: spreads large pictures over time where bits are scarce.

A keyframe leaves the encoder at once, but at 100 kbit/s its packets take a second. Sent in one
burst they would wait in the bond until they are too old, and sound behind them. Here they wait
instead, and what must not leave any more, because the crew hid the pictures, is dropped.
"""

import asyncio
from collections.abc import Callable, Collection

SPREAD_BELOW_BPS = 250_000
"""Above this the bond's own queue is short enough."""
HEADROOM = 1.2
"""Faster than the pictures' own rate by this, so that nothing piles up."""
BURST_S = 0.04
RTP_HEADER_BYTES = 12
RTCP_TYPES = range(192, 224)
"""Second byte of RTCP packets (RFC 5761, 4)."""


class Spread:
    """When the next packet may leave (no I/O, told the time)."""

    def __init__(self) -> None:
        self._free_at = 0.0
        self._last_bps = 0

    def wait_s(self, size: int, rate_bps: int, now: float) -> float:
        """How long a packet of `size` bytes waits; call once for each."""
        # During a pause what is under way goes on as before.
        self._last_bps = rate_bps = rate_bps or self._last_bps
        if not 0 < rate_bps < SPREAD_BELOW_BPS:
            self._free_at = now
            return 0.0
        wait_s = max(0.0, self._free_at - now - BURST_S)
        self._free_at = max(now, self._free_at) + size * 8 / (rate_bps * HEADROOM)
        return wait_s


class Gate:
    """Of one connection; `passes` is asked before each packet."""

    def __init__(self, rate_bps: Callable[[], int]):
        """`rate_bps`: of all its pictures together."""
        self._rate_bps = rate_bps
        self._spread = Spread()
        self._under_way: dict[bytes, bytes] = {}
        self._dropped: dict[bytes, bytes] = {}
        self._closed = self._held = False
        self.pictures: set[int] = set()
        """Synchronization sources of our pictures; everything else passes at once."""

    def close(self) -> None:
        """Nothing but reports passes any more, nor what is sent again."""
        self._closed = True

    def hold(self, held: bool) -> None:
        """Nothing but reports passes while held."""
        self._held = held

    def flush(self, sources: Collection[int]) -> None:
        """What is left of these sources' pictures that are under way does not pass any more."""
        for source in sources:
            key = source.to_bytes(4, "big")
            if key in self._under_way:
                self._dropped[key] = self._under_way[key]

    async def passes(self, data: bytes) -> bool:
        """Wait for its turn; False if it is not to be sent. `data`: RTP or RTCP."""
        is_rtp = len(data) >= RTP_HEADER_BYTES and data[1] not in RTCP_TYPES
        if is_rtp and (self._closed or self._held):
            return False
        if not is_rtp or int.from_bytes(data[8:12], "big") not in self.pictures:
            return True
        picture, source = data[4:8], data[8:12]
        self._under_way[source] = picture
        now = asyncio.get_running_loop().time()
        wait_s = self._spread.wait_s(len(data), self._rate_bps(), now)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return not (self._closed or self._held) and self._dropped.get(source) != picture
