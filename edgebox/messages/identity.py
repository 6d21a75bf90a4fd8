"""How a box gets its certificate and renews it."""

from typing import Annotated

from msgspec import Meta

from edgebox.messages.base import Message, Request, Text

Pem = Annotated[str, Meta(max_length=8192)]
Proof = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Enrol(Message, frozen=True):
    """A fresh box asks to become the one its voucher names (edgebox/identity/voucher.py)."""

    request: Pem
    """PKCS 10 (RFC 2986), P-256, signed with the key it is for; its names are not looked at."""
    proof: Proof
    """HMAC by the voucher's secret over `enrol`, box id, request."""


class Enrolled(Message, frozen=True):
    """The box's certificate and what it needs to find and believe its hub."""

    certificate: Pem
    authority: Pem
    vehicle: Text
    hub: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:-]{1,253}\Z")]
    """Host name of the hub's bond, key exchange and broker."""
    proof: Proof
    """HMAC by the voucher's secret over `enrolled`, box id and the four fields above in order."""


class RenewCertificate(Message, frozen=True):
    """A box asks for its next certificate.

    That it is this box is the broker's word; that its certificate is not shut out, the authority's.
    """

    request: Pem
    """PKCS 10, as in Enrol, for a new key."""
    certificate: Pem
    """The one it has."""
    signature: Annotated[str, Meta(max_length=200, pattern=r"^[0-9a-f]+\Z")]
    """ECDSA with SHA-256 by the key of `certificate` over `request`; DER in hex."""


class Renewed(Message, frozen=True):
    """The next one, same name."""

    certificate: Pem


ENROL = Request("box/{box}/local/enrol", Enrol, Enrolled)
"""On the hub's broker, from its web side to the authority. No box may write there."""
RENEW = Request("box/{box}/up/certificate", RenewCertificate, Renewed)
