"""Modems, position and text messages."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Message, Request, Text, Topic


class Modem(Message, frozen=True):
    """A modem as ModemManager knows it."""

    interface: Text
    """The network interface; equals `interface` of the bond's link."""
    state: Literal["absent", "locked", "off", "searching", "registered", "connected", "failed"]
    operator: Text = ""
    generation: Literal["", "2G", "3G", "4G", "5G"] = ""
    signal: Annotated[int, Meta(ge=0, le=100)] | None = None
    """Percent; None: not known or too old."""
    detail: Text = ""


class Modems(Message, frozen=True):
    """All modems; empty without ModemManager."""

    modems: tuple[Modem, ...] = ()


MODEMS = Topic("box/{box}/up/modems", Modems, retained=True)


class Position(Message, frozen=True):
    """Where the vehicle is, by gpsd only. None of the values: no fix."""

    at_utc: float
    """Source time: of the fix."""
    received_utc: float
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)] | None = None
    error_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None


POSITION = Topic("box/{box}/up/position", Position, qos=0)


class SendInvite(Message, frozen=True):
    """Send a link by SMS, through a modem or the configured gateway. The number is not kept."""

    url: Annotated[str, Meta(max_length=500)]
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9]{5,15}\Z")]
    purpose: Literal["video", "help"] = "video"
    """Which text goes with it."""


SEND_INVITE = Request("box/{box}/local/sms", SendInvite, Done)
