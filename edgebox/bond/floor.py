"""What traffic of no known kind has beside pictures: a small share of the links, no less, no more.

Behind pictures alone it would stand still whenever these fill the links, and with it the broker's
bridge: a doctor's offer, a tap's answer, values of the patient. With all that pictures leave it
would keep the links full, and the encoders would be told that they are.
"""

from edgebox.bond.meter import Rate

SHARE = 0.1
"""Of what the links carry."""
LIVE_S = 1.0
"""So long after one it holds; else there is no need to hold anything back."""
BURST_BYTES = 6_000
"""Saved up at most: some full packets."""


class Floor:
    """A token bucket whose rate follows the links."""

    __slots__ = ("_at", "_known_at", "_left", "_rate")

    def __init__(self, now: float):
        self._left = 0.0
        self._at = now
        self._rate = Rate()
        self._known_at = float("-inf")

    def on_known(self, now: float) -> None:
        """A part of a picture, or sound that has to wait as pictures do, was accepted."""
        self._known_at = now

    def wait_s(self, size: int, capacity_bps: float, now: float) -> float:
        """Until a packet of so many bytes goes before pictures; 0: now."""
        rate = SHARE * capacity_bps / 8
        self._left = min(BURST_BYTES, self._left + max(0.0, now - self._at) * rate)
        self._at = now
        if self._left >= size or now - self._known_at > LIVE_S:
            return 0.0
        return (size - self._left) / max(rate, 1.0)

    def spend(self, size: int, now: float) -> None:
        """It went."""
        self._left = max(0.0, self._left - size)
        self._rate.add(size, now)

    def bps(self, capacity_bps: float, now: float) -> float:
        """What pictures have to leave of the links."""
        return min(self._rate.bps(now), SHARE * capacity_bps)
