"""Headsets and guests' cameras: their way from the headset service to media, and their status.

The headset service owns the listener on the access point and checks every bearer; media owns the
connections. What a headset outside the vehicle asks comes through the hub, which relays it together
with the bearer and decides nothing: the box's own pairing does.
"""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Id, Message, Request, Sdp, Text, Topic
from edgebox.messages.session import TurnCredentials

Bearer = Annotated[str, Meta(max_length=2048)]


class HeadsetOffer(Message, frozen=True):
    """A paired device's SDP offer, checked once already: at most one picture and one sound."""

    peer: Id
    """One per WHIP session."""
    device: Id
    name: Text
    """What people call the device."""
    sdp: Sdp
    turn: TurnCredentials | None = None
    """For a device outside the vehicle: it is reached through the relay and in no other way.
    None: on the access point's address and in no other way."""


class HeadsetAnswer(Message, frozen=True):
    """Media's SDP answer; holds all its candidates."""

    sdp: Sdp
    camera: Id
    """The camera that the device is now; stays the same for each device."""


class HeadsetListen(Message, frozen=True):
    """A paired device's SDP offer to hear remote help: one sound, received."""

    peer: Id
    """One per WHEP session; candidates and the end name it, as for WHIP."""
    device: Id
    sdp: Sdp
    turn: TurnCredentials | None = None
    """As for HeadsetOffer."""


class HeadsetVoices(Message, frozen=True):
    """Media's SDP answer; holds all its candidates."""

    sdp: Sdp


class HeadsetCandidate(Message, frozen=True):
    """A candidate that came after the offer. Empty `candidate` ends them."""

    peer: Id
    candidate: Annotated[str, Meta(max_length=1000)]


class HeadsetClose(Message, frozen=True):
    """End a connection. Its picture is cut at once; its camera stays, and is absent."""

    peer: Id


class HeadsetEnded(Message, frozen=True):
    """Media ended a connection, or never had it: consent expired, it failed, or was replaced."""

    peer: Id


HEADSET_OFFER = Request("box/{box}/local/headset/offer", HeadsetOffer, HeadsetAnswer)
HEADSET_LISTEN = Request("box/{box}/local/headset/listen", HeadsetListen, HeadsetVoices)
HEADSET_CANDIDATE = Topic("box/{box}/local/headset/candidate", HeadsetCandidate)
HEADSET_CLOSE = Topic("box/{box}/local/headset/close", HeadsetClose)
HEADSET_ENDED = Topic("box/{box}/local/headset/ended", HeadsetEnded)


class Headset(Message, frozen=True):
    """One device whose WHIP session stands. Whether a picture comes in, its camera's state says."""

    device: Id
    name: Text
    digits: Annotated[str, Meta(max_length=2)]
    since_utc: float
    camera: Id
    outside: bool = False
    """It comes through the hub, not over the access point."""


class CertificateStatus(Message, frozen=True):
    """What browsers on the access point are shown."""

    kind: Literal["none", "public", "fleet"] = "none"
    """`public`: known to every browser. `fleet`: only to devices that trust the fleet's CA."""
    state: Literal["good", "half", "expired", "missing", "off"] = "missing"
    """`half`: more than half of its time is over and no newer one has come. `off`: no access point
    is configured."""
    until_utc: float = 0.0
    name: Text = ""


class HeadsetStatus(Message, frozen=True):
    """What the panel shows about headsets."""

    headsets: tuple[Headset, ...] = ()
    certificate: CertificateStatus = CertificateStatus()


HEADSET_STATUS = Topic("box/{box}/local/headset/status", HeadsetStatus, retained=True)


class OutsideRequest(Message, frozen=True):
    """A WHIP or WHEP request that a headset outside the vehicle made to the hub."""

    method: Literal["POST", "PATCH", "DELETE"]
    bearer: Bearer
    endpoint: Literal["/whip", "/whep"] = "/whip"
    session: Annotated[str, Meta(max_length=128)] = ""
    """Last part of the session URL; empty for POST."""
    content_type: Annotated[str, Meta(max_length=200)] = ""
    if_match: Annotated[str, Meta(max_length=200)] = ""
    body: Sdp = ""
    turn: TurnCredentials | None = None
    """For the box's side of the connection."""


class OutsideResponse(Message, frozen=True):
    """What the box answers; the hub adds what only it knows (where it is, CORS)."""

    status: Annotated[int, Meta(ge=200, le=599)]
    session: Annotated[str, Meta(max_length=128)] = ""
    """Of a new session: the last part of its URL."""
    retry_after_s: int = 0
    body: Sdp = ""


class OutsidePoll(Message, frozen=True):
    """What is new for the page of a headset outside the vehicle? Answered when there is something,
    or after a few seconds."""

    bearer: Bearer
    """Opens the page; it stays open while the lease lasts."""
    page: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    """The hub's name for one open page; nobody else can guess it."""


class OutsideEvents(Message, frozen=True):
    """Lines as the page gets them."""

    status: Literal[200, 401, 503]
    lines: Sdp = ""
    over: bool = False
    """Nothing more comes."""


OUTSIDE_EVENTS = Request("box/{box}/down/headset/events", OutsidePoll, OutsideEvents)
OUTSIDE_WHIP = Request("box/{box}/down/headset/whip", OutsideRequest, OutsideResponse)


Pem = Annotated[str, Meta(max_length=65_536)]


class CertificateWish(Message, frozen=True):
    """The box's certificate signing request (PKCS 10, PEM) for its listener on the access point.

    The key never leaves the box. The hub has it signed by a public authority (DNS-01).
    """

    request: Pem


class IssuedCertificate(Message, frozen=True):
    """What came of it: the certificate and those between it and the authority, PEM."""

    chain: Pem


CERTIFICATE_WISH = Topic("box/{box}/up/headset/csr", CertificateWish, retained=True)
ISSUED_CERTIFICATE = Topic("box/{box}/down/headset/certificate", IssuedCertificate, retained=True)
