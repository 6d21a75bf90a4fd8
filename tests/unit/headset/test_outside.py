"""A headset outside the vehicle at the box's door: the hub hands on, the door decides."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

from edgebox.bus import Bus
from edgebox.headset import outside
from edgebox.headset.door import Lease, Refusal
from edgebox.headset.events import LINES_MAX, WAITING_MAX, WAITING_MAX_BYTES, Events
from edgebox.headset.outside import Outside
from edgebox.headset.whip import Request, Response
from edgebox.messages.base import Fault
from edgebox.messages.headset import OutsideEvents, OutsidePoll, OutsideRequest, OutsideResponse
from edgebox.messages.marks import PART_BYTES, Note, PicturePart, Wipe
from edgebox.messages.session import TurnCredentials

TURN = TurnCredentials(username="u", password="p")
BEARER, PAGE = "bearer-one", "0123456789abcdef"
LEASE = Lease("d1", "One", "11", 60.0)


class Door:
    """One bearer is good."""

    good = True

    def check(self, bearer: str, now: float) -> Lease | Refusal:
        return LEASE if self.good and bearer == BEARER else Refusal("unknown")

    def on_end(self, callback: Callable[[Lease], None]) -> None:
        pass


class Rig:
    """The box's side with a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[tuple[Request, TurnCredentials | None]] = []
        self.response = Response(201, {}, "v=0", "token")
        self.door = Door()
        self.events = Events(cast("Bus", None), lambda device: "camera-1")
        self.outside = Outside(
            cast("Bus", None), self.door, self.answer, self.events, lambda: self.now
        )

    async def answer(self, request: Request, turn: TurnCredentials | None = None) -> Response:
        self.asked.append((request, turn))
        return self.response

    async def whip(self, **fields: Any) -> OutsideResponse | Fault:
        offer = OutsideRequest(method="POST", bearer=BEARER, body="v=0", turn=TURN)
        return await self.outside._whip(msgspec.structs.replace(offer, **fields), {})

    async def poll(self, bearer: str = BEARER, page: str = PAGE) -> OutsideEvents:
        return await self.outside._poll(OutsidePoll(bearer=bearer, page=page), {})


async def test_request_meets_the_same_door_with_its_bearer_and_its_relay() -> None:
    rig = Rig()
    answer = await rig.whip(content_type="application/sdp", if_match="*", session="s")
    assert answer == OutsideResponse(status=201, session="token", body="v=0")
    ((request, turn),) = rig.asked
    assert request == Request("POST", "s", "application/sdp", f"Bearer {BEARER}", "*", b"v=0")
    assert turn == TURN


async def test_what_it_wants_to_hear_is_asked_where_that_is_answered() -> None:
    rig = Rig()
    await rig.whip(endpoint="/whep")
    assert [request.endpoint for request, _ in rig.asked] == ["/whep"]
    for _ in range(int(outside.OFFERS_BURST)):
        await rig.whip(endpoint="/whep")
    assert len(rig.asked) == int(outside.OFFERS_BURST)
    await rig.whip()
    assert rig.asked[-1][0].endpoint == "/whip", "what is sent has an allowance of its own"


async def test_retry_after_is_handed_on() -> None:
    rig = Rig()
    rig.response = Response(503, {"Retry-After": "7"})
    answer = await rig.whip()
    assert isinstance(answer, OutsideResponse)
    assert answer.retry_after_s == 7


async def test_offer_without_a_relay_reaches_nobody() -> None:
    rig = Rig()
    answer = await rig.whip(turn=None)
    assert isinstance(answer, Fault)
    assert rig.asked == []
    assert isinstance(await rig.whip(method="DELETE", turn=None), OutsideResponse)


async def test_offers_from_outside_are_limited() -> None:
    rig = Rig()
    found = [await rig.whip() for _ in range(int(outside.OFFERS_BURST) + 1)]
    assert len(rig.asked) == int(outside.OFFERS_BURST)
    assert found[-1] == OutsideResponse(status=429, retry_after_s=2)
    rig.now += 1 / outside.OFFERS_PER_S
    assert cast("OutsideResponse", await rig.whip()).status == 201


async def test_page_is_told_at_once_and_again_when_something_is_new() -> None:
    rig = Rig()
    first = await rig.poll()
    assert msgspec.json.decode(first.lines)["type"] == "view"
    waiting = asyncio.create_task(rig.poll())
    await asyncio.sleep(0)
    rig.events.session_changed("d1", begun=False)
    told = (await waiting).lines.splitlines()
    assert [msgspec.json.decode(line)["type"] for line in told] == ["ended", "view"]


async def test_page_is_told_what_is_pointed_at_and_written_on_its_own_picture_only() -> None:
    rig = Rig()
    await rig.poll()
    here, there = ("camera-1", "camera-2")
    for camera in (there, here):
        note = Note(participant="p", name="Dr. Berg", camera=camera, text=f"til {camera}")
        await rig.events._take_note(note, {})
        await rig.events._take_wipe(Wipe(camera=camera), {})
    told = [msgspec.json.decode(line) for line in (await rig.poll()).lines.splitlines()]
    assert told == [{"type": "text", "by": "Dr. Berg", "text": "til camera-1"}, {"type": "wipe"}]


def part(number: int, camera: str = "camera-1") -> PicturePart:
    return PicturePart(
        participant="p", name="Dr. Berg", camera=camera, picture=7, part=number, parts=5,
        data=bytes(PART_BYTES),
    )  # fmt: skip


async def test_page_is_shown_a_picture_that_is_for_it_in_lines_that_fit() -> None:
    rig = Rig()
    await rig.poll()
    await rig.events._take_picture(part(0, "camera-2"), {})
    for number in range(5):
        await rig.events._take_picture(part(number), {})
    told: list[Any] = []
    while len(told) < 5:
        lines = (await rig.poll()).lines
        assert len(lines) <= LINES_MAX
        told += [msgspec.json.decode(line) for line in lines.splitlines()]
    assert [(one["type"], one["by"], one["id"], one["part"], one["of"]) for one in told] == [
        ("picture", "Dr. Berg", 7, number, 5) for number in range(5)
    ]
    assert {len(one["data"]) for one in told} == {PART_BYTES * 4 // 3}


async def test_page_that_does_not_read_holds_no_more_than_a_few_pictures() -> None:
    rig = Rig()
    page = rig.events.open("d1")
    assert page is not None
    for _ in range(WAITING_MAX):
        await rig.events._take_picture(part(0), {})
    size = 0
    while (lines := await page.next_lines(0.01)) is not None:
        size += len(lines)
    assert WAITING_MAX_BYTES < size < WAITING_MAX_BYTES + LINES_MAX


async def test_page_needs_a_bearer_to_open_and_a_lease_to_stay() -> None:
    rig = Rig()
    assert await rig.poll(bearer="bearer-two") == OutsideEvents(status=401, over=True)
    await rig.poll()
    rig.door.good = False  # a bearer lasts a minute, the page as long as the lease
    rig.events.session_changed("d1", begun=True)
    assert (await rig.poll()).status == 200
    rig.events.lease_ended("d1")
    assert "ended" in (await rig.poll()).lines
    assert await rig.poll() == OutsideEvents(status=200, over=True)
    assert (await rig.poll()).status == 401


async def test_page_that_does_not_ask_is_closed() -> None:
    rig = Rig()
    await rig.poll()
    rig.now += outside.FORGOTTEN_S - 1
    rig.outside.forget()
    assert len(rig.events._pages) == 1
    rig.now += 2
    rig.outside.forget()
    assert rig.events._pages == set()


async def test_too_many_pages_are_503() -> None:
    rig = Rig()
    for number in range(16):
        assert (await rig.poll(page=f"{number:016x}")).status == 200
    assert await rig.poll() == OutsideEvents(status=503, over=True)


async def test_page_that_does_not_read_is_cut_off() -> None:
    rig = Rig()
    page = rig.events.open("d1")
    assert page is not None
    for _ in range(WAITING_MAX + 1):
        page.tell({"type": "wipe"})
    got = b""
    while (lines := await page.next_lines(0.01)) is not None:
        assert lines != b"\n"
        got += lines
    assert got.count(b"\n") == WAITING_MAX
