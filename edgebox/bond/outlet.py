"""What leaves: datagrams, parity and control, sealed for a link and counted.

The link's path (path.py) is told of each packet; addresses are the caller's.
"""

from collections.abc import Hashable

from edgebox.bond.control import Item, encode_control
from edgebox.bond.datagram import Cover, Datagram
from edgebox.bond.meter import Counters, Rate
from edgebox.bond.path import Path, PathState, Sent
from edgebox.bond.seal import Sealer
from edgebox.bond.wire import (
    HEADER_SIZE,
    TAG_SIZE,
    Copy,
    Data,
    Parity,
    encode_data,
    encode_parity,
    microseconds,
)

PROBE_S = 0.1
"""A link that needs longer for a packet of the largest size is not asked whether it takes it."""


class Outlet:
    """Of one direction."""

    def __init__(self, sealer: Sealer, counters: Counters):
        self.packets: list[tuple[Hashable, bytes]] = []
        """Sealed, with the addresses they go to, for the caller to take."""
        self.ping_items: list[Item] = []
        """Said with every ping."""
        self.bytes_total = 0
        """Outer payload bytes of datagrams and parity sent, all copies."""
        self.bytes_extra = 0
        """Those of parity, second and later copies."""
        self._sealer = sealer
        self._counters = counters
        self._rate = Rate()
        self._extra_rate = Rate()

    def take(self) -> list[tuple[Hashable, bytes]]:
        """Everything sealed since the last time."""
        packets, self.packets = self.packets, []
        return packets

    def datagram(
        self, datagram: Datagram, path: Path, copy: Copy, announce: str, now: float
    ) -> int:
        """One copy; returns its size on the wire."""
        sent_us = microseconds(now)
        body = encode_data(
            Data(
                sent_us,
                datagram.traffic_class,
                copy,
                datagram.sequence,
                datagram.flow,
                datagram.back,
                min(65_535, int((now - datagram.accepted_at) * 1e4)),
                datagram.frame,
                datagram.place,
                datagram.fragment,
                announce,
                datagram.payload,
            )
        )
        size = self._seal(
            path, body, sent_us, now, eliciting=True, datagram=datagram, announces=bool(announce),
        )  # fmt: skip
        self._count(size, copy, now)
        return size

    def parity(self, parity: Parity, cover: Cover, path: Path, now: float) -> None:
        """One row."""
        sent_us = microseconds(now)
        body = encode_parity(parity._replace(sent_us=sent_us))
        size = self._seal(path, body, sent_us, now, eliciting=True, parity_of=cover)
        self._rate.add(size, now)
        self._extra_rate.add(size, now)
        self.bytes_total += size
        self.bytes_extra += size

    def control(self, path: Path, items: list[Item], now: float, *, pad_to: int = 0,
                eliciting: bool = False) -> None:  # fmt: skip
        """Acknowledgements, notices and pings."""
        sent_us = microseconds(now)
        body = encode_control(sent_us, eliciting=eliciting, items=items, pad_to=pad_to)
        self._seal(path, body, sent_us, now, eliciting=eliciting)

    def ping(self, path: Path, now: float, *, pad_to: int = 0) -> None:
        """Wants an acknowledgement."""
        self.control(path, self.ping_items, now, pad_to=pad_to, eliciting=True)

    def probe_mtu(self, path: Path, now: float) -> None:
        """A ping as large as could perhaps pass; only over a link that answers."""
        if not path.attached or path.state is not PathState.UP or not path.estimate.known:
            return
        if path.mtu.size * 8 > PROBE_S * path.rate_bps:
            return
        if path.wait_s(path.mtu.size, now) == 0 and (size := path.mtu.probe(now)):
            sent_us = microseconds(now)
            pad_to = size - HEADER_SIZE - TAG_SIZE
            body = encode_control(sent_us, eliciting=True, items=[], pad_to=pad_to)
            self._seal(path, body, sent_us, now, eliciting=True, is_mtu_probe=True)

    def bps(self, now: float) -> float:
        """Of datagrams and parity, all copies, over the last second."""
        return self._rate.bps(now)

    def extra_bps(self, now: float) -> float:
        """Of parity, second and later copies."""
        return self._extra_rate.bps(now)

    def _count(self, size: int, copy: Copy, now: float) -> None:
        self._rate.add(size, now)
        self.bytes_total += size
        if copy is Copy.FIRST:
            return
        self._extra_rate.add(size, now)
        self.bytes_extra += size
        if copy is Copy.RESCUE:
            self._counters.rescued += 1
        else:
            self._counters.duplicated += 1

    def _seal(
        self, path: Path, body: bytes, sent_us: int, now: float, *, eliciting: bool,
        datagram: Datagram | None = None, announces: bool = False, is_mtu_probe: bool = False,
        parity_of: Cover | None = None,
    ) -> int:  # fmt: skip
        number = self._sealer.next_number(path.link)
        packet = self._sealer.seal(path.link, body, now)
        self.packets.append((path.address, packet))
        size = len(packet)
        sent = Sent(
            number, size, now, sent_us, eliciting=eliciting, datagram=datagram,
            announces=announces, is_mtu_probe=is_mtu_probe,
        )  # fmt: skip
        sent.parity_of = parity_of
        path.on_sent(sent, now)
        return size
