"""What the panel shows of devices at the door, and the two digits that both ends show."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgebox.messages.pairing import HeadsetCard
from edgebox.pairing.decision import Decision

ASKING_S = 8.0
"""A device of the pool that waits asks again every 2 s."""
REFUSED_S = 45.0
"""So long the panel says whom it sent away."""
CARDS_MAX = 6


@dataclass
class _Card:
    card: HeadsetCard
    until: float


class Cards:
    """Devices that ask and those just refused; only enrolled ones get here."""

    def __init__(self, random: Callable[[int], bytes]):
        self._random = random
        self._cards: dict[str, _Card] = {}

    def asks(self, device: str, name: str, taken: Iterable[str], now: float) -> str:
        """It waits for somebody to vouch for it. Gives its digits; `taken` are those of others."""
        digits = self.digits(device) or self.free_digits(taken)
        card = HeadsetCard(device=device, name=name, digits=digits, state="asks")
        self._put(card, now + ASKING_S)
        return digits

    def refused(self, device: str, name: str, decided: Decision, now: float) -> None:
        """It was sent away."""
        card = HeadsetCard(
            device=device,
            name=name,
            digits="",
            state="refused",
            reason=decided.reason,
            belongs=decided.belongs,
        )
        self._put(card, now + REFUSED_S)

    def digits(self, device: str) -> str:
        """Of a device that asks, else nothing."""
        asks = self._cards.get(device)
        return asks.card.digits if asks is not None else ""

    def remove(self, device: str) -> None:
        """It is in."""
        self._cards.pop(device, None)

    def shown(self, now: float) -> list[HeadsetCard]:
        """Those to show, in the order they came."""
        return [one.card for one in self._cards.values() if one.until > now]

    def forget(self, now: float) -> None:
        """What is over."""
        self._cards = {device: one for device, one in self._cards.items() if one.until > now}

    def free_digits(self, taken: Iterable[str]) -> str:
        """Two that no other device here is shown with; the device has no say in them."""
        used = {*taken, *(one.card.digits for one in self._cards.values())}
        start = int.from_bytes(self._random(4), "big")
        numbers = (f"{(start + step) % 100:02}" for step in range(100))
        return next(digits for digits in numbers if digits not in used)

    def _put(self, card: HeadsetCard, until: float) -> None:
        """In its place; a new one takes that of the oldest when there are too many."""
        if card.device not in self._cards and len(self._cards) >= CARDS_MAX:
            del self._cards[next(iter(self._cards))]
        self._cards[card.device] = _Card(card, until)
