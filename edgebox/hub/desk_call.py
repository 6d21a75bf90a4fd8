"""A technician's call with the crew: what the hub adds to it, and nothing of what is said.

Who may reach it: as the desk (desk.py). TURN credentials are given for a call that the box says is
open, to the technician whose session it is, and are good for the time it takes to connect; sound
goes encrypted from browser to box, and the box decides what of it there is.
"""

import time

from msgspec import Struct

from edgebox.config.hub import Hub
from edgebox.hub.protocol import IceServer, IceServers
from edgebox.hub.tokens import make_turn_credentials
from edgebox.messages.base import Fault, Sdp
from edgebox.messages.session import TurnCredentials
from edgebox.messages.support import SupportSession
from edgebox.messages.support_call import OpenCall

TURN_TTL_S = 120
"""A connection that runs goes on after it; a new one asks anew."""
NO_CALL = Fault(reason="refused", text="no-call")


class CallBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /desk/box/{box}/call."""

    sdp: Sdp


class CallDoor:
    """For all boxes."""

    def __init__(self, config: Hub, turn_secret: bytes):
        self._urls = config.turn_urls
        self._secret = turn_secret

    def servers(self, session: SupportSession | None) -> IceServers | Fault:
        """`session`: the technician's own with this box."""
        if session is None or session.call != "open":
            return NO_CALL
        turn = self._turn(session)
        server = IceServer(urls=self._urls, username=turn.username, credential=turn.password)
        return IceServers(servers=(server,))

    def deed(self, session: SupportSession | None, body: CallBody) -> OpenCall | Fault:
        """What the box is asked; credentials are ours, not the page's."""
        if session is None or session.call != "open":
            return NO_CALL
        return OpenCall(sdp=body.sdp, turn=self._turn(session))

    def _turn(self, session: SupportSession) -> TurnCredentials:
        return make_turn_credentials(
            self._secret, f"desk-{session.serial}", time.time(), ttl_s=TURN_TTL_S
        )
