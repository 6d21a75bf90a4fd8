"""[update]."""

from edgebox.config.kinds import Section

QUIET_S = 600
"""So long a box was left alone before an update restarts it."""


class Update(Section, frozen=True):
    """New versions of the box's system, docs/updates.md."""

    directory: str = "/var/lib/edgebox/update"
    """What is fetched lies here until it is installed, and what came of earlier ones."""
    metered: bool = False
    """Whether they may be fetched over links with a price or a monthly cap."""
