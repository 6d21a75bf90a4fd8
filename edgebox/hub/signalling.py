"""Relays offers and candidates of remote pages to the box, and answers back.

The hub sees addresses and codecs here, never a picture: media is encrypted from the box to the
browser, and TURN carries ciphertext.
"""

import logging
import time

from edgebox.bus import Bus
from edgebox.hub.hub import Hub
from edgebox.hub.limit import Limiter
from edgebox.hub.protocol import Answer, Candidate, IceServer, IceServers, Offer, Refused
from edgebox.hub.room import Room
from edgebox.hub.store import ParticipantRow
from edgebox.hub.tokens import make_turn_credentials
from edgebox.messages.base import Fault
from edgebox.messages.selftest import AskTurn
from edgebox.messages.session import (
    WATCH,
    WATCH_CANDIDATE,
    TurnCredentials,
    WatchCandidate,
    WatchOffer,
)

logger = logging.getLogger(__name__)

WATCH_TIMEOUT_S = 6.0
OFFER_RATE_HZ = 2.0
OFFER_BURST = 10.0
"""Of one person, however many pages they open: an offer may take 64 KiB of the box's links."""
TRY_RATE_HZ = 0.2
TRY_BURST = 10.0
"""Of one box's self-tests."""


class Signalling:
    """Between pages and boxes."""

    def __init__(self, bus: Bus, hub: Hub, turn_urls: tuple[str, ...], turn_secret: bytes):
        self._bus = bus
        self._hub = hub
        self._turn_urls = turn_urls
        self._turn_secret = turn_secret
        self._offers = Limiter(OFFER_RATE_HZ, OFFER_BURST)
        self._tries = Limiter(TRY_RATE_HZ, TRY_BURST)

    def may_offer(self, row: ParticipantRow) -> bool:
        """Counts one offer of theirs; False if they made too many."""
        return self._offers.take(row.id, time.monotonic())

    def ice_servers(self, row: ParticipantRow) -> IceServers:
        """Where this participant's page reaches the TURN server, and how; once it may."""
        if self._room_to_watch(row) is None:
            return IceServers(servers=())
        turn = self._turn_credentials(row)
        server = IceServer(urls=self._turn_urls, username=turn.username, credential=turn.password)
        return IceServers(servers=(server,))

    async def offer(self, row: ParticipantRow, peer: str, offer: Offer) -> Answer | Refused:
        """Ask the box; the answer for the page."""
        room = self._room_to_watch(row)
        if room is None:
            return Refused(offer=offer.id, reason="not-allowed")
        question = WatchOffer(
            session=room.session,
            peer=peer,
            name=row.name,
            role=row.role,
            participant=row.id,
            sdp=offer.sdp,
            turn=self._turn_credentials(row),
        )
        answer = await self._bus.request(WATCH, question, timeout_s=WATCH_TIMEOUT_S, box=room.box)
        if isinstance(answer, Fault):
            logger.info("offer of a page not answered: %s %s", answer.reason, answer.text)
            return Refused(offer=offer.id, reason=answer.reason)
        return Answer(offer=offer.id, sdp=answer.sdp, streams=answer.streams)

    async def candidate(self, row: ParticipantRow, peer: str, found: Candidate) -> None:
        """Relay one candidate of the page's newest offer."""
        room = self._room_to_watch(row)
        if room is not None:
            message = WatchCandidate(peer=peer, candidate=found.candidate, mid=found.mid)
            await self._bus.publish(WATCH_CANDIDATE, message, box=room.box)

    def _room_to_watch(self, row: ParticipantRow) -> Room | None:
        """The participant's room while the crew has let them in, if their role has any flow."""
        room = self._hub.room(row.room)
        person = room.people.get(row.id) if room is not None else None
        if person is None:
            return None
        rights = person.rights
        flows = rights.sees or rights.hears or rights.speaks or rights.shows
        return room if flows else None

    async def turn_for_box(
        self, question: AskTurn, keys: dict[str, str]
    ) -> TurnCredentials | Fault:
        """A box tries its way to the TURN server: the same credentials as for a call."""
        if not self._tries.take(keys["box"], time.monotonic()):
            return Fault(reason="busy")
        return make_turn_credentials(self._turn_secret, f"try-{keys['box']}", time.time())

    def _turn_credentials(self, row: ParticipantRow) -> TurnCredentials:
        return make_turn_credentials(self._turn_secret, row.id, time.time())
