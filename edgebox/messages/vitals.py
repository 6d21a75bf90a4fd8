"""What patient monitors say, on its way to panel, pages and hub."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Id, Message, Request, Text, Topic
from edgebox.observation import Alarm, Numeric

VITALS_CONTENT_MAX_BYTES = 160_000
"""Of one batch; base64 and JSON around it stay below what the brokers take."""
VitalsKind = Literal["numerics", "waves"]
"""`numerics` are values, alarm texts and incidents: first sent, last dropped."""
VitalsNumber = Annotated[int, Meta(ge=1, le=2**53)]
VitalsContent = Annotated[bytes, Meta(max_length=VITALS_CONTENT_MAX_BYTES)]
"""`edgebox.observation.pack`."""


class VitalsBatch(Message, frozen=True):
    """One numbered batch on its way to the hub, which stores it once and in order.

    A stream begins with each start of the vitals service and its numbers with 1, so that neither a
    new image nor an old one put back ever gives a number twice.
    """

    stream: Id
    kind: VitalsKind
    opened_utc: float
    """When the stream began, by the box's clock."""
    seq: VitalsNumber
    first: VitalsNumber
    """The lowest the box still has: below it nothing more will come."""
    at_utc: float
    """When it was stored on the box."""
    content: VitalsContent


class VitalsAck(Message, frozen=True):
    """The hub has stored this stream up to `through`, durably. Nothing yet: 0."""

    stream: Id
    through: Annotated[int, Meta(ge=0, le=2**53)]
    missing: bool = False
    """Something later came before `through` + 1: send again from there."""


class ResumeVitals(Message, frozen=True):
    """The box asks how far the hub is: at start, and whenever acknowledgements stay away."""

    streams: Annotated[tuple[Id, ...], Meta(max_length=64)]


class VitalsPlaces(Message, frozen=True):
    """One for each stream asked for."""

    places: tuple[VitalsAck, ...]


VITALS_BATCH = Topic("box/{box}/up/vitals/batch", VitalsBatch)
VITALS_ACK = Topic("box/{box}/down/vitals/ack", VitalsAck)
RESUME_VITALS = Request("box/{box}/up/vitals/resume", ResumeVitals, VitalsPlaces)


class MonitorStatus(Message, frozen=True):
    """One configured monitor, whether it is there or not."""

    id: Id
    name: Text
    kind: Text
    state: Literal["waiting", "connected", "silent", "gone", "wrong-speed", "two-on-one-line"]
    """`waiting`: never seen since the service started. `silent`: the line is there, nothing comes.
    `gone`: unplugged, closed or ended by the monitor. `wrong-speed`: bytes come, none of them are
    readable. `two-on-one-line`: frames of two monitors are mixed."""
    since_utc: float
    stale_after_s: float
    """A value older than this by `received_utc` is stale, unless it is episodic."""
    device: Text = ""
    """Maker and model, as the monitor says."""
    received_utc: float = 0.0
    """Last time something readable came; 0: never."""
    clock_ahead_s: float | None = None
    """How far the monitor's clock is ahead of the box's, transport included; None: it says no
    time. Shown, never corrected."""
    demo: bool = False
    """Its last values were of a demonstration, not of a patient."""
    damaged: int = 0
    """Frames that were not readable, since the service started."""
    detail: Text = ""
    """In English, for the technician."""


class VitalsStoreStatus(Message, frozen=True):
    """What the box keeps until the hub has it."""

    waiting_numerics: int = 0
    """Batches."""
    waiting_waves: int = 0
    oldest_utc: float | None = None
    """Of those waiting."""
    used_bytes: int = 0
    limit_bytes: int = 0
    dropped_waves: int = 0
    """Batches that were lost since the service started because there was no room."""
    dropped_numerics: int = 0
    """As before; only when no waves were left to drop."""
    failed: Text = ""
    """Why nothing can be stored, and so nothing is shown; empty: it works."""


class VitalsStatus(Message, frozen=True):
    """Each second, and at once when a monitor's state changes."""

    at_utc: float
    monitors: tuple[MonitorStatus, ...] = ()
    store: VitalsStoreStatus = VitalsStoreStatus()


class VitalsNow(Message, frozen=True):
    """The last value of everything, each with its own times: for the panel's tile."""

    at_utc: float
    numerics: tuple[Numeric, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    """The monitor's own texts, newest first, those it has not ended."""


class VitalsLive(Message, frozen=True):
    """What was stored just now, for those who see it live."""

    content: VitalsContent


VITALS_STATUS = Topic("box/{box}/up/vitals/status", VitalsStatus, retained=True)
VITALS_NOW = Topic("box/{box}/local/vitals/now", VitalsNow, retained=True, qos=0)
VITALS_LIVE = Topic("box/{box}/local/vitals/live", VitalsLive, qos=0)
