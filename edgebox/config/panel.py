"""[panel]."""

from typing import Literal

from edgebox.config.kinds import Address, Language, Section


class Panel(Section, frozen=True):
    """The touch panel in the cabin."""

    listen: Address = "127.0.0.1:8080"
    """Loopback: the kiosk browser of this box. It has no log-in."""
    theme: Literal["auto", "day", "night"] = "auto"
    language: Language = "nb"
    seal: str = "/run/edgebox-panel/seal"
    """Public key by which other services know what the crew allowed here; made at each start."""
