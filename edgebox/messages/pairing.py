"""Headsets: the fleet's list of devices, who holds which one, and what the panel shows of it."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Message, Request, Text, Topic

DeviceId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Blob = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*\Z", max_length=240_000)]
"""Base64url; a broker of ours takes 256 KiB (host.daemons.PAYLOAD_MAX)."""
SmallBlob = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*\Z", max_length=3000)]
Counter = Annotated[int, Meta(ge=0, lt=2**53)]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{2}\Z")]

Reason = Literal[
    "unknown",
    "revoked",
    "expired",
    "elsewhere",
    "cloned",
    "clock",
    "box-clock",
    "no-registry",
    "registry-expired",
    "wrong-car",
    "far",
    "full",
    "signature",
]
"""Why a device is not let in. `clock`: its clock is wrong; `box-clock`: this box's is."""


class SignedRegistry(Message, frozen=True):
    """All devices of the fleet (edgebox.pairing.registry says what is in `payload`)."""

    version: Annotated[int, Meta(ge=1, lt=2**53)]
    """For people who look; what counts is the one in the payload."""
    payload: Blob
    signature: SmallBlob
    certificate: SmallBlob


REGISTRY = Topic("box/{box}/down/registry", SignedRegistry, retained=True)


class Claim(Message, frozen=True):
    """A box gives, or gave while the hub was away, this device a lease. Repeated while it lasts."""

    device: DeviceId
    shown: Counter
    """Of the last lease the device had when it asked; 0: none."""
    confirmed: bool
    """It has been heard with its new lease, whose counter is `shown` + 1."""


class Claimed(Message, frozen=True):
    """The hub's word on a claim.

    `elsewhere`: another box gave it one at the same moment. `cloned`: somebody has had a newer
    lease with this key.
    """

    result: Literal["granted", "elsewhere", "cloned"]


CLAIM = Request("box/{box}/up/fleet/claim", Claim, Claimed)


class LeaseMoved(Message, frozen=True):
    """The device has a newer lease in another vehicle: those up to this counter end."""

    device: DeviceId
    counter: Counter


LEASE_MOVED = Topic("box/{box}/down/fleet/moved", LeaseMoved)


class Enrol(Message, frozen=True):
    """A device in this vehicle shows a code of fleet staff (edgebox.pairing.enrolment)."""

    ticket: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
    key: SmallBlob
    signature: SmallBlob


class Enrolled(Message, frozen=True):
    """It is in the registry, whose new version is on its way."""

    name: Text


ENROL = Request("box/{box}/up/fleet/enrol", Enrol, Enrolled)


class Alarm(Message, frozen=True):
    """Something the fleet's staff should look at. No names, no vehicle: the topic has the box."""

    device: DeviceId
    what: Literal["cloned", "revoked", "wrong-car"]


ALARM = Topic("box/{box}/up/fleet/alarm", Alarm)


class HeadsetCard(Message, frozen=True):
    """One device the crew should know of now."""

    device: DeviceId
    name: Text
    digits: Annotated[str, Meta(pattern=r"^([0-9]{2})?\Z")]
    """Shown on the device as well. Empty when it was refused."""
    state: Literal["paired", "asks", "refused"]
    """`asks`: of the pool; the crew scans the panel's code with it, or allows it by a tap."""
    reason: Reason | Literal[""] = ""
    belongs: Text = ""
    """Vehicle it belongs to."""


class PairingStatus(Message, frozen=True):
    """What the headset service says to the panel."""

    instance: Text
    """Of the service, as in ServiceStatus."""
    vehicle: Text
    cards: tuple[HeadsetCard, ...] = ()
    pool: bool = False
    """There are devices for which the panel's code is of use."""
    registry: Literal["good", "ageing", "expired", "none", "clock"] = "none"
    """`ageing`: more than half of its time is over. `clock`: this box's clock is wrong."""
    registry_expires_utc: float | None = None


PAIRING_STATUS = Topic("box/{box}/local/headset/pairing", PairingStatus, retained=True)


class AskPresence(Message, frozen=True):
    """The panel shows the code now."""


class PresenceCode(Message, frozen=True):
    """The code for a QR: good for one device, once."""

    text: Text
    seconds_left: float


class AllowDevice(Message, frozen=True):
    """The crew let a device of the pool in, whose digits they have compared."""

    device: DeviceId
    digits: Digits


class EndDevice(Message, frozen=True):
    """The crew: this device is not ours."""

    device: DeviceId


PRESENCE = Request("box/{box}/local/headset/presence", AskPresence, PresenceCode)
ALLOW_DEVICE = Request("box/{box}/local/headset/allow", AllowDevice, Done)
END_DEVICE = Request("box/{box}/local/headset/end", EndDevice, Done)


class OutsidePair(Message, frozen=True):
    """What a device outside the vehicle said to the hub, which hands it on and decides nothing."""

    step: Literal["hello", "prove", "heartbeat", "end"]
    body: Annotated[str, Meta(max_length=8192)]


class OutsidePaired(Message, frozen=True):
    """What the box answers."""

    status: Annotated[int, Meta(ge=200, le=599)]
    body: Annotated[str, Meta(max_length=8192)]


OUTSIDE_PAIR = Request("box/{box}/down/headset/pair", OutsidePair, OutsidePaired)
