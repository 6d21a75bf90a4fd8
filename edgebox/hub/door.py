"""What somebody finds who opens a link."""

from msgspec import Struct

from edgebox.messages.base import Role


class Door(Struct, frozen=True, kw_only=True):
    """Nothing (wrong, used, expired or over: all alike), a room to join, or one's own room."""

    room: str = ""
    open: bool = False
    """The link can be used."""
    entered: bool = False
    """This very browser used it: it may go back into the room."""
    role: Role | None = None
    name: str = ""
    """Whom the crew meant it for."""
    vehicle: str = ""


CLOSED = Door()
