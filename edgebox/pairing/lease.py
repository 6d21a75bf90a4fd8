"""One lease for each device: its bearer, its heartbeat, and the counter that shows up a copy.

Theory of operation. Each lease of a device has a counter, one higher than that of the lease before,
in whichever vehicle that was; the device keeps the newest, signed by the box that gave it, and
shows it when it asks for the next. Of two devices with one key only one can have the newest: the
other shows an older one and is found out. A lease whose answer got lost on its way never reached
the device: until it is heard with the new lease (`confirmed`), the one before is good as well.

Counters outlive the box's process and its power; leases and bearers do not.

Bearers are 32 random bytes, looked up by their hash: comparing them takes no time anybody could
learn from. Each is good for BEARER_S and not a second longer; heartbeats, which only the device's
key can sign, bring the next one. A stolen one is soon worth nothing, however long the call.

Driven by `gate`; `now` is monotonic.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from edgebox.pairing import keys

BEARER_S = 60.0
RENEWED_S = 20.0
"""Older than this, a bearer is followed by another."""
HEARTBEAT_S = 3.0
"""How often a device says that it is there."""
LOST_S = 10.0
"""Silent for so long, its lease ends."""
LEASES_MAX = 8
"""In one vehicle."""

Why = Literal["expired", "revoked", "elsewhere", "wrong-car", "replaced", "cloned", "left"]


class Known(Struct, frozen=True):
    """The newest lease of a device that somebody has heard of."""

    counter: int = 0
    confirmed: bool = True

    def fits(self, shown: int) -> bool:
        """Whether a device that shows this counter can be the only one with its key."""
        return shown >= self.counter or (not self.confirmed and shown == self.counter - 1)


@dataclass
class Held:
    """A lease that lasts."""

    device: str
    name: str
    digits: str
    counter: int
    bearers: dict[bytes, float]
    """Hash of each that is good, and until when."""
    heard_at: float
    vouched: bool
    """Somebody in the vehicle vouched for it."""
    number: int = 0
    """Of the last heartbeat."""
    confirmed: bool = False

    @property
    def until(self) -> float:
        """When the newest bearer ends."""
        return max(self.bearers.values())


@dataclass(frozen=True)
class Ended:
    """A lease is over."""

    lease: Held
    why: Why


class Leases:
    """All leases of one box."""

    def __init__(self, random: Callable[[int], bytes], known: Mapping[str, Known]):
        """`known`: by device id, as `known` was when the process ended."""
        self._random = random
        self._held: dict[str, Held] = {}
        self._by_hash: dict[bytes, Held] = {}
        self._gone: dict[bytes, tuple[Why, float]] = {}
        self.known = dict(known)

    @property
    def held(self) -> list[Held]:
        """Those that last."""
        return list(self._held.values())

    def of(self, device: str) -> Held | None:
        """The lease of this device."""
        return self._held.get(device)

    @property
    def full(self) -> bool:
        """No room for another device."""
        return len(self._held) >= LEASES_MAX

    def fits(self, device: str, shown: int) -> bool:
        """False: another device with this key has had a newer lease."""
        return self.known.get(device, Known()).fits(shown)

    def grant(
        self, device: str, name: str, digits: str, shown: int, *, vouched: bool, now: float
    ) -> tuple[str, Held, list[Ended]]:
        """A new lease and its bearer; one the device had before ends."""
        before = self.of(device)
        ended = self._end([before], "replaced", now) if before is not None else []
        held = Held(device, name, digits, shown + 1, {}, now, vouched)
        self._held[device] = held
        bearer = self._make_bearer(held, now)
        self.known[device] = Known(held.counter, confirmed=False)
        return bearer, held, ended

    def check(self, bearer: str, now: float) -> Held | Why | None:
        """Whose it is, or why it is nobody's any more; None: never heard of."""
        digest = _hash(bearer)
        held = self._by_hash.get(digest)
        if held is None:
            gone = self._gone.get(digest)
            return gone[0] if gone is not None else None
        return held if now < held.bearers[digest] and _lasts(held, now) else "expired"

    def beat(self, held: Held, number: int, now: float) -> str | None:
        """It is there: its next bearer, or "" while the one it has will do.

        None for a number heard before. The signature was checked.
        """
        if number <= held.number:
            return None
        held.number, held.heard_at = number, now
        if not held.confirmed:
            held.confirmed = True
            self.known[held.device] = Known(held.counter, confirmed=True)
        if held.until - now > BEARER_S - RENEWED_S:
            return ""
        return self._make_bearer(held, now)

    def end(self, device: str, why: Why, now: float) -> list[Ended]:
        """End what this device has."""
        held = self.of(device)
        return self._end([held], why, now) if held is not None else []

    def expire(self, now: float) -> list[Ended]:
        """End what was silent for too long."""
        silent = [held for held in self.held if not _lasts(held, now)]
        for held in self.held:
            self._forget([old for old, until in held.bearers.items() if until <= now], held)
        self._gone = {key: gone for key, gone in self._gone.items() if gone[1] > now}
        return self._end(silent, "expired", now)

    def _make_bearer(self, held: Held, now: float) -> str:
        bearer = keys.encode(self._random(32))
        held.bearers[_hash(bearer)] = now + BEARER_S
        self._by_hash[_hash(bearer)] = held
        return bearer

    def _forget(self, hashes: list[bytes], held: Held) -> None:
        for one in hashes:
            del held.bearers[one]
            del self._by_hash[one]

    def _end(self, over: list[Held], why: Why, now: float) -> list[Ended]:
        for held in over:
            del self._held[held.device]
            for one in held.bearers:
                del self._by_hash[one]
                self._gone[one] = (why, now + BEARER_S)
        return [Ended(held, why) for held in over]


def _lasts(held: Held, now: float) -> bool:
    return now < held.heard_at + LOST_S


def _hash(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode()).digest()
