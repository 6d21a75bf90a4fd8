"""The remote page's WebSocket: who may open it, what it carries, what hostile ones can do."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from edgebox.messages.base import Role
from edgebox.messages.room import ROOM, Participant
from edgebox.messages.session import Admitted
from edgebox.roles import RIGHTS
from tests.conftest import Broker
from tests.integration.hub_box import (
    RunningHub,
    StandInBox,
    join,
    person,
    running_hub,
    stand_in_box,
    until,
)

OFFER = {"type": "Offer", "id": 0, "sdp": "v=0\r\n"}
ROLES: tuple[Role, ...] = get_args(Role)
FLOWING = [
    role
    for role in ROLES
    if any((RIGHTS[role].sees, RIGHTS[role].hears, RIGHTS[role].speaks, RIGHTS[role].shows))
]


@pytest.fixture
async def hub(broker: Broker, tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(broker, tmp_path) as one:
        yield one


@pytest.fixture
async def box(broker: Broker, hub: RunningHub) -> AsyncIterator[StandInBox]:
    async with stand_in_box(broker) as one:
        await until(lambda: one.room is not None)
        yield one


class Remote:
    """A person in the room with one page open."""

    def __init__(self, hub: RunningHub, client: aiohttp.ClientSession, room: str):
        self.hub = hub
        self.client = client
        self.room = room

    async def open(self, page: int = 0, origin: str = "") -> ClientWebSocketResponse:
        url = f"{self.hub.url}{self.room}/ws?page={page:016x}"
        return await self.client.ws_connect(url, origin=origin or self.hub.url)


@pytest.fixture
async def doctor(hub: RunningHub, box: StandInBox) -> AsyncIterator[Remote]:
    async with person() as client:
        yield Remote(hub, client, await join(client, await box.invite("doctor")))


async def admitted(page: ClientWebSocketResponse) -> Any:
    """The first state in which the page is let in."""
    while True:
        state = await receive(page, "State")
        if state["you"]["admitted"]:
            return state


async def answers(page: ClientWebSocketResponse) -> None:
    """The hub has dealt with everything that was sent before."""
    await page.send_json({"type": "Ping"})
    await receive(page, "Pong")


async def receive(page: ClientWebSocketResponse, kind: str) -> Any:
    """The next message of this kind."""
    async with asyncio.timeout(8):
        while True:
            message = await page.receive_json()
            if message["type"] == kind:
                return message


async def until_state(page: ClientWebSocketResponse, **wanted: object) -> Any:
    while True:
        state = await receive(page, "State")
        if all(state[name] == value for name, value in wanted.items()):
            return state


async def close_of(page: ClientWebSocketResponse) -> tuple[WSMsgType, Any]:
    """How the hub ended it, whatever it sent before."""
    async with asyncio.timeout(8):
        while (frame := await page.receive()).type is WSMsgType.TEXT:
            pass
        return frame.type, page.close_code


async def test_page_is_told_who_and_what(box: StandInBox, doctor: Remote) -> None:
    async with await doctor.open() as page:
        state = await admitted(page)
        assert state["vehicle"] == "Ambulanse 1-7"
        assert state["session"] == "idle"
        assert state["you"]["role"] == "doctor"
        assert [one["name"] for one in state["people"]] == ["Kari"]
        await box.go("live")
        state = await until_state(page, session="live")
        assert [camera["name"] for camera in state["cameras"]] == ["Båre", "Bakrom"]
        await page.send_json({"type": "Ping"})
        await receive(page, "Pong")


async def test_offer_reaches_the_box_with_the_hubs_own_facts(
    box: StandInBox, doctor: Remote
) -> None:
    async with await doctor.open(7) as page:
        state = await admitted(page)
        await page.send_json({**OFFER, "role": "pilot", "peer": "x", "name": "y"})
        assert (await receive(page, "Refused"))["reason"] == "refused"
        [offer] = box.offers
        assert offer.session == box.session
        assert offer.peer == f"r{state['you']['id']}-{7:016x}"
        assert (offer.name, offer.role) == ("Kari", "doctor")
        assert offer.participant == state["you"]["id"]
        assert int(offer.turn.username.partition(":")[0]) > 0


async def test_candidates_wait_for_the_answer_and_old_ones_are_dropped(
    box: StandInBox, doctor: Remote
) -> None:
    async with await doctor.open() as page:
        await admitted(page)
        box.deaf = True
        await page.send_json(OFFER)
        await until(lambda: len(box.offers) == 1)
        await page.send_json({"type": "Candidate", "offer": 0, "candidate": "old", "mid": "0"})
        box.deaf = False
        await page.send_json({**OFFER, "id": 1})
        await page.send_json({"type": "Candidate", "offer": 0, "candidate": "old", "mid": "0"})
        await page.send_json({"type": "Candidate", "offer": 1, "candidate": "new", "mid": "0"})
        assert (await receive(page, "Refused"))["offer"] == 1
        await until(lambda: box.candidates)
        assert [one.candidate for one in box.candidates] == ["new"]


async def test_box_that_does_not_answer_is_a_refusal(
    box: StandInBox, doctor: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.hub.signalling.WATCH_TIMEOUT_S", 0.3)
    box.deaf = True
    async with await doctor.open() as page:
        await admitted(page)
        await page.send_json(OFFER)
        assert (await receive(page, "Refused"))["reason"] == "timeout"


async def try_everything(page: ClientWebSocketResponse) -> Any:
    """Each kind of message a page can send but Leave; the answer to the offer."""
    await page.send_json({"type": "Candidate", "offer": 0, "candidate": "early", "mid": "0"})
    await page.send_json(OFFER)
    refused = await receive(page, "Refused")
    await page.send_json({"type": "Candidate", "offer": 0, "candidate": "x", "mid": "0"})
    await page.send_json({"type": "Muted", "muted": False})
    await answers(page)
    return refused


@pytest.mark.parametrize("role", ROLES)
async def test_nobody_gets_anything_before_the_crew_lets_them_in(
    hub: RunningHub, box: StandInBox, role: Role
) -> None:
    box.admits = False
    await box.go("live")
    await box.say_position(latitude_deg=63.4, longitude_deg=10.4)
    async with person() as client:
        remote = Remote(hub, client, await join(client, await box.invite(role)))
        async with await remote.open() as page:
            state = await until_state(page, session="live")
            assert state["you"]["admitted"] is False
            assert [one["id"] for one in state["people"]] == [state["you"]["id"]]
            assert (state["cameras"], state["where"], state["cabin"]) == ([], None, None)
            assert (await try_everything(page))["reason"] == "not-allowed"
            assert (box.offers, box.candidates) == ([], [])
            # As somebody else, or in another role than they joined in: still out.
            other: Role = "observer" if role == "doctor" else "doctor"
            identity = state["you"]["id"]
            box.admitted = {"x": Admitted(participant=identity, role=other, name="Kari")}
            await box.say()
            assert (await try_everything(page))["reason"] == "not-allowed"
            assert (box.offers, box.candidates) == ([], [])


@pytest.mark.parametrize("role", ROLES)
async def test_role_decides_what_is_told_and_relayed(
    hub: RunningHub, box: StandInBox, role: Role
) -> None:
    rights = RIGHTS[role]
    box.outside = frozenset({"rear"})
    await box.go("live")
    async with person() as client:
        remote = Remote(hub, client, await join(client, await box.invite(role)))
        async with await remote.open() as page:
            state = await admitted(page)
            views = {"front": "patient", "rear": "outside"}
            wanted = [camera for camera, view in views.items() if view in rights.views]
            assert [camera["id"] for camera in state["cameras"]] == wanted
            await box.say_position(latitude_deg=63.4, longitude_deg=10.4)
            if rights.position:
                while (await receive(page, "State"))["where"] is None:
                    pass
            # Any state that came since would stand before this answer.
            refused = await try_everything(page)
            if role in FLOWING:
                assert refused["reason"] == "failed"  # the box's own word
                assert [offer.role for offer in box.offers] == [role]
                await until(lambda: [one.candidate for one in box.candidates] == ["x"])
            else:
                assert refused["reason"] == "not-allowed"
                assert (box.offers, box.candidates) == ([], [])


@pytest.mark.parametrize("role", ROLES)
async def test_turn_passwords_are_only_for_those_who_may_connect(
    hub: RunningHub, box: StandInBox, role: Role
) -> None:
    box.admits = False
    async with person() as client:
        remote = Remote(hub, client, await join(client, await box.invite(role)))
        async with await remote.open() as page:
            first = await page.receive_json()
            assert first["type"] == "State"
            async with client.get(hub.url + remote.room) as answer:
                assert "credential" not in await answer.text()
            await box.admit(*box.waiting())
            ice = await receive(page, "IceServers")
            assert bool(ice["servers"]) == (role in FLOWING)


async def test_refused_guest_is_out_for_good(
    hub: RunningHub, box: StandInBox, doctor: Remote
) -> None:
    box.admits = False
    await box.go("live")
    async with person() as client:
        link = await box.invite("observer")
        guest = Remote(hub, client, await join(client, link, "Ola"))
        async with await guest.open() as page, await doctor.open() as good:
            identity = (await receive(page, "State"))["you"]["id"]
            await box.refuse(identity)
            assert (await receive(page, "Ended"))["reason"] == "refused"
            assert (await close_of(page))[0] is WSMsgType.CLOSE
            await until(lambda: box.room and [p.name for p in box.room.participants] == ["Kari"])
            await answers(good)
        for address in (link, hub.url + guest.room):
            async with client.get(address) as answer:
                assert answer.status == 404
        async with await guest.open() as page:
            assert await page.receive_json() == {"type": "Ended", "reason": "ended"}


async def test_guest_who_is_put_out_is_told_so_and_loses_the_connection(
    box: StandInBox, doctor: Remote
) -> None:
    await box.go("live")
    async with await doctor.open() as page:
        identity = (await admitted(page))["you"]["id"]
        await box.refuse(identity)
        assert (await receive(page, "Ended"))["reason"] == "removed"
    await until(lambda: box.closed == [f"r{identity}-{0:016x}"])


async def test_two_guests_at_once_are_let_in_one_by_one(hub: RunningHub, box: StandInBox) -> None:
    box.admits = False
    await box.go("live")
    async with person() as one, person() as two:
        links = [await box.invite("doctor"), await box.invite("interpreter")]
        rooms = await asyncio.gather(join(one, links[0], "Kari"), join(two, links[1], "Tove"))
        first, second = Remote(hub, one, rooms[0]), Remote(hub, two, rooms[1])
        async with await first.open() as kari, await second.open() as tove:
            await until(lambda: len(box.waiting()) == 2)
            await box.admit(*(guest for guest in box.waiting() if guest.name == "Kari"))
            state = await admitted(kari)
            assert {guest["name"]: guest["admitted"] for guest in state["people"]} == {
                "Kari": True,
                "Tove": False,
            }
            await tove.send_json(OFFER)
            assert (await receive(tove, "Refused"))["reason"] == "not-allowed"
            await box.admit(*box.waiting())
            await admitted(tove)


async def test_mute_is_told_to_the_box_and_to_the_others(
    hub: RunningHub, box: StandInBox, doctor: Remote
) -> None:
    def kari() -> Participant | None:
        return next(iter(box.room.participants), None) if box.room else None

    async with await doctor.open() as page:
        await admitted(page)
        await until(lambda: (one := kari()) and one.muted)
        await page.send_json({"type": "Muted", "muted": False})
        await until(lambda: (one := kari()) and not one.muted)
        while (await receive(page, "State"))["people"][0]["muted"]:
            pass


async def test_flood_of_mutes_does_not_reach_the_box(box: StandInBox, doctor: Remote) -> None:
    rooms = []

    async with await doctor.open() as page:
        await admitted(page)
        await asyncio.sleep(0.6)

        async def count(room: Any, keys: object) -> None:
            rooms.append(room)

        await box.bus.subscribe(ROOM, count)
        await until(lambda: rooms)
        for number in range(100):
            await page.send_json({"type": "Muted", "muted": number % 2 == 0})
        await answers(page)
        await page.send_json({"type": "Muted", "muted": False})
        await until(lambda: rooms[-1].participants[0].muted is False)
    assert len(rooms) <= 5


async def test_socket_needs_cookie_origin_and_page_name(
    hub: RunningHub, box: StandInBox, doctor: Remote
) -> None:
    for origin in ("https://evil.example", hub.url.replace("127.0.0.1", "localhost"), "null"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await doctor.open(origin=origin)
        assert refused.value.status == 404
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await doctor.client.ws_connect(f"{hub.url}{doctor.room}/ws?page=../x", origin=hub.url)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await doctor.client.ws_connect(f"{hub.url}{doctor.room}/ws?page={'0' * 16}")
    # Told that it is over, as a page is that missed the end; nothing else.
    async with (
        person() as stranger,
        await Remote(hub, stranger, doctor.room).open() as page,
    ):
        assert await page.receive_json() == {"type": "Ended", "reason": "ended"}
        assert (await page.receive()).type is WSMsgType.CLOSE


HOSTILE = {
    "not JSON": "{",
    "not an object": "[]",
    "no type": "{}",
    "unknown type": '{"type":"State"}',
    "wrong type": '{"type":"Offer","id":"0","sdp":1}',
    "negative": '{"type":"Offer","id":-1,"sdp":""}',
    "endless number": '{"type":"Offer","id":1e400,"sdp":""}',
    "long field": json.dumps({"type": "Candidate", "offer": 0, "candidate": "x" * 1001, "mid": ""}),
    "large description": json.dumps({**OFFER, "sdp": "x" * 65_537}),
    "huge": json.dumps({**OFFER, "sdp": "x" * 200_000}),
    "nested": '{"type":"Ping","x":' + "[" * 60_000,
    "nested well": '{"type":"Ping","x":' + "[" * 30_000 + "]" * 30_000 + "}",
    "surrogate": '{"type":"\\ud800"}',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_page_is_cut_off_and_harms_nobody(
    hub: RunningHub, box: StandInBox, doctor: Remote, text: str
) -> None:
    async with person() as client:
        stranger = Remote(hub, client, await join(client, await box.invite("observer"), "Ola"))
        async with await doctor.open() as good, await stranger.open() as hostile:
            await receive(hostile, "State")
            await hostile.send_str(text)
            kind, code = await close_of(hostile)
            assert kind in {WSMsgType.CLOSE, WSMsgType.CLOSED}
            assert code in {1008, 1009}
            await answers(good)


async def test_binary_is_cut_off(doctor: Remote) -> None:
    async with await doctor.open() as page:
        await page.send_bytes(b"\x00" * 100)
        assert (await close_of(page))[1] == 1008


async def test_flood_of_messages_is_cut_off(doctor: Remote) -> None:
    async with await doctor.open() as page:
        for _ in range(400):
            if page.closed:
                break
            await page.send_str('{"type":"Ping"}')
        assert (await close_of(page))[1] == 1008


async def test_flood_of_offers_is_held_back(box: StandInBox, doctor: Remote) -> None:
    async with await doctor.open() as page:
        await admitted(page)
        for number in range(40):
            await page.send_json({**OFFER, "id": number})
        while (await receive(page, "Refused"))["reason"] != "busy":
            pass
        await until(lambda: len(box.offers) >= 1)
        assert len(box.offers) <= 11


async def test_new_connections_do_not_bring_more_offers(box: StandInBox, doctor: Remote) -> None:
    for number in range(6):
        async with await doctor.open(number % 2) as page:
            await admitted(page)
            for offer in range(6):
                await page.send_json({**OFFER, "id": offer})
            await page.send_json({"type": "Ping"})
            await receive(page, "Pong")
    await asyncio.sleep(0.3)
    assert 1 <= len(box.offers) <= 14


async def test_candidates_of_an_offer_are_bounded(box: StandInBox, doctor: Remote) -> None:
    async with await doctor.open() as page:
        await admitted(page)
        await page.send_json({**OFFER, "id": 1})
        await receive(page, "Refused")
        for number in range(100):
            found = {"candidate": f"c{number}", "mid": "0", "offer": 1}
            await page.send_json({"type": "Candidate", **found})
        await page.send_json({"type": "Ping"})
        await receive(page, "Pong")
        await until(lambda: len(box.candidates) >= 64)
        await page.send_json({"type": "Ping"})
        await receive(page, "Pong")
    assert len(box.candidates) == 64


async def test_newer_page_of_the_same_person_takes_over(box: StandInBox, doctor: Remote) -> None:
    async with await doctor.open(1) as older:
        identity = (await admitted(older))["you"]["id"]
        async with await doctor.open(2) as newer:
            await admitted(newer)
            assert (await receive(older, "Ended"))["reason"] == "elsewhere"
            assert (await close_of(older))[0] is WSMsgType.CLOSE
            await until(lambda: box.closed == [f"r{identity}-{1:016x}"])
            # The same page again takes the place of its old connection, without a word.
            async with await doctor.open(2) as again:
                await admitted(again)
                kind, _ = await close_of(newer)
                assert kind is WSMsgType.CLOSE
                await answers(again)
    assert box.closed[0] == f"r{identity}-{1:016x}"


async def test_end_of_session_ends_the_socket(box: StandInBox, doctor: Remote) -> None:
    await box.go("live")
    async with await doctor.open() as page:
        state = await receive(page, "State")
        await box.go("idle")
        assert (await receive(page, "Ended"))["reason"] == "ended"
        assert (await close_of(page))[0] is WSMsgType.CLOSE
        await until(lambda: box.closed == [f"r{state['you']['id']}-{0:016x}"])


async def test_page_that_leaves_or_is_closed_loses_its_connection(
    box: StandInBox, doctor: Remote
) -> None:
    async with await doctor.open() as page:
        await receive(page, "State")
        await page.close(code=1001)
    await until(lambda: len(box.closed) == 1)
    async with await doctor.open() as page:
        await page.send_json({"type": "Leave"})
        assert (await receive(page, "Ended"))["reason"] == "left"
    await until(lambda: len(box.closed) == 2)


async def test_lost_box_is_told_with_the_time(
    broker: Broker, box: StandInBox, doctor: Remote
) -> None:
    async with await doctor.open() as page:
        before = await until_state(page, reachable=True)
        await box.say_bridge(False)
        state = await until_state(page, reachable=False)
        assert state["reachable_since_utc"] >= before["now_utc"] - 1
        await box.say_bridge(True)
        await until_state(page, reachable=True)
        broker.kill()
        await until_state(page, reachable=False)
        broker.start()
        await until_state(page, reachable=True)
        assert state["people"]


async def test_vanished_page_is_closed_at_the_box_after_a_while(
    box: StandInBox, doctor: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.hub.room.GRACE_S", 0.3)
    await box.go("live")
    async with await doctor.open() as page:
        state = await receive(page, "State")
        peer = f"r{state['you']['id']}-{0:016x}"
        box.watch(peer)
        box.watch("cabin")
        await box.say()
        await until_state(page, session="live")
        await asyncio.sleep(1)
        assert box.closed == []
    await until(lambda: box.closed[:1] == [peer])
    assert "cabin" not in box.closed
