"""Which box a bearer is of, as the boxes themselves said (no I/O, told the time).

A box hands out bearers to devices outside their vehicle through the hub, which remembers where each
came from for as long as it can be good. What comes with a bearer that no box has handed out goes
nowhere: a stranger on the Internet cannot use up a vehicle's mobile links. Whether a bearer is good
the hub does not judge; the box does.

A hub that was started anew knows none until the device's next heartbeat, 3 s later.
"""

from collections import OrderedDict

from edgebox.hub.tokens import hash_token
from edgebox.pairing.lease import BEARER_S

PASSES_MAX = 20_000
"""The oldest goes first."""


class Passes:
    """Hashes of bearers."""

    def __init__(self) -> None:
        self._boxes: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def note(self, bearer: str, box: str, now: float) -> None:
        """The box gave out this bearer, or took it for good, now."""
        key = hash_token(bearer)
        self._boxes[key] = (box, now + BEARER_S)
        self._boxes.move_to_end(key)
        while len(self._boxes) > PASSES_MAX:
            self._boxes.popitem(last=False)

    def drop(self, bearer: str) -> None:
        """The box does not take it any more."""
        self._boxes.pop(hash_token(bearer), None)

    def box_of(self, bearer: str, now: float) -> str:
        """Empty for one that no box has given out."""
        box, until = self._boxes.get(hash_token(bearer), ("", 0.0))
        return box if now < until else ""
