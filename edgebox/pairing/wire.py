"""What device and box say to each other: JSON bodies of the paths below /pair/.

All binary values are base64url. Devices and boxes are updated at different times, so unknown
fields are ignored; everything has a limit.
"""

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from edgebox.errors import RemoteProtocolError
from edgebox.messages.pairing import Counter, DeviceId, Reason
from edgebox.pairing.registry import BoxId, Label

BODY_MAX = 8192
Nonce = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
"""32 bytes."""
BoxNonce = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,120}\Z")]
Signature = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{86}\Z")]
"""64 bytes."""
Certificate = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,2732}\Z")]
Bearer = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
Code = Annotated[str, Meta(max_length=120)]
Utc = Annotated[int, Meta(ge=0, lt=2**40)]


class _Body(Struct, frozen=True, kw_only=True):
    """Base of all."""


class Hello(_Body, frozen=True):
    """POST /pair/hello: who are you?"""

    device: DeviceId
    nonce: Nonce


class Challenge(_Body, frozen=True):
    """The answer: the box proves itself and asks the same of the device."""

    box: BoxId
    vehicle: Label
    nonce: BoxNonce
    at_utc: Utc
    certificate: Certificate
    signature: Signature


class LeaseToken(_Body, frozen=True):
    """A lease as the device keeps it: which box gave it, and its place in the row."""

    box: BoxId
    counter: Counter
    at_utc: Utc
    certificate: Certificate
    signature: Signature


class Prove(_Body, frozen=True):
    """POST /pair/prove."""

    device: DeviceId
    nonce: Nonce
    """The one from its hello."""
    box_nonce: BoxNonce
    box: BoxId
    vehicle: Label
    at_utc: Utc
    """By the device's own clock."""
    signature: Signature
    code: Code = ""
    """What it scanned from the panel."""
    last: LeaseToken | None = None


class Paired(_Body, frozen=True, tag_field="state", tag="paired"):
    """It is in."""

    bearer: Bearer
    digits: str
    vehicle: Label
    valid_s: float
    lease: LeaseToken


class Waiting(_Body, frozen=True, tag_field="state", tag="waiting"):
    """Of the pool: scan the code on the panel, or wait for a tap there. Prove again in 2 s."""

    digits: str
    vehicle: Label
    code: Literal["", "bad"] = ""
    """`bad`: the scanned one is not of this vehicle, was used, or is too old."""


class Refused(_Body, frozen=True, tag_field="state", tag="refused"):
    """It is not."""

    reason: Reason
    belongs: Label = ""
    """Vehicle it belongs to."""
    retry_s: float = 30.0


Answer = Paired | Waiting | Refused


class Beat(_Body, frozen=True):
    """POST /pair/heartbeat. The signature keeps a stolen bearer from being renewed."""

    box: BoxId
    """Which box gave it: outside the vehicle the hub hands it on."""
    bearer: Bearer
    number: Counter
    """Rises with each."""
    signature: Signature


class Beaten(_Body, frozen=True, tag_field="state", tag="paired"):
    """The lease goes on."""

    valid_s: float
    bearer: str = ""
    """The next one, to be used from now on; empty: the one it has will do."""


class End(_Body, frozen=True):
    """POST /pair/end. The bearer alone is enough: ending harms nobody."""

    box: BoxId
    bearer: Bearer
    wrong_car: bool = False


B = TypeVar("B", bound=Struct)


def decode(kind: type[B], body: bytes) -> B:
    """Raises RemoteProtocolError."""
    if len(body) > BODY_MAX:
        raise RemoteProtocolError("body too large")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(str(error)[:200]) from error
