"""What is owed to the far end: acknowledgements, when they go and over which links.

Collected for ACK_S or ACK_PACKETS, and sent over the two links that are best: the far end must
notice within a few hundredths of a second when a link fails. On links that carry little, that
alone would be more than they carry. There, acknowledgements take ACK_SHARE of it, are collected
for up to POOR_ACK_S, and go over one link; the far end sees how long they were held.
"""

from edgebox.bond.control import ACK_SIZE, CONTROL_SIZE, Ack
from edgebox.bond.links import Links
from edgebox.bond.path import Path
from edgebox.bond.reception import MAP_BITS, Reception
from edgebox.bond.schedule import ranked
from edgebox.bond.wire import HEADER_SIZE, IP_UDP_SIZE, TAG_SIZE

ACK_S = 0.010
ACK_PACKETS = 16
ACK_NEWS_S = 0.1
"""Links are acknowledged again this long after their last packet, against lost acknowledgements."""
FRESH_S = 0.050
"""One of the links that acknowledgements go over has brought something this lately, if any has:
the two best may have died together, and nothing else would tell for most of a second."""
POOR_BPS = 250_000
POOR_ACK_S = 0.120
POOR_ACK_PACKETS = 3 * MAP_BITS // 4
ACK_SHARE = 0.15
HEADERS_SIZE = IP_UDP_SIZE + HEADER_SIZE + CONTROL_SIZE + TAG_SIZE
"""Of an acknowledgement with IPv4 and UDP, beside its blocks."""


class Receipts:
    """Of all links, one direction. `links`: the way back."""

    def __init__(self, links: Links):
        self.receptions: dict[int, Reception] = {}
        self.heard: dict[int, float] = {}
        """When a link brought something last."""
        self.at: float | None = None
        """When the next acknowledgement goes; None: nothing is owed."""
        self._links = links
        self._count = 0

    def opened(self, link: int, number: int, size: int, now_us: int, now: float) -> bool:
        """A packet was opened; True if it is the newest of its link."""
        self.heard[link] = now
        reception = self.receptions.get(link)
        if reception is None:
            reception = self.receptions[link] = Reception(link)
        is_newest = number > reception.highest
        reception.add(number, size, now_us)
        return is_newest

    def expect(self, now: float) -> None:
        """The packet just opened wants an acknowledgement."""
        self._count += 1
        if self.at is None:
            self.at = now + self._collected_s()
        if self._count >= ACK_PACKETS:
            enough = POOR_ACK_PACKETS if self._is_poor() else ACK_PACKETS
            self.at = now if self._count >= enough else self.at

    def is_due(self, now: float) -> bool:
        """An acknowledgement should go."""
        return self.at is not None and now >= self.at

    def blocks(self, now: float) -> list[Ack]:
        """For each link that has news, and once more for one that had."""
        again_s = 0.0 if self._is_poor() else ACK_NEWS_S
        return [
            reception.ack()
            for reception in self.receptions.values()
            if reception.news or now - self.heard[reception.link] < again_s
        ]

    def paths(self, now: float) -> list[Path]:
        """Where they go; empty: nowhere yet."""
        best = self._links.best(now)
        if not any(self._is_fresh(path, now) for path in best):
            fresh = [path for path in self._links.usable if self._is_fresh(path, now)]
            best = (ranked(fresh, now)[:1] + best)[:2]
        return best[:1] if self._is_poor() else best

    def _is_fresh(self, path: Path, now: float) -> bool:
        """Something came over it just now, so it lives, in one direction at least."""
        return now - self.heard.get(path.link, -1e9) < FRESH_S

    def on_sent(self, *, anywhere: bool) -> None:
        """The blocks went over `paths`."""
        self.at = None
        self._count = 0
        if anywhere:
            for reception in self.receptions.values():
                reception.news = False

    def _is_poor(self) -> bool:
        return self._links.capacity_bps() < POOR_BPS

    def _collected_s(self) -> float:
        if not self._is_poor():
            return ACK_S
        carried_bps = max(1.0, self._links.capacity_bps())
        fresh = sum(one.news for one in self.receptions.values())
        bits = 8 * (HEADERS_SIZE + fresh * (2 + ACK_SIZE))
        return min(POOR_ACK_S, max(ACK_S, bits / (ACK_SHARE * carried_bps)))
