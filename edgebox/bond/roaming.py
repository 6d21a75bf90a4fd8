"""Where the far end of each link is, as the hub learns it: RFC 9000, sections 8.2 and 9.3.

The newest authenticated packet of a link says where its box is, so that a carrier may rebind ports
or hand out another address at any moment. But whoever copies packets could resend one from
elsewhere, and a box that was stolen could write any sender it likes. So a new address first gets
at most LIMIT times the bytes that came from it, until it has answered a challenge that only what
is really there can read. One that does not answer in time gives way to the last that did.
"""

from collections.abc import Callable, Hashable

TOKEN_SIZE = 8
LIMIT = 3
"""RFC 9000, 8.1: bytes sent for each byte received."""
REPEAT_S = 0.25
GIVE_UP_S = 3.0


class _Place:
    """One address of one link."""

    __slots__ = ("address", "asked_at", "received", "sent", "since", "token")

    def __init__(self, address: Hashable, token: bytes, now: float):
        self.address = address
        self.token = token
        """Empty once it was answered."""
        self.received = 0
        self.sent = 0
        self.since = now
        self.asked_at = -1e9


class Roaming:
    """Of all links of one session."""

    def __init__(self, random_bytes: Callable[[int], bytes]):
        self._random_bytes = random_bytes
        self._now_at: dict[int, _Place] = {}
        self._proven: dict[int, _Place] = {}
        self._unproven: dict[Hashable, _Place] = {}
        self._trusted: frozenset[Hashable] = frozenset()

    @property
    def is_settled(self) -> bool:
        """Every address has answered."""
        return not self._unproven

    def trust(self, earlier: "Roaming") -> None:
        """What the same box has proved in another session just now needs no new proof."""
        proven = {place.address for place in earlier._proven.values()}
        self._trusted = self._trusted | proven

    def heard(self, link: int, address: Hashable, size: int, now: float) -> None:
        """The newest packet of the link, authenticated, came from here."""
        place = self._now_at.get(link)
        if place is None or place.address != address:
            place = self._move(link, address, now)
        place.received += size

    def limit_received(self, address: Hashable, size: int) -> None:
        """An older packet came from an address that has yet to answer."""
        place = self._unproven.get(address)
        if place is not None:
            place.received += size

    def answered(self, token: bytes) -> None:
        """A challenge came back."""
        for link, place in self._now_at.items():
            if place.token and place.token == token:
                place.token = b""
                self._unproven.pop(place.address, None)
                self._proven[link] = place

    def challenges(self, now: float) -> list[tuple[int, bytes]]:
        """Links and tokens to send to the link's address now."""
        due = []
        for link, place in self._now_at.items():
            if place.token and now - place.asked_at >= REPEAT_S:
                place.asked_at = now
                due.append((link, place.token))
        return due

    def returns(self, now: float) -> list[tuple[int, Hashable]]:
        """Links whose new address did not answer, and the last one that did."""
        back = []
        for link, place in list(self._now_at.items()):
            proven = self._proven.get(link)
            if place.token and now - place.since > GIVE_UP_S and proven is not None:
                self._unproven.pop(place.address, None)
                self._now_at[link] = proven
                back.append((link, proven.address))
        return back

    def may_send(self, address: Hashable, size: int) -> bool:
        """Whether this address gets a packet now; counts it."""
        place = self._unproven.get(address)
        if place is None:
            return True
        if place.sent + size > LIMIT * place.received:
            return False
        place.sent += size
        return True

    def knows(self, address: Hashable) -> bool:
        """A link of this session is there, or was last."""
        return any(
            place.address == address
            for places in (self._now_at, self._proven)
            for place in places.values()
        )

    def forget(self, link: int) -> None:
        """The link is gone."""
        place = self._now_at.pop(link, None)
        self._proven.pop(link, None)
        if place is not None:
            self._unproven.pop(place.address, None)

    def _move(self, link: int, address: Hashable, now: float) -> _Place:
        before = self._now_at.get(link)
        if before is not None and before.token:
            self._unproven.pop(before.address, None)
        proven = self._proven.get(link)
        if proven is not None and proven.address == address:
            self._now_at[link] = proven
            return proven
        if address in self._trusted:
            place = _Place(address, b"", now)
            self._now_at[link] = self._proven[link] = place
            return place
        place = _Place(address, self._random_bytes(TOKEN_SIZE), now)
        self._now_at[link] = self._unproven[address] = place
        return place
