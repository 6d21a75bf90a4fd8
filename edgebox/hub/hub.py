"""The hub's work: boxes on the bus on one side, people's pages on the other.

The broker's access rules make sure that what comes on a box's topics comes from that box. What
a person may do follows from their participant's entry alone, never from what a page says.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Literal, Protocol

from edgebox.bus import Bus
from edgebox.hub import tokens
from edgebox.hub.box import Box
from edgebox.hub.limit import Limiter
from edgebox.hub.protocol import (
    State,
    ToPage,
)
from edgebox.hub.room import Person, Room
from edgebox.hub.snapshot import snapshot
from edgebox.hub.store import ParticipantRow, RoomRow, Store
from edgebox.messages import (
    ASK_HUB,
    BOX_INFO,
    HUB_STATUS,
    MEDIA_SESSION,
    ROOM,
    SERVICE_STATUS,
    WATCH_CLOSE,
    AskHub,
    BoxInfo,
    HubStatus,
    MediaSession,
    ServiceStatus,
    WatchClose,
)
from edgebox.messages import Room as RoomMessage

logger = logging.getLogger(__name__)

TICK_S = 0.5
ROOM_RATE_HZ = 0.5
ROOM_BURST = 10.0
"""Of one box: each room is written to the database that all boxes share."""
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

    def __init__(self, bus: Bus, store: Store):
        self._bus = bus
        self._store = store
        self._status = HubStatus(instance=tokens.make_id(), since_utc=time.time())
        self._boxes: dict[str, Box] = {}
        self._rooms: dict[str, Room] = {}
        self._rows: dict[str, ParticipantRow] = {}
        self._by_cookie: dict[str, str] = {}
        self._pages: dict[str, Page] = {}
        self._said: dict[str, RoomMessage] = {}
        self._openings = Limiter(ROOM_RATE_HZ, ROOM_BURST)

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

    async def run(self) -> None:
        """What time alone brings about. Never returns."""
        while True:
            await asyncio.sleep(TICK_S)
            for box in list(self._boxes.values()):
                if box.refresh(self._bus.connected.is_set(), time.time()):
                    self._show(box)
                await self._open_room(box)
                if box.room is not None and box.session is not None:
                    watchers = [watcher.peer for watcher in box.session.watchers]
                    lost = box.room.peers_to_close(watchers, time.monotonic())
                    await self._close_peers(box.room, lost)
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
        box.session = session
        box.refresh(self._bus.connected.is_set(), time.time())
        await self._open_room(box)
        if box.room is not None:
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

    async def _open_room(self, box: Box) -> None:
        """If it has none and may; the clock tries again."""
        if box.room is not None or box.session is None:
            return
        if not self._openings.take(box.id, time.monotonic()):
            return
        row = RoomRow(tokens.make_id(), box.id, box.session.id)
        room = self._add_room(row)
        await self._store.call(self._store.open_room, row, time.time())
        await self._changed(room)

    async def _close_room(self, room: Room) -> None:
        # First all that needs no waiting: nobody may be let in or shown anything from now on.
        del self._rooms[room.id]
        self._boxes[room.box].room = None
        peers = [self._drop(room, person, "ended") for person in list(room.people.values())]
        await self._close_peers(room, [peer for some in peers for peer in some])
        row = RoomRow(room.id, room.box, room.session)
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

    async def _close_peers(self, room: Room, peers: Iterable[str]) -> None:
        for peer in peers:
            await self._bus.publish(WATCH_CLOSE, WatchClose(peer=peer), box=room.box)

    # Participants

    def room(self, room_id: str) -> Room | None:
        """The room, if it is open."""
        return self._rooms.get(room_id)

    def room_of(self, box_id: str) -> Room | None:
        """The room of this box's session."""
        box = self._boxes.get(box_id)
        return box.room if box is not None else None

    def vehicle(self, room: Room) -> str:
        """What people call the vehicle the room belongs to."""
        return self._boxes[room.box].vehicle

    async def enter(self, row: ParticipantRow) -> bool:
        """A participant the database has by now; False if the room was closed meanwhile."""
        room = self._rooms.get(row.room)
        if room is None:
            return False
        self._add_participant(row)
        await self._changed(room)
        return True

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
        await self._close_peers(room, self._drop(room, room.people[row.id], why))
        await self._store.call(self._store.remove_participant, room.box, row, why, time.time())
        await self._changed(room)

    def _drop(
        self, room: Room, person: Person, why: Literal["ended", "left", "expired"]
    ) -> set[str]:
        """Out of the room and its pages ended; the peers that the box shall close."""
        del room.people[person.id]
        row = self._rows.pop(person.id)
        del self._by_cookie[row.cookie_hash]
        for peer in person.pages:
            self._pages.pop(peer).end(why)
        return person.pages

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
        person = room.people[row.id]
        room.close_page(row.id, page.peer)
        if gone:
            await self._close_peers(room, [page.peer])
        # Meanwhile they may have left, or the session may have ended.
        if not person.pages and room.people.get(row.id) is person:
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
        return snapshot(self._boxes[room.box], room, row.id, time.time())
