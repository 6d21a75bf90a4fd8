"""Token buckets: how often one address or one page may do a thing. Told the time."""

from dataclasses import dataclass

KEYS_MAX = 20_000
"""Addresses remembered at once; a flood from more makes all of them share one bucket."""


@dataclass
class Bucket:
    """Holds up to `burst` tokens and gains `rate_hz` of them each second."""

    rate_hz: float
    burst: float
    level: float
    at: float

    def take(self, now: float) -> bool:
        """Take one token; False if there is none."""
        self.level = min(self.burst, self.level + (now - self.at) * self.rate_hz)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True

    def is_full(self, now: float) -> bool:
        """True if it is as good as new, so that it need not be kept."""
        return self.level + (now - self.at) * self.rate_hz >= self.burst


class Limiter:
    """One bucket for each key."""

    def __init__(self, rate_hz: float, burst: float):
        self._rate_hz = rate_hz
        self._burst = burst
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: str, now: float) -> bool:
        """Take one token of this key; False if it must wait."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._make(key, now)
        return bucket.take(now)

    def _make(self, key: str, now: float) -> Bucket:
        if len(self._buckets) >= KEYS_MAX:
            self._buckets = {k: b for k, b in self._buckets.items() if not b.is_full(now)}
        if len(self._buckets) >= KEYS_MAX:
            key = ""
        made = Bucket(self._rate_hz, self._burst, self._burst, now)
        return self._buckets.setdefault(key, made)
