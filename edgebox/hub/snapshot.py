"""What a page shows, put together from what is known of box and room. No I/O.

Somebody who waits to be let in is told of nobody and nothing but themselves.
"""

import msgspec

from edgebox.hub.box import Box
from edgebox.hub.protocol import Cabin, Gets, Presence, State, Where, You
from edgebox.hub.room import Person, Room
from edgebox.hub.tokens import participant_of
from edgebox.messages.session import CameraStatus, MediaSession, Sending, Watcher
from edgebox.roles import RIGHTS, Rights


def snapshot(box: Box, room: Room, participant: str, now_utc: float) -> State:
    """The state for the page of one participant of the room."""
    person = room.people[participant]
    rights = person.rights
    # The box may have moved on from this room's session a moment ago.
    session = box.session if box.session and box.session.id == room.session else None
    flows = session is not None and (rights.sees or rights.hears or rights.speaks or rights.shows)
    slow = session is not None and any(
        one.slow and participant_of(one.peer) == participant for one in session.watchers
    )
    return State(
        now_utc=now_utc,
        vehicle=box.vehicle,
        reachable=box.reachable,
        reachable_since_utc=box.reachable_since_utc,
        media=box.media,
        session=session.state if session else "unknown",
        instance=session.instance if session and flows else "",
        cameras=_sent(session, rights) if session else (),
        camera_count=len(_visible(session, rights)) if session else 0,
        focus_by=session.focus_by if session and rights.sees else "",
        hidden=session.hidden if session and rights.sees else False,
        sending=_sending(session, slow=slow) if session and flows else Sending(),
        slow=slow,
        cabin=_cabin(session) if session and (rights.hears or rights.speaks) else None,
        where=_where(box) if rights.position else None,
        people=_people(box, room) if person.admitted else (_presence(person, []),),
        you=_you(person),
    )


def _you(person: Person) -> You:
    rights = RIGHTS[person.role]
    return You(
        id=person.id,
        name=person.name,
        role=person.role,
        admitted=person.admitted,
        gets=Gets(
            sees=rights.sees,
            hears=rights.hears,
            speaks=rights.speaks,
            shows=rights.shows,
            guides=rights.guides,
            vitals=rights.vitals,
            position=rights.position,
        ),
    )


def _visible(session: MediaSession, rights: Rights) -> dict[str, CameraStatus]:
    return {camera.id: camera for camera in session.cameras if camera.view in rights.views}


def _sent(session: MediaSession, rights: Rights) -> tuple[CameraStatus, ...]:
    cameras = _visible(session, rights)
    return tuple(cameras[one] for one in session.sent if one in cameras)


def _sending(session: MediaSession, *, slow: bool) -> Sending:
    """Who takes far less than the others gets single pictures while the others get more."""
    if not slow or session.sending.level in {"stills", "sound-only", "nothing"}:
        return session.sending
    return msgspec.structs.replace(session.sending, level="stills", reason="viewer")


def _cabin(session: MediaSession) -> Cabin:
    sound = session.sound
    return Cabin(
        microphone=sound.microphone in {"ready", "live"},
        loudspeaker=sound.loudspeaker in {"ready", "live"},
        muted=sound.muted,
    )


def _where(box: Box) -> Where | None:
    if box.position is None:
        return None
    one = box.position
    return Where(
        at_utc=one.at_utc,
        received_utc=one.received_utc,
        latitude_deg=one.latitude_deg,
        longitude_deg=one.longitude_deg,
        error_m=one.error_m,
        speed_mps=one.speed_mps,
        track_deg=one.track_deg,
    )


def _people(box: Box, room: Room) -> tuple[Presence, ...]:
    # What an unreachable box said last may be wrong by now.
    watchers = box.session.watchers if box.session and box.reachable else ()
    connected = [one for one in watchers if one.state == "connected"]
    people = sorted(room.people.values(), key=lambda one: one.joined_utc)
    return tuple(
        _presence(person, [one for one in connected if participant_of(one.peer) == person.id])
        for person in people
    )


def _presence(person: Person, watchers: list[Watcher]) -> Presence:
    return Presence(
        id=person.id,
        name=person.name,
        role=person.role,
        state="present" if person.page else "away",
        admitted=person.admitted,
        muted=person.is_muted,
        silenced=any(one.silenced for one in watchers),
        sees=any(one.sees for one in watchers),
        hears=any(one.hears for one in watchers),
        speaks=any(one.speaks for one in watchers),
        shows=any(one.shows for one in watchers),
    )
