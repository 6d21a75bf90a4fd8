"""Which links may be used for what: by priority, price and what is left of a monthly cap.

Links are ranked by (nearly used up, priority, price); those of one rank are used together. A rank
is spared while the ranks before it suffice. They do not when none of them answers, or when all of
them have shown their limits, those are less than `enough_bps` together, and traffic fills them.
A rank is taken into use at once, and spared again after those before it have sufficed with
something to spare for REST_S.

    share of the cap used   what the link does
    below 90 %              as its priority and price say
    90 to 98 %              only after all others
    98 to 100 %             only when no other link is up
    100 %                   closed; nothing is sent, not even to keep it alive

"100 %" leaves room for what may still come in after the hub has been told.
"""

from collections.abc import Sequence
from typing import NamedTuple

from edgebox.bond.path import Use

NEAR_SHARE = 0.90
LAST_SHARE = 0.98
CLOSING_SHARE = 0.01
CLOSING_BYTES = 2_000_000
"""Room kept at the end of a cap: this share of it, at most so much."""
FULL_SHARE = 0.7
"""Traffic of this share of what links carry fills them: encoders aim at 0.85."""
AMPLE = 1.2
REST_S = 10.0


class Standing(NamedTuple):
    """One link now."""

    priority: int
    price_per_gb: float
    used_bytes: int
    cap_bytes: int
    """0: none."""
    alive: bool
    """It answers."""
    limit_bps: float | None
    """What it carries, once traffic has shown where its limit is."""


class Allowance:
    """Decides for all links of a box."""

    def __init__(self, enough_bps: float):
        self._enough_bps = enough_bps
        self._demand_bps = 0.0
        self._uses: list[Use] = []
        self._ample_since: dict[int, float] = {}

    def decide(self, links: Sequence[Standing], demand_bps: float, now: float) -> list[Use]:
        """What each may be used for, in their order. `demand_bps`: what is sent now."""
        self._demand_bps = demand_bps
        before = self._uses if len(self._uses) == len(links) else [Use.RESERVE] * len(links)
        self._uses = [self._use(number, links, before[number], now) for number in range(len(links))]
        return self._uses

    def _use(self, number: int, links: Sequence[Standing], before: Use, now: float) -> Use:
        link = links[number]
        if is_used_up(link.used_bytes, link.cap_bytes):
            return Use.CLOSED
        if link.cap_bytes and link.used_bytes >= LAST_SHARE * link.cap_bytes:
            return Use.LAST
        earlier = [one for one in links if _rank(one) < _rank(link) and _is_open(one)]
        if not earlier:
            return Use.ORDINARY
        if not self._suffice(earlier, 1.0):
            self._ample_since.pop(number, None)
            return Use.ORDINARY
        if before is Use.ORDINARY and not self._has_rested(number, earlier, now):
            return Use.ORDINARY
        self._ample_since.pop(number, None)
        return Use.RESERVE

    def _has_rested(self, number: int, earlier: Sequence[Standing], now: float) -> bool:
        """The others have had ample capacity for long enough to let this one go."""
        if not self._suffice(earlier, AMPLE):
            self._ample_since.pop(number, None)
            return False
        return now - self._ample_since.setdefault(number, now) >= REST_S

    def _suffice(self, links: Sequence[Standing], factor: float) -> bool:
        """They live, and have not shown that they carry too little."""
        live = [link for link in links if link.alive]
        limits = [link.limit_bps for link in live if link.limit_bps is not None]
        if len(limits) < len(live):
            return True
        carried_bps = sum(limits)
        is_full = factor * self._demand_bps >= FULL_SHARE * carried_bps
        return bool(live) and (not is_full or carried_bps >= factor * self._enough_bps)


def is_used_up(used_bytes: int, cap_bytes: int) -> bool:
    """Nothing more may be sent."""
    return bool(cap_bytes) and used_bytes >= cap_bytes - _closing_bytes(cap_bytes)


def _closing_bytes(cap_bytes: int) -> float:
    return min(CLOSING_BYTES, CLOSING_SHARE * cap_bytes)


def _is_open(link: Standing) -> bool:
    return not link.cap_bytes or link.used_bytes < LAST_SHARE * link.cap_bytes


def _rank(link: Standing) -> tuple[bool, int, float]:
    is_near = bool(link.cap_bytes) and link.used_bytes >= NEAR_SHARE * link.cap_bytes
    return is_near, link.priority, link.price_per_gb
