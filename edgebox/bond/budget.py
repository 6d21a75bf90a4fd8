"""How much one peer may ask for: a token bucket, told the time."""


class Budget:
    """`rate` units a second on average, at most `burst` at once."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float):
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, units: float, now: float) -> bool:
        """Spend; False, and nothing spent, if there is not enough."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < units:
            return False
        self._left -= units
        return True

    def wait_s(self, units: float, now: float) -> float:
        """Until so much is there."""
        left = min(self._burst, self._left + (now - self._at) * self._rate)
        return max(0.0, (units - left) / self._rate)
