"""Those who watch from afar: their offers, their connections, and who of them really gets pictures.

Offers come from the hub over the bus. The only way out is the TURN server behind the bond.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from edgebox.config import parse_address
from edgebox.config.media import Media
from edgebox.errors import RemoteProtocolError
from edgebox.media import aiortc_hooks
from edgebox.media.channel import Channel
from edgebox.media.closing import Closing
from edgebox.media.encoder import Encoder
from edgebox.media.fairness import Fairness, Line
from edgebox.media.guest import GuestPicture
from edgebox.media.guidance import Guidance
from edgebox.media.offer import Allowed, Offer
from edgebox.media.publisher import OfferRefusedError, TurnUnreachableError
from edgebox.media.roster import Roster
from edgebox.media.sdp import parse_candidate
from edgebox.media.sound.cabin import Cabin
from edgebox.media.viewer import Viewer
from edgebox.messages.base import Fault, Role
from edgebox.messages.session import (
    Admitted,
    Stream,
    WatchAnswer,
    WatchCandidate,
    WatchClose,
    Watcher,
    WatchOffer,
)
from edgebox.roles import RIGHTS

logger = logging.getLogger(__name__)

WATCHERS_MAX = 8
PAGES_MAX = 4
"""Of one person: nobody takes all places."""
BANNED_S = 30.0
"""Who floods us with messages waits for this long."""
OFFERS_MAX, OFFERS_S = 20, 10.0
"""A person's pages offer no more than this within that time: each offer is a connection to make."""


class Watchers:
    """All connections of one session. `changed` is called when one of them changes."""

    def __init__(
        self,
        media: Media,
        cabin: Cabin,
        guidance: Guidance,
        sent: Callable[[], tuple[str, ...]],
        changed: Callable[[], None],
    ):
        """`sent`: the cameras of the live session."""
        self._cabin = cabin
        self._guidance = guidance
        self._sent = sent
        self._banned: dict[str, float] = {}
        self._silenced: frozenset[str] = frozenset()
        self._offers: dict[str, deque[float]] = {}
        self._server = parse_address(media.turn)
        self._turn_url = f"turn:{self._server[0]}:{self._server[1]}?transport=udp"
        self._changed = changed
        self._roster = Roster()
        self._closing = Closing()
        self._fairness = Fairness()
        self._preparing: asyncio.Task[None] | None = None

    def expect(self, live: bool) -> None:
        """Prepare for the next viewer while the session is live."""
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None
        if live:
            self._preparing = asyncio.create_task(aiortc_hooks.keep_turn_prepared(self._server))

    async def offer(
        self, question: WatchOffer, guest: Admitted, cameras: Sequence[Encoder]
    ) -> WatchAnswer | Fault:
        """Answer with these cameras, main picture first; what the peer has stays until this works.

        `guest`: whom the crew let in; `cameras`: those this person has a right to see.
        """
        now = time.monotonic()
        if now < self._banned.get(guest.participant, 0.0):
            return Fault(reason="busy", text="this person flooded the box with messages")
        if self._too_many(guest.participant, now):
            return Fault(reason="busy", text="too many offers of one person")
        rights = RIGHTS[guest.role]
        allowed = Allowed(
            pictures=bool(cameras),
            hears=rights.hears,
            speaks=rights.speaks,
            shows=rights.shows,
            data=rights.sees or rights.vitals,
        )
        if not (allowed.pictures or allowed.hears or allowed.speaks or allowed.shows):
            return Fault(reason="refused", text=f"nothing here for the role {guest.role}")
        try:
            offer = Offer(question.sdp, allowed)
        except RemoteProtocolError as error:
            return Fault(reason="invalid", text=str(error)[:200])
        if not any(section.use != "data" for section in offer.served):
            return Fault(reason="invalid", text="no section that this role may use")
        if fault := self._no_place(question.peer, guest):
            return fault
        viewer = self._viewer(offer, guest, cameras)
        if displaced := self._roster.add(question.peer, viewer):
            self._close(displaced)
        connection = viewer.connection
        self._changed()
        try:
            sdp = await connection.answer_through_turn(offer, self._turn_url, question.turn)
        except TurnUnreachableError as error:
            self._drop(viewer)
            return Fault(reason="unreachable", text=str(error)[:200])
        except OfferRefusedError as error:
            self._drop(viewer)
            return Fault(reason="invalid", text=str(error)[:200])
        if viewer not in self._roster:
            return Fault(reason="refused", text="closed or replaced meanwhile")
        self.expect(live=True)
        streams = tuple(
            Stream(mid=mid, camera=track.encoder.camera.id, name=track.encoder.camera.name)
            for mid, track in connection.tracks.items()
        )
        return WatchAnswer(sdp=sdp, streams=streams)

    def _viewer(self, offer: Offer, guest: Admitted, cameras: Sequence[Encoder]) -> Viewer:
        voice = None
        for section in offer.of("sound"):
            voice = self._cabin.join(
                hears=section.direction in {"sendrecv", "sendonly"},
                speaks=section.direction in {"sendrecv", "recvonly"},
            )
        if voice is not None:
            voice.silence(guest.participant in self._silenced)
        picture = GuestPicture(self._changed) if offer.of("guest") else None
        return Viewer(
            guest, cameras, self._update, voice, picture, self._join, self._guidance.greet
        )

    def _join(self, viewer: Viewer) -> Channel:
        return self._guidance.join(
            viewer.guest,
            lambda: tuple(camera for camera in viewer.cameras if camera in self._sent()),
            lambda: self._ban(viewer.guest.participant),
        )

    def _ban(self, participant: str) -> None:
        self._banned[participant] = time.monotonic() + BANNED_S
        self.cut(participant)

    def _too_many(self, participant: str, now: float) -> bool:
        """Has this person offered too often lately?"""
        times = self._offers.setdefault(participant, deque(maxlen=OFFERS_MAX))
        if len(times) == OFFERS_MAX and now - times[0] < OFFERS_S:
            return True
        times.append(now)
        return False

    def silence(self, participants: Collection[str]) -> None:
        """Nobody hears these people, and everybody hears the others."""
        self._silenced = frozenset(participants)
        for viewer in self._roster:
            if viewer.voice is not None:
                viewer.voice.silence(viewer.guest.participant in self._silenced)

    def guest_picture(self, peer: str) -> GuestPicture | None:
        """What comes from this peer's own camera, if it comes in now."""
        viewer = self._roster.present.get(peer)
        return viewer.picture if viewer is not None and viewer.shows else None

    def _no_place(self, peer: str, guest: Admitted) -> Fault | None:
        """Why this person cannot have this connection."""
        present = self._roster.present
        old = present.get(peer)
        if old is not None:
            same = old.guest.participant == guest.participant
            return None if same else Fault(reason="refused", text="the peer is somebody else")
        if len(present) >= WATCHERS_MAX:
            return Fault(reason="busy", text=f"{WATCHERS_MAX} watch already")
        own = [one for one in present.values() if one.guest.participant == guest.participant]
        if len(own) >= PAGES_MAX:
            return Fault(reason="busy", text=f"this person has {PAGES_MAX} pages open already")
        return None

    async def candidate(self, message: WatchCandidate) -> None:
        """What we cannot use is ignored."""
        viewer = self._roster.newest(message.peer)
        candidate = parse_candidate(message.candidate)
        if viewer is not None and candidate is not None:
            await viewer.connection.add_candidate(candidate)

    def close(self, message: WatchClose) -> None:
        """The peer has gone."""
        for viewer in self._roster.of(message.peer):
            self._drop(viewer)

    def cut(self, participant: str) -> None:
        """Nothing flows to or from this person any more."""
        for viewer in self._roster:
            if viewer.guest.participant == participant:
                self._drop(viewer)

    def keep_role(self, participant: str, role: Role) -> None:
        """What was opened for this person with another role is cut."""
        for viewer in self._roster:
            if viewer.guest.participant == participant and viewer.guest.role != role:
                self._drop(viewer)

    def keep_only(self, cameras: Collection[str]) -> None:
        """Pictures of other cameras that wait to be sent are not sent any more."""
        for viewer in self._roster:
            viewer.connection.keep_only(cameras)

    def cut_all(self) -> None:
        """Nothing leaves any more; connections close in the background."""
        for viewer in self._roster:
            self._drop(viewer)
        self._offers.clear()
        self._banned.clear()

    async def finish(self) -> None:
        """Close what is open, at the end of the service."""
        preparing = self._preparing
        self.expect(live=False)
        self.cut_all()
        if preparing is not None:
            await asyncio.wait([preparing])
        await self._closing.finish()

    def watchers(self, flowing: Collection[str]) -> tuple[Watcher, ...]:
        """For the bus. `flowing`: cameras whose pictures are going out now."""
        return tuple(
            Watcher(
                peer=peer,
                name=viewer.guest.name,
                role=viewer.guest.role,
                state=viewer.state,
                since_utc=viewer.since_utc,
                participant=viewer.guest.participant,
                sees=viewer.sees(flowing),
                hears=viewer.hears,
                speaks=viewer.speaks,
                shows=viewer.shows,
                silenced=viewer.guest.participant in self._silenced,
                slow=bool(viewer.single),
            )
            for peer, viewer in self._roster.present.items()
        )

    @property
    def peers(self) -> frozenset[str]:
        """Those who have a connection, or will."""
        return frozenset(self._roster.present)

    @property
    def carried(self) -> list[tuple[str, ...]]:
        """The cameras that each peer is sent in full, or will be when the connection is there."""
        likely = [
            viewer if viewer.state != "lost" else self._roster.newest(peer)
            for peer, viewer in self._roster.present.items()
        ]
        return [
            () if viewer.single else viewer.cameras
            for viewer in likely
            if viewer is not None and viewer.state != "lost"
        ]

    def settle(self, offered_bps: float, shown: Sequence[str], now: float) -> float:
        """Who gets single pictures, and what each of the others can take, all pictures together.

        `offered_bps`: what the links carry for all. `shown`: main picture first.
        """
        seeing = {
            peer: viewer
            for peer, viewer in self._roster.present.items()
            if viewer.state == "connected" and viewer.best(shown)
        }
        lines = {
            peer: Line(viewer.limit.cap_bps(now), RIGHTS[viewer.guest.role].guides)
            for peer, viewer in seeing.items()
        }
        terms = self._fairness.update(lines, offered_bps / max(1, len(lines)), now)
        news = [
            viewer.thin(viewer.best(shown) if peer in terms.slow else "", now)
            for peer, viewer in self._roster.present.items()
        ]
        if any(news):
            self._changed()
        return terms.each_bps

    def check(self) -> None:
        """Call about once a second: notices viewers that fell silent, and floods; tells moments."""
        now = time.monotonic()
        for viewer in self._roster:
            if viewer.is_flood(now):
                logger.warning("a %s floods the box with packets and is cut off", viewer.guest.role)
                self._ban(viewer.guest.participant)
            viewer.say_moments(now, time.time())
        self._update()

    def _update(self) -> None:
        """A connection changed: bring states up to date, let go of closed ones."""
        changed = False
        for viewer in self._roster:
            connection = viewer.connection
            if connection.state == "closed":
                self._drop(viewer)
                continue
            if connection.state == "connected" and (old := self._roster.promote(viewer)):
                self._close(old)
            state: Literal["connecting", "connected", "lost"] = connection.state
            if connection.silent:
                state = "lost"
            connection.hold(state == "lost")
            if state != viewer.state:
                viewer.state, viewer.since_utc = state, time.time()
                changed = True
        if changed:
            self._changed()

    def _drop(self, viewer: Viewer) -> None:
        """Cut at once, close in the background."""
        if viewer in self._roster:
            self._roster.remove(viewer)
            self._close(viewer)

    def _close(self, viewer: Viewer) -> None:
        if refused := viewer.refused:
            logger.warning("%d packets of a %s were not let in", refused, viewer.guest.role)
        self._closing.start(viewer.connection)
        self._guidance.leave(viewer.channel)
        self._changed()
