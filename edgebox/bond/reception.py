"""What has arrived on each link, for acknowledgement to the far end."""

from edgebox.bond.control import Ack
from edgebox.bond.wire import WRAP

MAP_BITS = 64
_MAP = (1 << MAP_BITS) - 1


class Reception:
    """One link's arrivals."""

    __slots__ = ("bitmap", "bytes_total", "highest", "link", "news", "packets_total", "received_us")

    def __init__(self, link: int):
        self.link = link
        self.highest = -1
        self.bitmap = 0
        self.received_us = 0
        self.bytes_total = 0
        self.packets_total = 0
        self.news = False
        """Something arrived since the last acknowledgement."""

    def add(self, number: int, size: int, received_us: int) -> None:
        """Packet `number` of `size` outer payload bytes was opened."""
        self.bytes_total += size
        self.packets_total += 1
        self.news = True
        ahead = number - self.highest
        if ahead > 0:
            if self.highest >= 0:
                self.bitmap = ((self.bitmap << 1 | 1) << (ahead - 1)) & _MAP if ahead <= 64 else 0
            self.highest = number
            self.received_us = received_us
        elif -ahead <= MAP_BITS:
            self.bitmap |= 1 << (-ahead - 1)

    def ack(self) -> Ack:
        """The block to send."""
        return Ack(
            self.link,
            self.highest % WRAP,
            self.bitmap,
            self.received_us,
            self.bytes_total % WRAP,
            self.packets_total % WRAP,
        )
