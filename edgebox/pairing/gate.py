"""The box's side of pairing as a whole: who knocks, who is in, who was sent away and why.

Driven by `headset.pairing`, which has the network and the disk; `now` is monotonic, `now_utc` wall
time. Only a device that is enrolled and has proved it is ever shown on the panel: a stranger can
neither write there nor make it blink.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edgebox.errors import RemoteProtocolError
from edgebox.messages.pairing import HeadsetCard, PairingStatus, Reason, SignedRegistry
from edgebox.pairing import decision, proof
from edgebox.pairing.authority import Authority
from edgebox.pairing.cards import REFUSED_S, Cards
from edgebox.pairing.decision import Decision, Seen
from edgebox.pairing.lease import Ended, Held, Known, Leases, Why
from edgebox.pairing.presence import Codes
from edgebox.pairing.registry import Device, Registry, Shelf, Taken
from edgebox.pairing.wire import (
    Beat,
    Beaten,
    Challenge,
    Hello,
    Paired,
    Prove,
    Refused,
    Waiting,
)

ALLOWED_S = 30.0
"""After a tap the device's next question is let in."""
VOUCHED_S = 120.0
"""A device of the pool that slept, or whose page was loaded anew, need not be vouched for again."""
OUTSIDE_S = 4 * 3600.0
"""Nor one that left the vehicle and comes by way of the hub: a mission."""
NEXT_TRY_S: Mapping[Reason, float] = {"unknown": 60.0, "revoked": 300.0, "elsewhere": 20.0}
OTHER_TRY_S = 15.0
WRONG_CAR = Decision("refused", "wrong-car")
NO_REGISTRY = Decision("refused", "no-registry")


@dataclass(frozen=True)
class Admission:
    """It may have a lease: `grant` gives it. Of the pool: once the hub was asked."""

    device: str
    entry: Device
    shown: int
    vouched: bool


class Gate:
    """One box."""

    def __init__(
        self,
        identity: proof.Identity,
        authority: Authority,
        known: Mapping[str, Known],
        random: Callable[[int], bytes],
    ):
        self._identity = identity
        self._authority = authority
        self._random = random
        self._challenger = proof.Challenger(identity, random)
        self._shelf = Shelf(authority)
        self._codes = Codes(identity.box, random)
        self._cards = Cards(random)
        self._allowed: dict[str, float] = {}
        self._vouched: dict[str, float] = {}
        self._barred: dict[str, float] = {}
        self.leases = Leases(random, known)

    # The registry

    def take_registry(self, signed: SignedRegistry, now: float) -> tuple[Taken, list[Ended]]:
        """A registry from the hub or from the disk, and the leases that end by it."""
        taken = self._shelf.offer(signed)
        registry = self._shelf.registry
        if taken.result != "new" or registry is None:
            return taken, []
        ended = []
        for held in self.leases.held:
            entry = registry.by_id.get(held.device)
            if entry is None or entry.revoked:
                ended += self._end(held.device, "revoked", now)
            elif entry.mode == "assigned" and entry.box != self._identity.box:
                ended += self._end(held.device, "elsewhere", now)
        known = self.leases.known
        self.leases.known = {one: known[one] for one in known if one in registry.by_id}
        return taken, ended

    @property
    def registry_version(self) -> int:
        """0: none."""
        return self._shelf.registry.version if self._shelf.registry is not None else 0

    def knows(self, device: str) -> bool:
        """Whether it stands in the registry, for what that is worth: ids are no secret."""
        registry = self._shelf.registry
        return registry is not None and device in registry.by_id

    # What devices say

    def hello(self, hello: Hello, now: float, now_utc: float) -> Challenge:
        """Prove ourselves to whoever asks."""
        return self._challenger.challenge(hello, now, now_utc)

    def prove(
        self,
        prove: Prove,
        now: float,
        now_utc: float,
        *,
        outside: bool = False,
        signal_dbm: int | None = None,
    ) -> Admission | Waiting | Refused:
        """Whether this device gets a lease. `outside`: it comes by way of the hub."""
        registry = self._shelf.registry
        found = decision.find(registry, prove.device, now_utc)
        if registry is None or isinstance(found, Decision):
            return _refused(found if isinstance(found, Decision) else NO_REGISTRY)
        if not self._is_proved(prove, found, now):
            return Refused(reason="signature", retry_s=OTHER_TRY_S)
        if not self._is_newest(prove, registry):
            return self._refuse_known(found, prove.device, Decision("refused", "cloned"), now)
        is_code_good = bool(prove.code) and self._codes.spend(prove.code, now)
        seen = Seen(
            at_utc=prove.at_utc,
            present=is_code_good or self._is_vouched_for(prove.device, outside, now),
            barred=prove.device in self._barred,
            signal_dbm=signal_dbm,
        )
        return self._decide(prove, found, registry, seen, now, now_utc)

    def _decide(
        self,
        prove: Prove,
        entry: Device,
        registry: Registry,
        seen: Seen,
        now: float,
        now_utc: float,
    ) -> Admission | Waiting | Refused:
        decided = decision.decide(entry, registry, self._identity.box, seen, now_utc)
        if decided.outcome == "refused":
            return self._refuse_known(entry, prove.device, decided, now)
        if decided.outcome == "presence":
            return self._wait(entry, prove, now)
        if self.leases.full and self.leases.of(prove.device) is None:
            return self._refuse_known(entry, prove.device, Decision("refused", "full"), now)
        return Admission(prove.device, entry, _shown(prove), seen.present)

    def grant(self, admission: Admission, now: float, now_utc: float) -> tuple[Paired, list[Ended]]:
        """The lease. Not before the counter it takes is on the disk (`leases.known`)."""
        device = admission.device
        digits = self._digits(device)
        bearer, held, ended = self.leases.grant(
            device,
            admission.entry.name,
            digits,
            admission.shown,
            vouched=admission.vouched,
            now=now,
        )
        self._allowed.pop(device, None)
        self._cards.remove(device)
        if admission.vouched:
            self._barred.pop(device, None)
        answer = Paired(
            bearer=bearer,
            digits=digits,
            vehicle=self._identity.vehicle,
            valid_s=held.until - now,
            lease=self._challenger.lease(device, held.counter, now_utc),
        )
        return answer, ended

    def beat(self, beat: Beat, now: float) -> Beaten | Refused:
        """A heartbeat."""
        held = self.leases.check(beat.bearer, now)
        if not isinstance(held, Held):
            return Refused(reason="unknown", retry_s=0.0)
        registry = self._shelf.registry
        entry = registry.by_id.get(held.device) if registry is not None else None
        if entry is None or not _is_beat_good(beat, entry):
            return Refused(reason="signature", retry_s=0.0)
        bearer = self.leases.beat(held, beat.number, now)
        if bearer is None:
            return Refused(reason="signature", retry_s=0.0)
        return Beaten(valid_s=held.until - now, bearer=bearer)

    def leave(self, bearer: str, now: float, *, wrong_car: bool) -> list[Ended]:
        """The device ends its lease."""
        held = self.leases.check(bearer, now)
        if not isinstance(held, Held):
            return []
        return self.refuse(held.device, now) if wrong_car else self._end(held.device, "left", now)

    # What the crew says

    def code(self, now: float) -> tuple[str, float]:
        """For the panel to show, and for how many seconds."""
        return self._codes.shown(now)

    def allow(self, device: str, digits: str, now: float) -> bool:
        """A tap: let it in. False if it does not wait with these digits."""
        if not digits or self._cards.digits(device) != digits:
            return False
        self._allowed[device] = now + ALLOWED_S
        return True

    def refuse(self, device: str, now: float) -> list[Ended]:
        """ "Wrong car", said at either end: not before somebody vouches for it again."""
        registry = self._shelf.registry
        entry = registry.by_id.get(device) if registry is not None else None
        if entry is None:
            return []
        self._barred[device] = now
        for grants in (self._allowed, self._vouched):
            grants.pop(device, None)
        ended = self._end(device, "wrong-car", now)
        self._vouched.pop(device, None)
        self._cards.refused(device, entry.name, WRONG_CAR, now)
        return ended

    # What the hub says

    def move(self, device: str, counter: int, now: float) -> list[Ended]:
        """Another box gave it a newer lease."""
        held = self.leases.of(device)
        if held is None or held.counter > counter:
            return []
        self._vouched.pop(device, None)
        return self._end(device, "elsewhere", now)

    def deny(self, held: Held, reason: Literal["elsewhere", "cloned"], now: float) -> list[Ended]:
        """The hub knows of a newer lease of another box, or of a copy of its key."""
        if self.leases.of(held.device) is not held:
            return []
        ended = self._end(held.device, reason, now)
        self._vouched.pop(held.device, None)
        return ended

    def refuse_clone(self, admission: Admission, now: float) -> Refused:
        """Before it got a lease the hub knew of a newer one."""
        cloned = Decision("refused", "cloned")
        return self._refuse_known(admission.entry, admission.device, cloned, now)

    # Time

    def tick(self, now: float) -> list[Ended]:
        """End what was silent for too long, forget what is over."""
        ended = self.leases.expire(now)
        for one in ended:
            self._remember(one.lease, now)
        self._cards.forget(now)
        self._allowed = {device: at for device, at in self._allowed.items() if at > now}
        self._vouched = {device: at for device, at in self._vouched.items() if at > now}
        return ended

    def status(self, instance: str, now: float, now_utc: float) -> PairingStatus:
        """For the panel."""
        registry = self._shelf.registry
        paired = [
            HeadsetCard(device=held.device, name=held.name, digits=held.digits, state="paired")
            for held in self.leases.held
        ]
        return PairingStatus(
            instance=instance,
            vehicle=self._identity.vehicle,
            cards=(*paired, *self._cards.shown(now)),
            pool=registry is not None
            and any(one.mode == "pool" and not one.revoked for one in registry.devices),
            registry=decision.registry_state(registry, now_utc),
            registry_expires_utc=registry.expires_utc if registry is not None else None,
        )

    # Parts

    def _is_proved(self, prove: Prove, entry: Device, now: float) -> bool:
        """We asked, this device answers, and for the first time."""
        if not self._challenger.is_mine(prove, now):
            return False
        try:
            proof.check_prove(prove, entry.public_key())
        except RemoteProtocolError:
            return False
        return self._challenger.spend(prove, now)

    def _is_newest(self, prove: Prove, registry: Registry) -> bool:
        """False: a copy of its key, or a lease that no box of the fleet gave it."""
        if prove.last is not None:
            giver = registry.by_box.get(prove.last.box)
            if giver is not None and giver.revoked:
                return False
            try:
                proof.check_lease(prove.last, prove.device, self._authority)
            except RemoteProtocolError:
                return False
        return self.leases.fits(prove.device, _shown(prove))

    def _is_vouched_for(self, device: str, outside: bool, now: float) -> bool:
        if self._allowed.get(device, now) > now:
            return True
        # It was in this vehicle: outside it stays with it for a while, without a touch.
        until = self._vouched.get(device, now)
        held = self.leases.of(device)
        if held is not None and held.vouched:
            return True
        return until > now and (outside or until - now > OUTSIDE_S - VOUCHED_S)

    def _remember(self, held: Held, now: float) -> None:
        if held.vouched:
            self._vouched[held.device] = now + OUTSIDE_S

    def _end(self, device: str, why: Why, now: float) -> list[Ended]:
        ended = self.leases.end(device, why, now)
        for one in ended:
            self._remember(one.lease, now)
        return ended

    def _wait(self, entry: Device, prove: Prove, now: float) -> Waiting | Refused:
        if not prove.code and now - self._barred.get(prove.device, -math.inf) < REFUSED_S:
            return _refused(WRONG_CAR)
        digits = self._cards.asks(prove.device, entry.name, self._digits_in_use(), now)
        return Waiting(
            digits=digits, vehicle=self._identity.vehicle, code="bad" if prove.code else ""
        )

    def _refuse_known(self, entry: Device, device: str, decided: Decision, now: float) -> Refused:
        self._cards.refused(device, entry.name, decided, now)
        return _refused(decided)

    def _digits(self, device: str) -> str:
        """What the device is shown with."""
        held = self.leases.of(device)
        known = self._cards.digits(device) or (held.digits if held is not None else "")
        return known or self._cards.free_digits(self._digits_in_use())

    def _digits_in_use(self) -> list[str]:
        return [held.digits for held in self.leases.held]


def _shown(prove: Prove) -> int:
    return prove.last.counter if prove.last is not None else 0


def _is_beat_good(beat: Beat, entry: Device) -> bool:
    try:
        proof.check_beat(beat, entry.public_key())
    except RemoteProtocolError:
        return False
    return True


def _refused(decided: Decision) -> Refused:
    reason: Reason = decided.reason or "unknown"
    retry_s = NEXT_TRY_S.get(reason, OTHER_TRY_S)
    return Refused(reason=reason, belongs=decided.belongs, retry_s=retry_s)
