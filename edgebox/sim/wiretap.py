"""An auditor on the wire: opens each packet an end sends, with its keys, and holds it to rules.

It knows nothing of the engine's inside. What it checks, for each direction:

    no packet's nonce (epoch, link, packet number) comes twice; every packet opens
    no datagram leaves for the first time after its time in the queue is over, nor ever again
        after its deadline; time stamps are those of the sender's clock
    pictures and other traffic of a flow leave in the order of their deadlines
    one FIRST copy of each datagram, before all others, and at most COPIES_MAX of all kinds
    copies and parity stay within their allowances
"""

from collections import defaultdict

from edgebox.bond.body import decode_body
from edgebox.bond.control import Control
from edgebox.bond.datagram import DEADLINE_S, UNSENT_S
from edgebox.bond.seal import TO_BOX, TO_HUB, Keys, Opener
from edgebox.bond.wire import HEADER_SIZE, Copy, Data, TrafficClass, difference, microseconds
from edgebox.errors import RemoteProtocolError

AGE_S = 1e-4
"""Unit of Data.age."""
ROUNDING_S = 2e-4
RESCUE_SHARE, RESCUE_BURST = 0.25, 64_000
PROBE_SHARE, PROBE_BURST = 0.02, 24_000
PARITY_SHARE, PARITY_BURST = 0.12, 24_000
SECOND_BPS, SECOND_BURST_S = 500_000, 2.0
SLACK_BYTES = 4_000
"""Announcements of flows are not counted by those who pay."""
COPIES_MAX = 8


class WireError(Exception):
    """A sent packet breaks a rule; the text says which."""


class Wiretap:
    """One direction."""

    def __init__(self, keys: Keys, direction: str, now: float):
        self.bytes_of: dict[Copy, int] = dict.fromkeys(Copy, 0)
        """Outer payload bytes of data packets by kind of copy."""
        self.control_bytes = 0
        self.parity_bytes = 0
        self.packets = 0
        self._opener = Opener(keys, TO_HUB if direction == "up" else TO_BOX)
        self._direction = direction
        self._began_at = now
        self._seen_headers: set[bytes] = set()
        self._copies: dict[int, int] = defaultdict(int)
        self._order: dict[tuple[int, TrafficClass], float] = {}

    def see(self, packet: bytes, now: float) -> None:
        """A packet leaves. Raises WireError."""
        self.packets += 1
        header = packet[:HEADER_SIZE]
        if header in self._seen_headers:
            raise WireError("a nonce was used twice")
        self._seen_headers.add(header)
        try:
            _, _, body = self._opener.open(packet, now)
            decoded = decode_body(body)
        except RemoteProtocolError as error:
            raise WireError(f"sent what nobody can read: {error}") from error
        if abs(difference(microseconds(now), decoded.sent_us)) > 1000:
            raise WireError("time stamp is not the time of sending")
        if isinstance(decoded, Data):
            self._see_data(decoded, len(packet), now)
        elif isinstance(decoded, Control):
            self.control_bytes += len(packet)
        else:
            self._see_parity(len(packet))

    def _see_parity(self, size: int) -> None:
        self.parity_bytes += size
        limit = PARITY_SHARE * self.bytes_of[Copy.FIRST] + PARITY_BURST + SLACK_BYTES
        if self.parity_bytes > limit:
            raise WireError(f"{self.parity_bytes} bytes of parity, {limit:.0f} allowed")

    def _see_data(self, data: Data, size: int, now: float) -> None:
        age_s = data.age * AGE_S
        # A probe goes beside a first copy, whenever that is.
        limits = DEADLINE_S if data.copy is Copy.RESCUE else UNSENT_S
        limit_s = limits[data.traffic_class]
        if age_s > limit_s + ROUNDING_S:
            what = f"{self._direction}: {data.traffic_class.name} sent as {data.copy.name}"
            raise WireError(f"{what} at the age of {age_s:.3f} s, {limit_s:g} allowed")
        self._count_copy(data)
        self.bytes_of[data.copy] += size
        if data.copy is Copy.FIRST:
            self._check_order(data, now - age_s)
        else:
            self._check_allowance(data.copy, now)

    def _count_copy(self, data: Data) -> None:
        copies = self._copies[data.sequence]
        # A first copy may be held back from an address that is not proved yet, but never be late.
        if data.copy is Copy.FIRST and copies:
            raise WireError(f"a first copy left as copy {copies + 1} of its datagram")
        self._copies[data.sequence] = copies + 1
        if copies >= COPIES_MAX:
            raise WireError(f"copy {copies + 1} of one datagram")

    def _check_order(self, data: Data, accepted_at: float) -> None:
        if data.traffic_class < TrafficClass.VIDEO:
            return
        key = (data.flow, data.traffic_class)
        if accepted_at < self._order.get(key, accepted_at) - ROUNDING_S:
            raise WireError("an earlier deadline left after a later one")
        self._order[key] = accepted_at

    def _check_allowance(self, copy: Copy, now: float) -> None:
        first = self.bytes_of[Copy.FIRST]
        limit = {
            Copy.RESCUE: RESCUE_SHARE * first + RESCUE_BURST + SLACK_BYTES,
            Copy.PROBE: PROBE_SHARE * first + PROBE_BURST + SLACK_BYTES,
            Copy.SECOND: SECOND_BPS / 8 * (now - self._began_at + SECOND_BURST_S),
        }[copy]
        if self.bytes_of[copy] > limit:
            raise WireError(
                f"{self.bytes_of[copy]} bytes of {copy.name} copies, {limit:.0f} allowed"
            )
