"""What each role gets and gives. Box and hub read this one table; the page only shows it.

The box enforces it where media leaves and enters, the hub where messages pass: neither trusts the
other or the page with it.
"""

from dataclasses import dataclass
from typing import Literal

from edgebox.messages.base import Role

View = Literal["patient", "outside"]
"""What a camera looks at. A patient camera is the rule; `outside` shows no patient ever."""


@dataclass(frozen=True)
class Rights:
    """Of one role, once the crew has admitted the person."""

    views: frozenset[View] = frozenset()
    """Cameras they may see."""
    hears: bool = False
    """Cabin and the others who speak."""
    speaks: bool = False
    """Is heard in the cabin and by the others who hear."""
    shows: bool = False
    """May send an own camera's picture to the cabin screen."""
    guides: bool = False
    """Pointer, drawing, stills, choice of the main picture, zoom and camera movement."""
    vitals: bool = False
    """Values and waves of the patient monitor."""
    position: bool = False
    """Where the vehicle is."""

    @property
    def sees(self) -> bool:
        """Any picture at all."""
        return bool(self.views)


RIGHTS: dict[Role, Rights] = {
    "doctor": Rights(
        views=frozenset({"patient", "outside"}),
        hears=True,
        speaks=True,
        shows=True,
        guides=True,
        vitals=True,
    ),
    "observer": Rights(views=frozenset({"patient", "outside"}), hears=True, vitals=True),
    "pilot": Rights(views=frozenset({"outside"}), position=True),
    "interpreter": Rights(hears=True, speaks=True),
    "bystander": Rights(hears=True, speaks=True, shows=True),
    "technician": Rights(),
}
"""A technician works on the support desk, never with patient media. That the crew talks to them,
with a button held, gives no right here: edgebox/media/technician.py."""
