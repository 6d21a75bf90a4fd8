"""Counting: rates over the last second, allowances that fill with use, totals."""

from collections import deque


class Rate:
    """Bytes of the last second, in tenths."""

    __slots__ = ("_slots", "_total")

    def __init__(self) -> None:
        self._slots: deque[tuple[int, int]] = deque()
        self._total = 0

    def add(self, size: int, now: float) -> None:
        """Count bytes."""
        slot = int(now * 10)
        self._total += size
        if self._slots and self._slots[-1][0] == slot:
            self._slots[-1] = (slot, self._slots[-1][1] + size)
        else:
            self._slots.append((slot, size))
            self._trim(slot)

    def bps(self, now: float) -> float:
        """Bits per second over the last second."""
        self._trim(int(now * 10))
        return self._total * 8.0

    def _trim(self, slot: int) -> None:
        while self._slots and self._slots[0][0] <= slot - 10:
            self._total -= self._slots.popleft()[1]


class Allowance:
    """Bytes that may be spent on repair: a share of what was sent, at most `most`."""

    __slots__ = ("_most", "_share", "left")

    def __init__(self, share: float, most: int):
        self._share = share
        self._most = most
        self.left = float(most)

    def earn(self, size: int) -> None:
        """Ordinary bytes were sent; fewer than none: they were not."""
        self.left = min(self._most, self.left + size * self._share)

    def spend(self, size: int) -> bool:
        """Take bytes; False and nothing taken if they are not there."""
        if self.left < size:
            return False
        self.left -= size
        return True


class Counters:
    """Totals since the start, by the names of messages.BondCounters."""

    __slots__ = (
        "delivered", "duplicated", "expired", "garbage", "late", "refused", "replayed", "rescued",
        "sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = 0
        self.duplicated = 0
        self.rescued = 0
        self.expired = 0
        self.delivered = 0
        self.late = 0
        self.garbage = 0
        self.replayed = 0
        self.refused = 0

    def add(self, other: "Counters") -> None:
        """Count what another has counted."""
        for name in Counters.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
