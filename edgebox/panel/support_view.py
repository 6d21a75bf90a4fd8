"""What the panel shows of technical help, as plain values."""

from typing import Literal

from msgspec import Struct

from edgebox.messages.support import DeedName, End
from edgebox.messages.support_shell import ShellState
from edgebox.messages.support_still import StillState
from edgebox.messages.support_way import Way
from edgebox.panel.call_view import CallView


class SupportView(Struct, frozen=True, kw_only=True):
    """As in `SupportSession`; `away`: the service does not run, nobody is in."""

    state: Literal["off", "asked", "active", "away", "unsure"]
    id: str = ""
    technician: str = ""
    serial: str = ""
    minutes: int = 0
    """Until it ends by itself, rounded up."""
    doing: DeedName | None = None
    subject: str = ""
    ended: End = ""
    texted: Literal["", "sending", "sent", "failed"] = ""
    command_line: ShellState = "none"
    command_line_minutes: int = 0
    way: Way = ""
    """How it gets out of the box; while asked or active."""
    still: StillState = "off"
    still_camera: str = ""
    still_name: str = ""
    call: CallView = CallView()
    chat: tuple[tuple[Literal["crew", "technician"], str], ...] = ()
