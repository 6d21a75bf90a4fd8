"""The list of all devices and vehicles, signed by the fleet. It works without a hub.

On the wire: `payload` is zlib-compressed JSON of a Registry, `signature` is over the transcript
("edgebox registry 1", payload), `certificate` is the signer's (authority.REGISTRY_UNIT).

Versions never go back, nor do times of issue: an old list, in which a lost headset still stood,
is worth nothing. It says itself until when it may be used.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Meta, Struct

from edgebox.errors import RemoteProtocolError
from edgebox.messages.pairing import SignedRegistry
from edgebox.pairing import keys
from edgebox.pairing.authority import REGISTRY_UNIT, Authority

CONTEXT = "edgebox registry 1"
JSON_MAX = 2_000_000
"""Bytes it may inflate to."""
Mode = Literal["assigned", "pool"]
BoxId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
Label = Annotated[str, Meta(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*\Z")]


class Device(Struct, frozen=True, kw_only=True):
    """One enrolled headset, phone or tablet."""

    key: bytes
    """Compressed point, 33 bytes."""
    name: Label
    """Shown on panels: "Headset 3". Of the device, not of a person."""
    owner: Label = ""
    """Department it belongs to."""
    mode: Mode
    box: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,31})?\Z")] = ""
    """`assigned`: the box of its vehicle."""
    expires_utc: float
    revoked: bool = False

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Raises RemoteProtocolError."""
        return keys.load_point(self.key)


class Vehicle(Struct, frozen=True, kw_only=True):
    """A box, and what people call its vehicle: for telling where a device belongs."""

    box: BoxId
    name: Label
    revoked: bool = False
    """Stolen: what it has signed is worth nothing."""


class Registry(Struct, frozen=True, kw_only=True, dict=True):
    """The whole list."""

    version: Annotated[int, Meta(ge=1, lt=2**53)]
    issued_utc: float
    expires_utc: float
    devices: tuple[Device, ...] = ()
    vehicles: tuple[Vehicle, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Device]:
        """Device id -> entry. Raises RemoteProtocolError for a key that is none."""
        return {keys.device_id(one.public_key()): one for one in self.devices}

    @cached_property
    def by_box(self) -> Mapping[str, Vehicle]:
        """Box id -> entry."""
        return {one.box: one for one in self.vehicles}

    @cached_property
    def warn_utc(self) -> float:
        """From then on somebody should see to it that a newer one comes."""
        return (self.issued_utc + self.expires_utc) / 2


def seal(
    registry: Registry, key: ec.EllipticCurvePrivateKey, certificate_der: bytes
) -> SignedRegistry:
    """Sign it. Not larger than a broker takes: see `hub.fleet`."""
    payload = zlib.compress(msgspec.json.encode(registry), 9)
    return SignedRegistry(
        version=registry.version,
        payload=keys.encode(payload),
        signature=keys.encode(keys.sign(key, keys.transcript(CONTEXT, payload))),
        certificate=keys.encode(certificate_der),
    )


def unseal(signed: SignedRegistry, authority: Authority) -> Registry:
    """Check signature, signer and content. Raises RemoteProtocolError."""
    payload = keys.decode(signed.payload)
    signature = keys.decode(signed.signature, keys.SIGNATURE_SIZE)
    # Nothing is inflated or parsed before somebody of the fleet is known to have signed it; that
    # the signer's certificate was valid when it was issued can only be told afterwards.
    certificate = keys.decode(signed.certificate)
    holder = authority.holder(certificate)
    if holder.unit != REGISTRY_UNIT:
        raise RemoteProtocolError("signed by somebody who may not")
    if not keys.is_signed(holder.key, signature, keys.transcript(CONTEXT, payload)):
        raise RemoteProtocolError("signature does not fit")
    registry = _parse(payload)
    holder.check_time(registry.issued_utc)
    return registry


def _parse(payload: bytes) -> Registry:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(payload, JSON_MAX)
        if not inflater.eof:
            raise RemoteProtocolError("registry too large or cut off")
        registry = msgspec.json.decode(text, type=Registry)
    except (zlib.error, msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"not a registry: {error}"[:200]) from error
    if len(registry.by_id) != len(registry.devices) or len(registry.by_box) != len(
        registry.vehicles
    ):
        raise RemoteProtocolError("a device or a vehicle stands twice")
    if any((one.mode == "assigned") != bool(one.box) for one in registry.devices):
        raise RemoteProtocolError("a device without its vehicle, or in the pool with one")
    return registry


@dataclass(frozen=True)
class Taken:
    """What became of a registry that was offered."""

    result: Literal["new", "same", "older", "bad"]
    text: str = ""


class Shelf:
    """The newest registry of a box."""

    def __init__(self, authority: Authority):
        self._authority = authority
        self.registry: Registry | None = None
        self.signed: SignedRegistry | None = None

    def offer(self, signed: SignedRegistry) -> Taken:
        """Take it if it is newer than ours."""
        try:
            offered = unseal(signed, self._authority)
        except RemoteProtocolError as error:
            return Taken("bad", str(error))
        mine = self.registry
        if mine is not None:
            if offered == mine:
                return Taken("same")
            if offered.version <= mine.version or offered.issued_utc < mine.issued_utc:
                return Taken("older", f"version {offered.version}, ours is {mine.version}")
        self.registry, self.signed = offered, signed
        return Taken("new")
