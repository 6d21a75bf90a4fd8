"""The technician's session: crew and box on the local bus, box and support desk over the hub.

The box decides. What a technician asks carries the session and the serial of the certificate that
the hub's staff listener saw; the box compares both with what the crew granted, each time.
"""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Id, Message, OptionalId, Request, Text, Topic
from edgebox.messages.bond import LinkStatus
from edgebox.messages.link_test import LinkTestResult, RunLinkTest
from edgebox.messages.selftest import OptionalCheckName, SelfTest
from edgebox.messages.services import ServiceName, ServiceStatus
from edgebox.messages.session import CameraStatus
from edgebox.messages.support_call import (
    AskCall,
    CallEnd,
    CallOpened,
    CallState,
    EndCall,
    OpenCall,
)
from edgebox.messages.support_shell import AskShell, OpenShell, ShellOpened, ShellState
from edgebox.messages.support_still import (
    AskStill,
    CameraFigures,
    CameraStill,
    StillState,
    TakeStill,
    TestCamera,
)
from edgebox.messages.support_way import Way

Serial = Annotated[str, Meta(pattern=r"^[0-9A-F]{1,40}\Z")]
"""Of a technician's certificate, in hex."""
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{32}\Z")]
"""In the link the crew hands out; good once."""
Line = Annotated[str, Meta(min_length=1, max_length=500)]
DeedName = Literal[
    "look",
    "history",
    "journal",
    "configuration",
    "check",
    "restart",
    "bundle",
    "link-test",
    "camera",
    "still-ask",
    "still",
    "chat",
    "shell-ask",
    "shell",
    "call-ask",
    "call",
    "call-end",
    "leave",
]
End = Literal["", "crew", "technician", "time", "refused", "unanswered", "guessed", "audit"]


class SupportSession(Message, frozen=True):
    """Whether a technician may look, who, and what they do; said anew every few seconds."""

    state: Literal["off", "asked", "active"]
    id: OptionalId = ""
    """Of the session or the request for one; empty while off."""
    asked_by: Literal["", "crew", "technician"] = ""
    technician: Text = ""
    serial: Annotated[str, Meta(pattern=r"^[0-9A-F]{0,40}\Z")] = ""
    left_s: float = 0.0
    """Until it ends by itself. By the box's monotonic clock: a wrong wall clock changes nothing."""
    doing: DeedName | None = None
    """What they did last; None: nothing yet."""
    subject: Text = ""
    ended: End = ""
    """How the last one ended; while off."""
    texted: Literal["", "sending", "sent", "failed"] = ""
    """The link, to the technicians on duty, as a text message; while asked."""
    command_line: ShellState = "none"
    """Which the crew grants apart from the session."""
    command_line_left_s: float = 0.0
    still: StillState = "off"
    """Of one camera, which the crew allows apart from the session."""
    still_camera: OptionalId = ""
    way: Way = ""
    """How it gets to the hub; while asked or active."""
    instance: OptionalId = ""
    n: int = 0
    """The how-manieth this instance of the service says: what comes late by another way is old."""
    call: CallState = "off"
    call_ended: CallEnd = ""
    """How the last one of this session ended; while off."""
    call_microphone: bool = False
    """The technician hears the cabin now: the crew holds the button."""


SUPPORT_SESSION = Topic("box/{box}/up/support/session", SupportSession, retained=True)


class ChatLine(Message, frozen=True):
    """One line between crew and technician. It is kept nowhere."""

    session: Id
    by: Literal["crew", "technician"]
    text: Line
    at_utc: float
    n: int = 0
    """No other line of the session has it: the same may come by two ways."""


SUPPORT_CHAT = Topic("box/{box}/up/support/chat", ChatLine)


class AuditHead(Message, frozen=True):
    """How long the box's audit trail is and how it ends; the hub writes it into its own."""

    entries: int
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    what: Text
    technician: Text = ""
    serial: Text = ""


SUPPORT_AUDIT = Topic("box/{box}/up/support/audit", AuditHead)


class DeskInfo(Message, frozen=True):
    """Where the hub's support desk is; set by the hub for each box."""

    url: Annotated[str, Meta(max_length=300, pattern=r"^https://[^/\s]+\Z")]


DESK_INFO = Topic("box/{box}/down/support/desk", DeskInfo, retained=True)

# The crew, by the panel


class AskHelp(Message, frozen=True):
    """The crew wants a technician."""


class HelpLink(Message, frozen=True):
    """For one technician, once. The box keeps only its hash."""

    id: Id
    url: Annotated[str, Meta(max_length=500)]
    """Empty: the box does not know of a desk, because the hub has not been reached."""
    left_s: float


ASK_HELP = Request("box/{box}/local/support/ask", AskHelp, HelpLink)


class AdmitTechnician(Message, frozen=True):
    """The crew lets in who asked, as they were shown."""

    id: Id
    serial: Serial


ADMIT_TECHNICIAN = Request("box/{box}/local/support/admit", AdmitTechnician, Done)


class EndSupport(Message, frozen=True):
    """The crew ends or turns away whatever there is."""


END_SUPPORT = Request("box/{box}/local/support/end", EndSupport, Done)


class CrewSays(Message, frozen=True):
    """To the technician who is here."""

    text: Line


CREW_SAYS = Request("box/{box}/local/support/say", CrewSays, Done)


class RestartService(Message, frozen=True):
    """A service of the box shall end cleanly; systemd, or who else keeps it, starts it again."""

    instance: Id
    """The one that shall end: said twice, it ends once."""


RESTART_SERVICE = Topic("box/{box}/local/restart/{service}", RestartService)

# The technician, by the hub


class RequestSupport(Message, frozen=True):
    """A technician asks the crew to be let in."""

    technician: Annotated[str, Meta(min_length=1, max_length=60)]
    serial: Serial


REQUEST_SUPPORT = Request("box/{box}/down/support/request", RequestSupport, Done)


class OpenSupport(Message, frozen=True):
    """A technician opened the crew's link."""

    technician: Annotated[str, Meta(min_length=1, max_length=60)]
    serial: Serial
    token: Token


OPEN_SUPPORT = Request("box/{box}/down/support/open", OpenSupport, Done)


class Look(Message, frozen=True, tag="look"):
    """How the box is now."""


class ReadHistory(Message, frozen=True, tag="history"):
    """How the links were."""

    hours: Annotated[int, Meta(ge=1, le=336)] = 24


class ReadJournal(Message, frozen=True, tag="journal"):
    """What was logged; `after` continues where an earlier answer stopped."""

    service: ServiceName | Literal[""] = ""
    level: Literal["error", "warning", "info"] = "info"
    text: Annotated[str, Meta(max_length=100)] = ""
    """Only lines with this in them."""
    after: Annotated[str, Meta(max_length=300)] = ""


class ReadConfiguration(Message, frozen=True, tag="configuration"):
    """What is configured, without secrets."""


class RunCheck(Message, frozen=True, tag="check"):
    """One check again; none: all."""

    check: OptionalCheckName = ""


class Restart(Message, frozen=True, tag="restart"):
    """One service of the box."""

    service: ServiceName


class ReadBundle(Message, frozen=True, tag="bundle"):
    """The redacted bundle, made anew at `offset` 0."""

    offset: Annotated[int, Meta(ge=0, le=100_000_000)] = 0


class Say(Message, frozen=True, tag="chat"):
    """To the crew."""

    text: Line


class Leave(Message, frozen=True, tag="leave"):
    """The technician is done."""


Deed = (
    Look
    | ReadHistory
    | ReadJournal
    | ReadConfiguration
    | RunCheck
    | Restart
    | ReadBundle
    | RunLinkTest
    | Say
    | TestCamera
    | AskStill
    | TakeStill
    | AskShell
    | OpenShell
    | AskCall
    | OpenCall
    | EndCall
    | Leave
)
"""All a technician can ask. No deed gives values of a patient or a position, and none sound: what
the crew says to them, the crew sends, by a button. A picture is one of the camera that the crew
allowed, once, while no video is on."""


class Order(Message, frozen=True):
    """A deed, and by what right."""

    session: Id
    serial: Serial
    deed: Deed


class Outlook(Message, frozen=True, tag="outlook"):
    """How the box is now."""

    at_utc: float
    services: tuple[ServiceStatus, ...]
    missing: tuple[Text, ...]
    """Parts that say nothing, in English: what cannot be shown, and why."""
    bond: Literal["up", "connecting", "down", "unknown"]
    bond_problem: Text
    links: tuple[LinkStatus, ...]
    bridge: bool | None
    live: bool
    """Pictures are being sent."""
    test: SelfTest | None
    cameras: tuple[CameraStatus, ...] = ()
    """As media says; without what they show."""


class LinkRow(Message, frozen=True, tag="link"):
    """How one link was, at a minute."""

    at_utc: float
    name: Text
    state: Text
    rtt_ms: float | None
    loss: float
    capacity_bps: int
    sent_bps: int
    signal: int | None


class LinkHistory(Message, frozen=True, tag="link-history"):
    """Oldest first; thinned to what fits."""

    rows: tuple[LinkRow, ...]


class JournalLine(Message, frozen=True, tag="line"):
    """One line, redacted."""

    at_utc: float
    service: Text
    level: Literal["error", "warning", "info"]
    text: Annotated[str, Meta(max_length=1000)]


class JournalPart(Message, frozen=True, tag="journal-part"):
    """Oldest first."""

    lines: tuple[JournalLine, ...]
    after: str
    missing: Text = ""
    """Why there is none."""


class EffectiveConfiguration(Message, frozen=True, tag="effective"):
    """TOML; secrets and patient-related addresses are struck out."""

    text: str


class BundlePart(Message, frozen=True, tag="bundle-part"):
    """Bytes of the bundle (base64 on the wire); the last part ends at `size`."""

    size: int
    data: bytes
    name: Text


Result = (
    Outlook
    | LinkHistory
    | JournalPart
    | EffectiveConfiguration
    | BundlePart
    | LinkTestResult
    | CameraFigures
    | CameraStill
    | ShellOpened
    | CallOpened
    | Done
)


class Report(Message, frozen=True):
    """The answer to an order."""

    result: Result


SUPPORT_ORDER = Request("box/{box}/down/support/order", Order, Report)
