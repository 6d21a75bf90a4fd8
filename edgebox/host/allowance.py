"""How often one address may do a thing (no I/O, told the time)."""

ADDRESSES_MAX = 1_000
"""Remembered at once. The access point hands out 254; more are made up, and share one."""


class Allowance:
    """So many at once for each address, and so many more a second."""

    def __init__(self, per_s: float, burst: float):
        self._per_s = per_s
        self._burst = burst
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, address: str, now: float) -> bool:
        """One more; False if it must wait."""
        if address not in self._left and len(self._left) >= ADDRESSES_MAX:
            self._left = {key: own for key, own in self._left.items() if not self._full(own, now)}
            if len(self._left) >= ADDRESSES_MAX:
                address = ""
        left, at = self._left.get(address, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        allowed = left >= 1
        self._left[address] = (left - 1 if allowed else left, now)
        return allowed

    def _full(self, own: tuple[float, float], now: float) -> bool:
        left, at = own
        return left + (now - at) * self._per_s >= self._burst
