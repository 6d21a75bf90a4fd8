"""What services and the box say of themselves."""

from typing import Literal

from edgebox.messages.base import Id, Message, Request, Text, Topic

ServiceName = Literal[
    "bond", "conduit", "media", "vitals", "panel", "support", "vehicle", "headset", "update"
]  # fmt: skip


class ServiceStatus(Message, frozen=True):
    """What a service says of itself; the broker says `stopped` for it when it dies."""

    service: ServiceName
    instance: Id
    """Random at each start: a changed one means the service was restarted."""
    state: Literal["starting", "running", "degraded", "stopped"]
    since_utc: float
    detail: Text = ""
    version: str = ""


SERVICE_STATUS = Topic("box/{box}/up/status/{service}", ServiceStatus, retained=True)


class BoxInfo(Message, frozen=True):
    """Who this box is; published by the panel's process at start."""

    vehicle: Text


BOX_INFO = Topic("box/{box}/up/info", BoxInfo, retained=True)


class HubStatus(Message, frozen=True):
    """Set by the hub per box, so that the panel knows an answer comes from there.

    The bridge itself reports its state at `$SYS/broker/connection/<box id>/state` (0 or 1).
    """

    instance: Id
    since_utc: float
    at_utc: float = 0.0
    """What the hub's clock shows as it answers; 0: an older hub, or not an answer."""
    doubled: bool = False
    """Two boxes use this identity, and put each other out in turn."""


HUB_STATUS = Topic("box/{box}/down/hub", HubStatus, retained=True)


class AskHub(Message, frozen=True):
    """Is the hub there? The panel asks every few seconds.

    Nothing else tells: a bridge whose connection died in silence goes on saying 1.
    """


ASK_HUB = Request("box/{box}/up/hub/ask", AskHub, HubStatus)
