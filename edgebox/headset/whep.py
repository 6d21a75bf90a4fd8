"""WHEP: what a headset hears, asked for as WHIP asks for what it sends (no I/O).

WHIP only sends: whatever a client offers, its endpoint answers `recvonly` (RFC 9725, 4.2). So the
doctor's voice goes the other way in a session of its own, by the sister protocol
(draft-ietf-wish-whep-03). Requests, answers, bearers, limits and ends are those of whip.py at
another endpoint; only the offer differs: one sound that is received, and nothing else (422).
The answer is `sendonly`. A device has one session of each kind, and a lease that ends ends both.
"""

from collections.abc import Callable

from edgebox.headset import sdp
from edgebox.headset.door import Door
from edgebox.headset.whip import Whip

ENDPOINT = "/whep"


def whep(door: Door, new_token: Callable[[], str]) -> Whip:
    """The core of this endpoint; `new_token` as for Whip."""
    return Whip(door, new_token, ENDPOINT, sdp.read_request)
