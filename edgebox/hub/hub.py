"""The hub's work: boxes on the bus on one side, people's pages on the other.

The broker's access rules make sure that what comes on a box's topics comes from that box. What
a person may do follows from their participant's entry alone, never from what a page says.
"""

import asyncio
import logging
import time
from typing import Literal, Protocol

from edgebox.bus import Bus
from edgebox.config import Config, read_secret
from edgebox.hub import tokens
from edgebox.hub.box import Box
from edgebox.hub.door import CLOSED, Door
from edgebox.hub.protocol import Answer as PageAnswer
from edgebox.hub.protocol import (
    IceServer,
    IceServers,
    Presence,
    Refused,
    State,
    ToPage,
    You,
)
from edgebox.hub.room import SEES_PICTURES, Person, Room
from edgebox.hub.store import ParticipantRow, RoomRow, Store
from edgebox.messages import (
    ASK_HUB,
    BOX_INFO,
    CREATE_INVITE,
    HUB_STATUS,
    MEDIA_SESSION,
    ROOM,
    SERVICE_STATUS,
    WATCH,
    WATCH_CANDIDATE,
    WATCH_CLOSE,
    AskHub,
    BoxInfo,
    CreateInvite,
    Fault,
    HubStatus,
    Invite,
    MediaSession,
    ServiceStatus,
    TurnCredentials,
    WatchCandidate,
    WatchClose,
    WatchOffer,
)
from edgebox.messages import Room as RoomMessage

logger = logging.getLogger(__name__)

WATCH_TIMEOUT_S = 6.0
TICK_S = 0.5
OPEN_INVITES_MAX = 50
PARTICIPANT_TTL_S = 24 * 3600
"""Nobody stays in a room longer, should a box never end its session."""
BOXES_MAX = 10_000


class Page(Protocol):
    """One open page of a participant, as the web side gives it to the hub."""

    peer: str

    def send(self, message: ToPage) -> None:
        """Queue a message; never waits."""

    def end(self, reason: Literal["ended", "left", "expired"] | None) -> None:
        """Send Ended and close; without a reason, the page connected anew: close only."""


class Hub:
    """All boxes, rooms and pages of this hub."""

    def __init__(self, config: Config, bus: Bus, store: Store):
        self.config = config.hub
        self._bus = bus
        self._store = store
        self._turn_secret = read_secret(config, config.hub.turn_secret)
        self._status = HubStatus(instance=tokens.make_id(), since_utc=time.time())
        self._boxes: dict[str, Box] = {}
        self._rooms: dict[str, Room] = {}
        self._rows: dict[str, ParticipantRow] = {}
        self._by_cookie: dict[str, str] = {}
        self._pages: dict[str, Page] = {}
        self._said: dict[str, RoomMessage] = {}

    # Life

    async def start(self) -> None:
        """Take up what the database holds, then listen to the boxes."""
        await self._store.call(self._store.set_up)
        rooms, people = await self._store.call(self._store.load)
        for row in rooms:
            self._add_room(row)
        for person in people:
            if person.room in self._rooms:
                self._add_participant(person)
        await self._bus.watch_bridges(self._handle_bridge)
        await self._bus.subscribe(BOX_INFO, self._handle_info)
        await self._bus.subscribe(SERVICE_STATUS, self._handle_service)
        await self._bus.subscribe(MEDIA_SESSION, self._handle_session)
        await self._bus.serve(ASK_HUB, self._answer_box)
        await self._bus.serve(CREATE_INVITE, self._answer_invite)

    async def run(self) -> None:
        """What time alone brings about. Never returns."""
        while True:
            await asyncio.sleep(TICK_S)
            for box in list(self._boxes.values()):
                if box.refresh(self._bus.connected.is_set(), time.time()):
                    self._show(box)
                if box.room is not None and box.session is not None:
                    await self._close_lost_peers(box.room, box.session)
            await self._expire_participants()

    # Boxes

    async def _handle_bridge(self, box_id: str, up: bool) -> None:
        box = await self._box(box_id)
        if box is not None:
            box.bridge = up
            if box.refresh(self._bus.connected.is_set(), time.time()):
                self._show(box)

    async def _handle_info(self, info: BoxInfo, keys: dict[str, str]) -> None:
        box = await self._box(keys["box"])
        if box is not None and box.vehicle != info.vehicle:
            box.vehicle = info.vehicle
            self._show(box)

    async def _handle_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        box = await self._box(keys["box"])
        if box is not None and keys["service"] == "media" and box.media != status.state:
            box.media = status.state
            self._show(box)

    async def _handle_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        box = await self._box(keys["box"])
        if box is None:
            return
        if box.room is not None and box.room.session != session.id:
            await self._close_room(box.room)
            box.room = None
        box.session = session
        if box.room is None:
            row = RoomRow(tokens.make_id(), box.id, session.id)
            await self._store.call(self._store.open_room, row, time.time())
            box.room = self._add_room(row)
        box.refresh(self._bus.connected.is_set(), time.time())
        await self._tell_box(box.room)
        self._show(box)

    async def _box(self, box_id: str) -> Box | None:
        """The box of this id; one that is heard of for the first time is greeted."""
        box = self._boxes.get(box_id)
        if box is None:
            if len(self._boxes) >= BOXES_MAX:
                return None
            box = self._boxes[box_id] = Box(box_id)
        if not box.greeted:
            box.greeted = True
            await self._bus.publish(HUB_STATUS, self._status, box=box_id)
        return box

    async def _answer_box(self, question: AskHub, keys: dict[str, str]) -> HubStatus:
        return self._status

    # Rooms

    def _add_room(self, row: RoomRow) -> Room:
        room = Room(row.id, row.box, row.session)
        self._rooms[row.id] = room
        self._boxes.setdefault(row.box, Box(row.box)).room = room
        return room

    async def _close_room(self, room: Room) -> None:
        row = RoomRow(room.id, room.box, room.session)
        # Out first: nobody may be let in while the database is awaited.
        del self._rooms[room.id]
        for person in list(room.people.values()):
            await self._drop(room, person, "ended")
        await self._store.call(self._store.close_room, row, time.time())

    async def _tell_box(self, room: Room) -> None:
        message = RoomMessage(session=room.session, participants=room.participants())
        if self._said.get(room.box) != message:
            self._said[room.box] = message
            await self._bus.publish(ROOM, message, box=room.box)

    async def _changed(self, room: Room) -> None:
        if self._rooms.get(room.id) is room:
            await self._tell_box(room)
            self._show(self._boxes[room.box])

    async def _close_lost_peers(self, room: Room, session: MediaSession) -> None:
        watchers = [watcher.peer for watcher in session.watchers]
        for peer in room.peers_to_close(watchers, time.monotonic()):
            await self._bus.publish(WATCH_CLOSE, WatchClose(peer=peer), box=room.box)

    # Invitations

    async def _answer_invite(self, question: CreateInvite, keys: dict[str, str]) -> Invite | Fault:
        box = self._boxes.get(keys["box"])
        room = box.room if box is not None else None
        if room is None or room.session != question.session:
            return Fault(reason="refused", text="not the session the hub knows of this box")
        now_utc = time.time()
        count = await self._store.call(self._store.count_open_invites, room.id, now_utc)
        if count >= OPEN_INVITES_MAX:
            return Fault(reason="busy", text=f"{count} invitations are open already")
        token = tokens.make_token()
        ttl_s = self.config.invite_ttl_s
        await self._store.call(
            self._store.add_invite,
            tokens.hash_token(token),
            RoomRow(room.id, room.box, room.session),
            question.role,
            question.name,
            ttl_s,
            now_utc,
        )
        return Invite(
            url=f"{self.config.public_url}/j/{token}",
            role=question.role,
            expires_utc=now_utc + ttl_s,
        )

    async def look_at(self, token: str, cookies: dict[str, str]) -> Door:
        """What lies behind a link, for somebody with these room cookies. Changes nothing."""
        row = None
        if tokens.TOKEN.fullmatch(token):
            row = await self._store.call(self._store.find_invite, tokens.hash_token(token))
        room = self._rooms.get(row.room) if row is not None else None
        if row is None or room is None:
            return CLOSED
        if row.used_utc is not None:
            mine = self.participant(room.id, cookies.get(room.id, ""))
            same = mine is not None and mine.id == row.participant
            return Door(room=room.id, entered=True) if same else CLOSED
        if row.expires_utc <= time.time():
            return CLOSED
        return Door(
            room=room.id,
            open=True,
            role=row.role,
            name=row.name,
            vehicle=self._boxes[room.box].vehicle,
        )

    async def join(self, token: str, door: Door, name: str, cookie: str) -> str | None:
        """Spend the link. The new cookie; None if somebody was quicker or the room is full.

        `cookie`: the one this browser has for the room, if any; that participant leaves.
        """
        room = self._rooms.get(door.room)
        if room is None or door.role is None:
            return None
        earlier = self.participant(room.id, cookie)
        if earlier is not None:
            await self.leave(earlier)
        fresh = tokens.make_token()
        row = ParticipantRow(
            tokens.make_id(), room.id, tokens.hash_token(fresh), name, door.role, time.time()
        )
        if room.is_full:
            return None
        spent = await self._store.call(
            self._store.use_invite, tokens.hash_token(token), room.box, row, row.joined_utc
        )
        if not spent or room.id not in self._rooms:
            return None
        self._add_participant(row)
        await self._changed(room)
        return fresh

    # Participants

    def _add_participant(self, row: ParticipantRow) -> None:
        person = Person(row.id, row.name, row.role, row.joined_utc)
        self._rooms[row.room].people[row.id] = person
        self._rows[row.id] = row
        self._by_cookie[row.cookie_hash] = row.id

    def participant(self, room_id: str, cookie: str) -> ParticipantRow | None:
        """Who this cookie of this room belongs to."""
        row = self._rows.get(self._by_cookie.get(tokens.hash_token(cookie), ""))
        return row if row is not None and row.room == room_id else None

    async def leave(self, row: ParticipantRow, why: Literal["left", "expired"] = "left") -> None:
        """Their cookie is void from now on, their pages are closed."""
        room = self._rooms.get(row.room)
        if room is None or row.id not in room.people:
            return
        await self._drop(room, room.people[row.id], why)
        await self._store.call(self._store.remove_participant, room.box, row, why, time.time())
        await self._changed(room)

    async def _drop(
        self, room: Room, person: Person, why: Literal["ended", "left", "expired"]
    ) -> None:
        del room.people[person.id]
        row = self._rows.pop(person.id, None)
        if row is not None:
            del self._by_cookie[row.cookie_hash]
        for peer in person.pages:
            page = self._pages.pop(peer, None)
            if page is not None:
                page.end(why)
            await self._bus.publish(WATCH_CLOSE, WatchClose(peer=peer), box=room.box)

    async def _expire_participants(self) -> None:
        oldest_utc = time.time() - PARTICIPANT_TTL_S
        for row in [row for row in self._rows.values() if row.joined_utc < oldest_utc]:
            await self.leave(row, "expired")

    # Pages

    async def open_page(self, row: ParticipantRow, page: Page) -> bool:
        """A page is connected; False if they have too many open. Sends it what there is to know."""
        room = self._rooms.get(row.room)
        if room is None or row.id not in room.people:
            page.end("ended")
            return True
        person = room.people[row.id]
        first = not person.pages
        if not room.open_page(row.id, page.peer):
            return False
        earlier = self._pages.get(page.peer)
        self._pages[page.peer] = page
        if earlier is not None:
            earlier.end(None)
        page.send(self.state(row))
        if first:
            await self._store.call(self._store.note_presence, room.box, row, "came", time.time())
        await self._changed(room)
        return True

    async def close_page(self, row: ParticipantRow, page: Page, gone: bool) -> None:
        """The page's socket is closed. `gone`: for good, so that its pictures need not wait."""
        if self._pages.get(page.peer) is not page:
            return
        del self._pages[page.peer]
        room = self._rooms[row.room]
        room.close_page(row.id, page.peer)
        if gone:
            await self._bus.publish(WATCH_CLOSE, WatchClose(peer=page.peer), box=room.box)
        if not room.people[row.id].pages:
            await self._store.call(self._store.note_presence, room.box, row, "went", time.time())
        await self._changed(room)

    def _show(self, box: Box) -> None:
        """Send every page of this box's room the state as it is now."""
        if box.room is None:
            return
        for person in box.room.people.values():
            for peer in person.pages:
                page = self._pages.get(peer)
                if page is not None:
                    page.send(self.state(self._rows[person.id]))

    def state(self, row: ParticipantRow) -> State:
        """Everything this participant's page shows."""
        room = self._rooms[row.room]
        box = self._boxes[room.box]
        session = box.session
        known = session is not None and session.id == room.session
        cameras = {camera.id: camera for camera in session.cameras} if session else {}
        watching = {
            tokens.participant_of(watcher.peer)
            for watcher in (session.watchers if session else ())
            if watcher.state == "connected"
        }
        pictures = row.role in SEES_PICTURES
        return State(
            now_utc=time.time(),
            vehicle=box.vehicle,
            reachable=box.reachable,
            reachable_since_utc=box.reachable_since_utc,
            media=box.media,
            session=session.state if session and known else "unknown",
            instance=session.instance if session else "",
            cameras=tuple(cameras[one] for one in session.sent if one in cameras)
            if session and pictures
            else (),
            camera_count=len(cameras),
            people=tuple(
                Presence(
                    id=one.id,
                    name=one.name,
                    role=one.role,
                    state=one.state,
                    watching=one.id in watching,
                )
                for one in room.participants()
            ),
            you=You(id=row.id, name=row.name, role=row.role, pictures=pictures),
        )

    def ice_servers(self, row: ParticipantRow) -> IceServers:
        """Where this participant's page reaches the TURN server, and how."""
        turn = self._turn_credentials(row)
        server = IceServer(
            urls=self.config.turn_urls, username=turn.username, credential=turn.password
        )
        return IceServers(servers=(server,))

    def _turn_credentials(self, row: ParticipantRow) -> TurnCredentials:
        return tokens.make_turn_credentials(self._turn_secret, row.id, time.time())

    # Signalling

    async def offer(
        self, row: ParticipantRow, peer: str, offer: int, sdp: str
    ) -> PageAnswer | Refused:
        """Ask the box; the answer for the page."""
        room = self._rooms.get(row.room)
        if room is None or row.role not in SEES_PICTURES:
            return Refused(offer=offer, reason="not-allowed")
        question = WatchOffer(
            session=room.session,
            peer=peer,
            name=row.name,
            role=row.role,
            sdp=sdp,
            turn=self._turn_credentials(row),
        )
        answer = await self._bus.request(WATCH, question, timeout_s=WATCH_TIMEOUT_S, box=room.box)
        if isinstance(answer, Fault):
            logger.info("offer of a page not answered: %s %s", answer.reason, answer.text)
            return Refused(offer=offer, reason=answer.reason)
        return PageAnswer(offer=offer, sdp=answer.sdp, streams=answer.streams)

    async def candidate(self, row: ParticipantRow, peer: str, candidate: str, mid: str) -> None:
        """Relay one candidate of the page's newest offer."""
        room = self._rooms.get(row.room)
        if room is not None and row.role in SEES_PICTURES:
            message = WatchCandidate(peer=peer, candidate=candidate, mid=mid)
            await self._bus.publish(WATCH_CANDIDATE, message, box=room.box)
