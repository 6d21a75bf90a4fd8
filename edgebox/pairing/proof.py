"""Who are you: the box proves itself to the device, the device to the box.

    challenge   "edgebox pairing box 1"     device nonce, box nonce, box, vehicle, device, at_utc
    prove       "edgebox pairing device 1"  device nonce, box nonce, box, vehicle, device, at_utc,
                                            code, counter of the last lease (0: none)
    heartbeat   "edgebox pairing beat 1"    bearer, number
    lease       "edgebox pairing lease 1"   device, box, counter, at_utc

Signed as in `keys`. Both nonces are in both signatures: an answer fits one question only. Box and
vehicle are in the device's: what it says to one vehicle is worth nothing in another, whoever
carries it there.

The box keeps nothing for strangers who say hello. Its nonce is random | expiry | HMAC over these
and what the stranger said; only a nonce that came back with a good signature of an enrolled
device is remembered, until it expires, so that it works once.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.errors import RemoteProtocolError
from edgebox.pairing import keys
from edgebox.pairing.authority import Authority
from edgebox.pairing.wire import Beat, Challenge, Hello, LeaseToken, Prove

BOX_CONTEXT = "edgebox pairing box 1"
DEVICE_CONTEXT = "edgebox pairing device 1"
BEAT_CONTEXT = "edgebox pairing beat 1"
LEASE_CONTEXT = "edgebox pairing lease 1"
CHALLENGE_S = 20.0
"""A slow tablet answers within one."""
_RANDOM = 16
_EXPIRY = 8
_MAC = 16


@dataclass(frozen=True)
class Identity:
    """Who this box is."""

    box: str
    vehicle: str
    certificate: bytes
    """DER, of the fleet."""
    key: ec.EllipticCurvePrivateKey


class Challenger:
    """Makes challenges and knows its own again."""

    def __init__(self, identity: Identity, random: Callable[[int], bytes]):
        """`random(n)`: n bytes nobody can guess."""
        self._identity = identity
        self._random = random
        self._secret = random(32)
        self._spent: dict[str, float] = {}

    def challenge(self, hello: Hello, now: float, now_utc: float) -> Challenge:
        """Prove who we are."""
        me, nonce, at_utc = self._identity, self._nonce(hello, now), int(now_utc)
        statement = keys.transcript(
            BOX_CONTEXT, hello.nonce, nonce, me.box, me.vehicle, hello.device, at_utc
        )
        return Challenge(
            box=me.box,
            vehicle=me.vehicle,
            nonce=nonce,
            at_utc=at_utc,
            certificate=keys.encode(me.certificate),
            signature=keys.encode(keys.sign(me.key, statement)),
        )

    def is_mine(self, prove: Prove, now: float) -> bool:
        """Whether we asked this, of this device, a moment ago and for this vehicle."""
        try:
            nonce = keys.decode(prove.box_nonce, _RANDOM + _EXPIRY + _MAC)
        except RemoteProtocolError:
            return False
        salt, expiry, mac = nonce[:_RANDOM], nonce[_RANDOM:-_MAC], nonce[-_MAC:]
        if not hmac.compare_digest(mac, self._mac(salt + expiry, prove.device, prove.nonce)):
            return False
        is_here = (prove.box, prove.vehicle) == (self._identity.box, self._identity.vehicle)
        return is_here and now * 1000 < int.from_bytes(expiry, "big")

    def spend(self, prove: Prove, now: float) -> bool:
        """Once its signature is good: False if the same was said before."""
        self._spent = {nonce: until for nonce, until in self._spent.items() if until > now}
        if prove.box_nonce in self._spent:
            return False
        self._spent[prove.box_nonce] = now + CHALLENGE_S
        return True

    def lease(self, device: str, counter: int, now_utc: float) -> LeaseToken:
        """What the device keeps of a lease."""
        me, at_utc = self._identity, int(now_utc)
        statement = keys.transcript(LEASE_CONTEXT, device, me.box, counter, at_utc)
        return LeaseToken(
            box=me.box,
            counter=counter,
            at_utc=at_utc,
            certificate=keys.encode(me.certificate),
            signature=keys.encode(keys.sign(me.key, statement)),
        )

    def _nonce(self, hello: Hello, now: float) -> str:
        expiry = int((now + CHALLENGE_S) * 1000).to_bytes(_EXPIRY, "big")
        head = self._random(_RANDOM) + expiry
        return keys.encode(head + self._mac(head, hello.device, hello.nonce))

    def _mac(self, head: bytes, device: str, nonce: str) -> bytes:
        statement = keys.transcript("nonce", head, device, nonce)
        return hmac.digest(self._secret, statement, hashlib.sha256)[:_MAC]


def check_prove(prove: Prove, key: ec.EllipticCurvePublicKey) -> None:
    """Raises RemoteProtocolError unless the device with this key said it."""
    counter = prove.last.counter if prove.last is not None else 0
    statement = keys.transcript(
        DEVICE_CONTEXT,
        prove.nonce,
        prove.box_nonce,
        prove.box,
        prove.vehicle,
        prove.device,
        prove.at_utc,
        prove.code,
        counter,
    )
    if not keys.is_signed(key, keys.decode(prove.signature, keys.SIGNATURE_SIZE), statement):
        raise RemoteProtocolError("signature does not fit")


def check_beat(beat: Beat, key: ec.EllipticCurvePublicKey) -> None:
    """Raises RemoteProtocolError unless the device with this key said it."""
    statement = keys.transcript(BEAT_CONTEXT, beat.bearer, beat.number)
    if not keys.is_signed(key, keys.decode(beat.signature, keys.SIGNATURE_SIZE), statement):
        raise RemoteProtocolError("signature does not fit")


def check_lease(token: LeaseToken, device: str, authority: Authority) -> None:
    """Raises RemoteProtocolError unless a box of the fleet gave this device this lease."""
    holder = authority.holder(keys.decode(token.certificate))
    holder.check_time(token.at_utc)
    statement = keys.transcript(LEASE_CONTEXT, device, token.box, token.counter, token.at_utc)
    signature = keys.decode(token.signature, keys.SIGNATURE_SIZE)
    if holder.name != token.box or holder.unit:
        raise RemoteProtocolError("lease of somebody else")
    if not keys.is_signed(holder.key, signature, statement):
        raise RemoteProtocolError("signature does not fit")


def check_challenge(
    challenge: Challenge, hello: Hello, authority: Authority, now_utc: float
) -> None:
    """The device's side, as pair.js does it. Raises RemoteProtocolError: not a box of the fleet."""
    holder = authority.holder(keys.decode(challenge.certificate))
    holder.check_time(now_utc)
    statement = keys.transcript(
        BOX_CONTEXT,
        hello.nonce,
        challenge.nonce,
        challenge.box,
        challenge.vehicle,
        hello.device,
        challenge.at_utc,
    )
    signature = keys.decode(challenge.signature, keys.SIGNATURE_SIZE)
    if holder.name != challenge.box or holder.unit:
        raise RemoteProtocolError("certificate of somebody else")
    if not keys.is_signed(holder.key, signature, statement):
        raise RemoteProtocolError("signature does not fit")
