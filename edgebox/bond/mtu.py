"""Which size of outer datagram passes over a link: packetization layer discovery, RFC 8899.

Told what was acknowledged and what was lost; says when to send a padded ping of which size. Sizes
are outer UDP payloads in bytes; nothing relies on ICMP, which mobile networks drop.

    assumed:   SAFE passes everywhere that IPv6 does (1280 less headers)
    searching: a probe at the ceiling first, then halving the interval, TRIES each, one at a time
    found:     the ceiling is tried anew every RAISE_S
    black hole: large packets vanish while smaller ones sent between them arrive: down the ladder
                at once, search anew. An outage takes all sizes and shows nothing

A lost probe says nothing of congestion (RFC 8899, 3): the caller leaves it out of its estimates.
"""

from edgebox.bond.wire import OUTER_MAX

SAFE = OUTER_MAX
CEILING = 1500 - 40 - 8
"""Ethernet's MTU less IPv6 and UDP headers."""
LADDER = (SAFE, 1100, 972, 548)
"""Where to fall to; the last is IPv4's least MTU of 576 less headers (RFC 1122, 3.3.3)."""
STEP = 16
"""The search ends when it is known as exactly as this."""
TRIES = 3
PROBE_S = 0.5
"""Between two probes."""
GIVE_UP_S = 1.0
"""A probe nobody has acknowledged by then was lost."""
RAISE_S = 600.0
RETRY_S = 30.0
"""After a black hole."""
HOLE_PACKETS = 6
HOLE_AFTER = 3
"""Of them after a smaller one that arrived."""
HOLE_S = 0.3
"""So many large packets in a row, over at least so long, lost while smaller ones arrive."""


class MtuSearch:
    """One direction of one link."""

    def __init__(self, now: float, ceiling: int = CEILING):
        self.size = min(SAFE, ceiling)
        """Nothing larger is sent, except probes."""
        self.proven = 0
        """Largest size ever acknowledged; 0: none yet."""
        self._ceiling = ceiling
        self._too_large = ceiling + 1
        self._next_at = now + PROBE_S
        self._tries = 0
        self._out = 0
        """Size of the probe under way; 0: none."""
        self._out_at = 0.0
        self._lost = 0
        self._lost_least = 0
        self._lost_at = 0.0
        self._small_at = 0.0
        """When the first smaller one was sent after that which arrived."""
        self._lost_after = 0

    @property
    def wants_news(self) -> bool:
        """Something is under suspicion or on trial: each acknowledged size matters."""
        return bool(self._lost or self._out)

    def probe(self, now: float) -> int:
        """Size of a probe to send now; 0: none is due."""
        if self._out:
            if now - self._out_at < GIVE_UP_S:
                return 0
            self._on_probe_lost()
        if now < self._next_at:
            return 0
        if self._too_large - self.size <= STEP:
            self._too_large = self._ceiling + 1
            self._next_at = now + RAISE_S
            return 0
        self._out = self._candidate()
        self._out_at = now
        self._next_at = now + PROBE_S
        return self._out

    def on_acked(self, size: int, sent_at: float) -> None:
        """A packet of this size arrived."""
        self.proven = max(self.proven, size)
        if self._lost and size >= self._lost_least:
            self._lost = 0
        elif self._lost and self._small_at <= self._lost_at < sent_at:
            self._small_at, self._lost_after = sent_at, 0
        if size == self._out:
            self._out = self._tries = 0
        if size > self.size:
            self.size = min(size, self._ceiling)
            self._too_large = max(self._too_large, size + 1)

    def on_lost(self, size: int, sent_at: float, *, is_probe: bool) -> bool:
        """Later packets of the link arrived, this one did not. True: `size` fell."""
        if is_probe:
            if size == self._out:
                self._on_probe_lost()
            return False
        if size <= LADDER[-1]:
            return False
        if not self._lost:
            self._lost_at, self._lost_least = sent_at, size
        self._lost += 1
        self._lost_least = min(self._lost_least, size)
        self._lost_after += self._lost_at < self._small_at < sent_at
        if self._lost < HOLE_PACKETS or sent_at - self._lost_at < HOLE_S:
            return False
        if self._lost_after < HOLE_AFTER:
            return False
        return self._fall(self._lost_least, sent_at)

    def on_refused(self, size: int, now: float) -> bool:
        """Our own system says that this is too large (EMSGSIZE). True: `size` fell."""
        if size == self._out:
            self._out = self._tries = 0
        self._too_large = min(self._too_large, size)
        return self._fall(size, now) if size <= self.size else False

    def _candidate(self) -> int:
        if self._too_large > self._ceiling:
            return self._ceiling
        return (self.size + self._too_large) // 2

    def _on_probe_lost(self) -> None:
        self._tries += 1
        if self._tries >= TRIES:
            self._too_large = min(self._too_large, self._out)
            self._tries = 0
        self._out = 0

    def _fall(self, too_large: int, now: float) -> bool:
        before = self.size
        self.size = next((step for step in LADDER if step < too_large), LADDER[-1])
        self.size = min(self.size, before)
        self.proven = min(self.proven, self.size)
        self._too_large = too_large
        self._lost = self._tries = self._out = 0
        self._next_at = now + RETRY_S
        return self.size < before
