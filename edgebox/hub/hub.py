"""The hub's work: boxes on the bus on one side, people's pages on the other.

The broker's access rules make sure that what comes on a box's topics comes from that box. What
a person may do follows from their participant's entry alone, never from what a page says.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Protocol

from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.errors import DeviceError
from edgebox.hub import tokens
from edgebox.hub.box import Box
from edgebox.hub.ledger import Ledger
from edgebox.hub.limit import Limiter
from edgebox.hub.protocol import End, State, ToPage
from edgebox.hub.room import Person, Room
from edgebox.hub.snapshot import snapshot
from edgebox.hub.store import Departure, ParticipantRow, Presence, RoomRow, Store
from edgebox.hub.twins import Twins
from edgebox.messages.base import Fault
from edgebox.messages.room import ROOM
from edgebox.messages.room import Room as RoomMessage
from edgebox.messages.services import (
    ASK_HUB,
    BOX_INFO,
    HUB_STATUS,
    SERVICE_STATUS,
    AskHub,
    BoxInfo,
    HubStatus,
    ServiceStatus,
)
from edgebox.messages.session import MEDIA_SESSION, WATCH_CLOSE, MediaSession, WatchClose
from edgebox.messages.vehicle import POSITION, Position

logger = logging.getLogger(__name__)

TICK_S = 0.5
ROOM_RATE_HZ = 0.5
ROOM_BURST = 10.0
"""Of one box: each room is written to the database that all boxes share."""
PARTICIPANT_TTL_S = 24 * 3600
"""Nobody stays in a room longer, should a box never end its session."""
BOXES_MAX = 10_000
AUDIT_EVERY_S = 3600.0
DAY_S = 24 * 3600.0
PRESENCE_RATE_HZ = 0.1
PRESENCE_BURST = 20.0
"""Comings and goings of one person that are noted: a page may connect anew without end."""


class Page(Protocol):
    """One open page of a participant, as the web side gives it to the hub."""

    peer: str

    def send(self, message: ToPage) -> None:
        """Queue a message; never waits."""

    def end(self, reason: End | None) -> None:
        """Send Ended and close; without a reason, the page connected anew: close only."""


class Hub:
    """All boxes, rooms and pages of this hub."""

    def __init__(self, bus: Bus, store: Store, audit_keep_days: int):
        self._bus = bus
        self._store = store
        self._ledger = Ledger(store)
        self._audit_keep_s = audit_keep_days * DAY_S
        self._audit_due_at = 0.0
        self._status = HubStatus(instance=tokens.make_id(), since_utc=time.time())
        self._boxes: dict[str, Box] = {}
        self._rooms: dict[str, Room] = {}
        self._rows: dict[str, ParticipantRow] = {}
        self._by_cookie: dict[str, str] = {}
        self._pages: dict[str, Page] = {}
        self._said: dict[str, RoomMessage] = {}
        self._twins = Twins()
        self._openings = Limiter(ROOM_RATE_HZ, ROOM_BURST)
        self._presences = Limiter(PRESENCE_RATE_HZ, PRESENCE_BURST)

    # Life

    async def start(self) -> None:
        """Take up what the database holds, then listen to the boxes. Raises DeviceError."""
        await self._store.call(self._store.set_up)
        held = await self._store.call(self._store.load)
        if isinstance(held, Fault):
            raise DeviceError(held.text)
        rooms, people = held
        for row in rooms:
            self._add_room(row)
        for person in people:
            if person.room in self._rooms:
                self._add_participant(person)
        await self._bus.watch_bridges(self._handle_bridge)
        await self._bus.subscribe(BOX_INFO, self._handle_info)
        await self._bus.subscribe(SERVICE_STATUS, self._handle_service)
        await self._bus.subscribe(MEDIA_SESSION, self._handle_session)
        await self._bus.subscribe(POSITION, self._handle_position)
        await self._bus.serve(ASK_HUB, self._answer_box)

    async def run(self) -> None:
        """What time alone brings about. Never returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ledger.run())
            group.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for box in list(self._boxes.values()):
                if box.refresh(self._bus.connected.is_set(), time.time()):
                    self._show(box)
                await self._open_room(box)
                if box.room is not None:
                    await self._tend(box, box.room)
            await self._expire_participants()
            if time.monotonic() >= self._audit_due_at:
                self._audit_due_at = time.monotonic() + AUDIT_EVERY_S
                await self._ledger.note(self._store.forget, time.time() - self._audit_keep_s)

    async def _tend(self, box: Box, room: Room) -> None:
        """What is due in an open room, now and then."""
        if box.session is not None:
            watchers = [watcher.peer for watcher in box.session.watchers]
            await self._close_peers(room, room.peers_to_close(watchers, time.monotonic()))
        if room.stale:
            room.stale = False
            await self._changed(room)

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
        if box is None or keys["service"] != "media":
            return
        if status.state != "stopped":
            self._look_for_twin(box, status.instance)
        if box.media != status.state:
            box.media = status.state
            self._show(box)

    def _look_for_twin(self, box: Box, instance: str) -> None:
        now = time.monotonic()
        before = self._twins.has(box.id, now)
        self._twins.hear(box.id, instance, now)
        if self._twins.has(box.id, now) and not before:
            logger.warning(
                "two boxes use the identity of %s; `edgebox authority replace %s` shuts both out",
                box.id,
                box.id,
            )

    async def _handle_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        box = await self._box(keys["box"])
        if box is None:
            return
        if box.room is not None and box.room.session != session.id:
            await self._close_room(box.room)
        box.session = session
        box.refresh(self._bus.connected.is_set(), time.time())
        await self._open_room(box)
        room = box.room
        let_in, put_out = room.heed(session) if room is not None else ([], [])
        self._show(box)
        if room is not None:
            await self._tell_box(room)
            await self._carry_out(room, let_in, put_out)

    async def _carry_out(self, room: Room, let_in: list[Person], put_out: list[Person]) -> None:
        """What the crew decided: note who is in, end who is out."""
        for person in put_out:
            row = self._rows.get(person.id)
            if row is not None:
                await self.leave(row, "removed" if person.was_admitted else "refused")
        for person in let_in:
            row = self._rows.get(person.id)
            if row is not None:
                await self._ledger.note(self._store.note_admission, room.box, row, time.time())

    async def _handle_position(self, position: Position, keys: dict[str, str]) -> None:
        box = await self._box(keys["box"])
        if box is not None:
            box.position = position
            self._show(box, only_position=True)

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
        doubled = self._twins.has(keys["box"], time.monotonic())
        return replace(self._status, at_utc=time.time(), doubled=doubled)

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
        await self._ledger.note(self._store.open_room, row, time.time())
        await self._changed(room)

    async def _close_room(self, room: Room) -> None:
        # First all that needs no waiting: nobody may be let in or shown anything from now on.
        del self._rooms[room.id]
        self._boxes[room.box].room = None
        peers = [self._drop(room, person, "ended") for person in list(room.people.values())]
        await self._close_peers(room, [peer for some in peers for peer in some])
        row = RoomRow(room.id, room.box, room.session)
        await self._ledger.note(self._store.close_room, row, time.time())

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

    async def leave(self, row: ParticipantRow, why: Departure = "left") -> None:
        """Their cookie is void from now on, their pages are closed."""
        room = self._rooms.get(row.room)
        if room is None or row.id not in room.people:
            return
        await self._close_peers(room, self._drop(room, room.people[row.id], why))
        await self._ledger.note(self._store.remove_participant, room.box, row, why, time.time())
        await self._changed(room)

    def _drop(self, room: Room, person: Person, why: End) -> list[str]:
        """Out of the room and their page ended; the peers that the box shall close."""
        del room.people[person.id]
        row = self._rows.pop(person.id)
        del self._by_cookie[row.cookie_hash]
        if person.page is None:
            return []
        self._pages.pop(person.page).end(why)
        return [person.page]

    async def _expire_participants(self) -> None:
        oldest_utc = time.time() - PARTICIPANT_TTL_S
        for row in [row for row in self._rows.values() if row.joined_utc < oldest_utc]:
            await self.leave(row, "expired")

    # Pages

    async def open_page(self, row: ParticipantRow, page: Page) -> None:
        """A page is connected. Sends it what there is to know; an older page of theirs ends."""
        room = self._rooms.get(row.room)
        if room is None or row.id not in room.people:
            page.end("ended")
            return
        person = room.people[row.id]
        first = person.page is None
        other = room.open_page(row.id, page.peer)
        person.muted = True
        same = self._pages.get(page.peer)
        self._pages[page.peer] = page
        if same is not None:
            same.end(None)
        page.send(self.state(row))
        if other is not None:
            self._pages.pop(other).end("elsewhere")
            await self._close_peers(room, [other])
        if first:
            await self._note_presence(room, row, "came")
        await self._changed(room)

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
        if person.page is None and room.people.get(row.id) is person:
            await self._note_presence(room, row, "went")
        await self._changed(room)

    async def _note_presence(self, room: Room, row: ParticipantRow, what: Presence) -> None:
        if self._presences.take(row.id, time.monotonic()):
            await self._ledger.note(self._store.note_presence, room.box, row, what, time.time())

    def note_muted(self, row: ParticipantRow, muted: bool) -> None:
        """They muted their microphone, or not; the box is told at the next tick."""
        room = self._rooms.get(row.room)
        person = room.people.get(row.id) if room is not None else None
        if room is not None and person is not None and person.muted != muted:
            person.muted = muted
            room.stale = True

    def _show(self, box: Box, *, only_position: bool = False) -> None:
        """Send every page of this box's room the state as it is now."""
        if box.room is None:
            return
        for person in box.room.people.values():
            page = self._pages.get(person.page or "")
            if page is not None and (person.rights.position or not only_position):
                page.send(self.state(self._rows[person.id]))

    def state(self, row: ParticipantRow) -> State:
        """Everything this participant's page shows."""
        room = self._rooms[row.room]
        return snapshot(self._boxes[room.box], room, row.id, time.time())
