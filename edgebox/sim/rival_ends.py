"""The two ends of a rival: all but the choice of link, which rivals.py has.

The shell is better than most of the originals' own: a link's arrivals are acknowledged every
10 ms (64 at a time), a lost packet goes again by the same choice of link (twice at most, as SRT
within its latency of 300 ms), a link without an acknowledgement for 4 s while loaded is dead
until a keepalive (one a second) is answered. The far end drops copies and releases at once: no
constant latency and no resequencing, which flatters their delays. Nothing is encrypted; four bytes
of checksum find damage, as UDP's do.
"""

import struct
import zlib
from collections import deque
from collections.abc import Callable, Hashable, Sequence

from edgebox.bond.events import DatagramReceived

HEADER = struct.Struct("!BBHII")
"""Kind, link, 0, packet number of the link, number of the datagram."""
ACK = struct.Struct("!BBHIQ")
DATA, PING, ACKS = 0x21, 0x22, 0x23
ACK_S = 0.010
LATENCY_S = 0.300
REPEATS_MAX = 2
REORDER_PACKETS = 3
RTO_MIN_S = 0.100
DEAD_S = 4.0
PING_S = 1.0
TICK_S = 0.010
REMEMBERED = 1 << 14
START_BPS = 300_000.0
FLOOR_BPS = 150_000.0


def with_sum(packet: bytes) -> bytes:
    """The packet as it goes over a link."""
    return packet + zlib.crc32(packet).to_bytes(4, "big")


def without_sum(packet: bytes) -> bytes | None:
    """The packet as it was sent; None if it is damaged."""
    body = packet[:-4]
    return body if zlib.crc32(body).to_bytes(4, "big") == packet[-4:] else None


class RivalPath:
    """One link as a rival's sender knows it."""

    def __init__(self, link: int, address: Hashable, now: float):
        self.link = link
        self.address = address
        self.next_number = 0
        self.sent: dict[int, _Sent] = {}
        self.srtt_s = 0.0
        self.rttvar_s = 0.0
        self.heard_at = now
        """When it last acknowledged something."""
        self.pinged_at = -1e9
        self.highest = -1
        self.dead = False
        # srtla's window in thousandths of a packet, MPTCP's in packets.
        self.window = 20_000
        self.cwnd = 10.0
        self.slow_start = True
        self.reduced_at = -1e9
        self.credit = 0.0

    def on_rtt(self, rtt_s: float) -> None:
        """RFC 6298 (2)."""
        if not self.srtt_s:
            self.srtt_s, self.rttvar_s = rtt_s, rtt_s / 2
            return
        self.rttvar_s += (abs(rtt_s - self.srtt_s) - self.rttvar_s) / 4
        self.srtt_s += (rtt_s - self.srtt_s) / 8

    def rto_s(self) -> float:
        """Unacknowledged for so long: lost."""
        return max(RTO_MIN_S, self.srtt_s + 4 * self.rttvar_s + ACK_S) if self.srtt_s else 1.0


class _Datagram:
    __slots__ = ("accepted_at", "acknowledged", "number", "payload", "repeats")

    def __init__(self, number: int, payload: bytes, now: float):
        self.number = number
        self.payload = payload
        self.accepted_at = now
        self.acknowledged = False
        self.repeats = 0


class _Sent:
    __slots__ = ("at", "datagram")

    def __init__(self, datagram: _Datagram | None, at: float):
        self.datagram = datagram
        self.at = at


Choice = Callable[["RivalBox", Sequence[RivalPath], int], list[RivalPath]]
"""The links a datagram of so many bytes goes over; none: it waits."""


class RivalBox:
    """The sending end in the vehicle."""

    def __init__(self, choice: Choice, now: float):
        self.bytes_total = 0
        self.bytes_extra = 0
        self._choice = choice
        self._paths: dict[int, RivalPath] = {}
        self._outbox: list[tuple[Hashable, bytes]] = []
        self._waiting: deque[_Datagram] = deque()
        self._number = 0
        self._tick_at = now
        self._target_bps = START_BPS
        self._arrived: deque[tuple[float, int]] = deque()
        self._trouble_at = -1e9

    def attach_path(self, link: int, address: Hashable, now: float) -> None:
        """The link can send."""
        self._paths[link] = RivalPath(link, address, now)

    def open_flow(self, flow: int, destination: str, now: float) -> None:
        """There is one flow."""

    def next_event(self) -> None:
        """Nothing comes back."""

    def send_datagram(self, flow: int, payload: bytes, now: float) -> None:
        """Take a datagram."""
        self._number += 1
        self._waiting.append(_Datagram(self._number, payload, now))
        self._pump(now)

    def _pump(self, now: float) -> None:
        living = [path for path in self._paths.values() if not path.dead]
        while self._waiting:
            datagram = self._waiting[0]
            if now - datagram.accepted_at <= LATENCY_S:
                chosen = self._choice(
                    self, living or list(self._paths.values()), len(datagram.payload)
                )
                if not chosen:
                    return
                for path in chosen:
                    self._transmit(datagram, path, now, extra=path is not chosen[0])
            self._waiting.popleft()

    def _transmit(self, datagram: _Datagram, path: RivalPath, now: float, *, extra: bool) -> None:
        header = HEADER.pack(DATA, path.link, 0, path.next_number, datagram.number)
        path.sent[path.next_number] = _Sent(datagram, now)
        path.next_number += 1
        packet = with_sum(header + datagram.payload)
        self.bytes_total += len(packet)
        self.bytes_extra += len(packet) if extra else 0
        self._outbox.append((path.address, packet))

    # End

    def receive_datagram(self, address: Hashable, packet: bytes, now: float) -> None:
        """Acknowledgements: one block for each link that has news."""
        body = without_sum(packet)
        if body is None:
            return
        _, link, _, highest, bitmap = ACK.unpack(body)
        path = self._paths.get(link)
        if path is None or highest not in range(path.next_number):
            return
        path.heard_at = now
        path.dead = False
        newest = path.sent.get(highest)
        if newest is not None and highest > path.highest:
            path.on_rtt(now - newest.at)
        path.highest = max(path.highest, highest)
        for number in list(path.sent):
            behind = highest - number
            if behind < 0:
                break
            if behind == 0 or (behind <= 64 and bitmap >> (behind - 1) & 1):
                self._on_arrived(path, path.sent.pop(number), now)
            elif behind > REORDER_PACKETS:
                self._on_lost(path, path.sent.pop(number), now)
        self._pump(now)

    def datagrams_to_send(self, now: float) -> list[tuple[Hashable, bytes]]:
        """Hand out."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def next_timeout(self) -> float:
        """A timer every 10 ms."""
        return self._tick_at

    def handle_timeout(self, now: float) -> None:
        """Losses by time-out, dead links, keepalives."""
        self._tick_at = now + TICK_S
        for path in self._paths.values():
            overdue_at = now - path.rto_s()
            for number in list(path.sent):
                if path.sent[number].at > overdue_at:
                    break
                self._on_lost(path, path.sent.pop(number), now)
            if now - path.pinged_at > PING_S:
                path.pinged_at = now
                self._outbox.append(
                    (path.address, with_sum(HEADER.pack(PING, path.link, 0, path.next_number, 0)))
                )
                path.sent[path.next_number] = _Sent(None, now)
                path.next_number += 1
            path.dead = now - path.heard_at > DEAD_S
        self._pump(now)

    def _on_arrived(self, path: RivalPath, sent: _Sent, now: float) -> None:
        if sent.datagram is None:
            return
        sent.datagram.acknowledged = True
        self._arrived.append((now, len(sent.datagram.payload)))
        # srtla_send.c: the window grows by 29 when it is filled, and by 1 on all links.
        if len(path.sent) * 1000 > path.window:
            path.window += 29
        for other in self._paths.values():
            other.window = min(60_000, other.window + 1)
        path.cwnd += 1.0 if path.slow_start else 1.0 / path.cwnd

    def _on_lost(self, path: RivalPath, sent: _Sent, now: float) -> None:
        self._trouble_at = now
        path.window = max(1_000, path.window - 100)
        if now - path.reduced_at > path.srtt_s:
            path.cwnd, path.slow_start, path.reduced_at = max(2.0, path.cwnd / 2), False, now
        datagram = sent.datagram
        if (
            datagram is None
            or datagram.acknowledged
            or datagram.repeats >= REPEATS_MAX
            or now - datagram.accepted_at > LATENCY_S
        ):
            return
        datagram.repeats += 1
        living = [one for one in self._paths.values() if not one.dead]
        for chosen in self._choice(self, living, len(datagram.payload)):
            self._transmit(datagram, chosen, now, extra=True)

    def tell_target(self, now: float) -> float:
        """What the encoder may produce: a tenth less than arrives in trouble, else 2 % more.

        Trouble is a loss in the last 100 ms or packets under way for a quarter of a second.
        """
        while self._arrived and self._arrived[0][0] < now - 1.0:
            self._arrived.popleft()
        oldest_at = min(
            (next(iter(path.sent.values())).at for path in self._paths.values() if path.sent),
            default=now,
        )
        if now - self._trouble_at < 0.1 or now - oldest_at > 0.25:
            arrives_bps = 8.0 * sum(size for _, size in self._arrived)
            self._target_bps = max(FLOOR_BPS, 0.9 * min(self._target_bps, arrives_bps))
        else:
            self._target_bps *= 1.02
        return self._target_bps


class RivalHub:
    """The receiving end: each datagram once, at once."""

    def __init__(self, destination: str, flow: int, now: float):
        self._destination = destination
        self._flow = flow
        self._events: deque[DatagramReceived] = deque()
        self._seen: set[int] = set()
        self._oldest: deque[int] = deque()
        self._highest: dict[int, int] = {}
        self._bitmap: dict[int, int] = {}
        self._news: dict[int, Hashable] = {}
        self._ack_at = float("inf")

    def receive_datagram(self, address: Hashable, packet: bytes, now: float) -> None:
        """Data or a keepalive."""
        body = without_sum(packet)
        if body is None:
            return
        kind, link, _, number, datagram = HEADER.unpack_from(body)
        self._note(link, number)
        self._news[link] = address
        self._ack_at = min(self._ack_at, now + ACK_S)
        if kind != DATA or datagram in self._seen:
            return
        self._seen.add(datagram)
        self._oldest.append(datagram)
        if len(self._oldest) > REMEMBERED:
            self._seen.discard(self._oldest.popleft())
        self._events.append(DatagramReceived(self._flow, self._destination, body[HEADER.size :]))

    def _note(self, link: int, number: int) -> None:
        ahead = number - self._highest.get(link, -1)
        bitmap = self._bitmap.get(link, 0)
        if ahead > 0:
            first = link not in self._highest
            self._bitmap[link] = (
                0 if first or ahead > 64 else (((bitmap << 1 | 1) << (ahead - 1)) & ((1 << 64) - 1))
            )
            self._highest[link] = number
        elif -ahead <= 64 and ahead:
            self._bitmap[link] = bitmap | 1 << (-ahead - 1)

    def next_event(self) -> DatagramReceived | None:
        """What came out."""
        return self._events.popleft() if self._events else None

    def datagrams_to_send(self, now: float) -> list[tuple[Hashable, bytes]]:
        """Acknowledgements, each over its own link."""
        if now < self._ack_at:
            return []
        self._ack_at = float("inf")
        news, self._news = self._news, {}
        return [
            (address, with_sum(ACK.pack(ACKS, link, 0, self._highest[link], self._bitmap[link])))
            for link, address in news.items()
        ]

    def next_timeout(self) -> float:
        """When acknowledgements are due."""
        return self._ack_at

    def handle_timeout(self, now: float) -> None:
        """datagrams_to_send does it."""
