"""What a page shows, put together from what is known of box and room. No I/O."""

from edgebox.hub.box import Box
from edgebox.hub.protocol import Presence, State, You
from edgebox.hub.room import SEES_PICTURES, Room
from edgebox.hub.tokens import participant_of
from edgebox.messages import CameraStatus


def snapshot(box: Box, room: Room, participant: str, now_utc: float) -> State:
    """The state for the pages of one participant of the room."""
    person = room.people[participant]
    pictures = person.role in SEES_PICTURES
    # The box may have moved on from this room's session a moment ago.
    session = box.session if box.session and box.session.id == room.session else None
    return State(
        now_utc=now_utc,
        vehicle=box.vehicle,
        reachable=box.reachable,
        reachable_since_utc=box.reachable_since_utc,
        media=box.media,
        session=session.state if session else "unknown",
        instance=session.instance if session else "",
        cameras=_sent(box) if session and pictures else (),
        camera_count=len(session.cameras) if session else 0,
        people=_people(box, room),
        you=You(id=person.id, name=person.name, role=person.role, pictures=pictures),
    )


def _sent(box: Box) -> tuple[CameraStatus, ...]:
    if box.session is None:
        return ()
    cameras = {camera.id: camera for camera in box.session.cameras}
    return tuple(cameras[one] for one in box.session.sent if one in cameras)


def _people(box: Box, room: Room) -> tuple[Presence, ...]:
    # What an unreachable box said last may be wrong by now.
    watchers = box.session.watchers if box.session and box.reachable else ()
    watching = {participant_of(one.peer) for one in watchers if one.state == "connected"}
    return tuple(
        Presence(
            id=one.id,
            name=one.name,
            role=one.role,
            state=one.state,
            watching=one.id in watching,
        )
        for one in room.participants()
    )
