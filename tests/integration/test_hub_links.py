"""Links and rooms of the hub over real HTTP and a real mosquitto, without a browser."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import aiohttp
import pytest

from edgebox.bus import Bus
from edgebox.messages.base import Fault, Role
from edgebox.messages.room import CREATE_INVITE, CreateInvite, Invite, Participant
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


@pytest.fixture
async def hub(broker: Broker, tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(broker, tmp_path) as one:
        yield one


@pytest.fixture
async def box(broker: Broker, hub: RunningHub) -> AsyncIterator[StandInBox]:
    async with stand_in_box(broker) as one:
        await until(lambda: one.room is not None)
        yield one


async def page_of(client: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with client.get(url, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def test_link_is_spent_by_one_post_and_by_no_get(hub: RunningHub, box: StandInBox) -> None:
    url = await box.invite("doctor", "Dr. Berg")
    async with person() as preview, person() as doctor, person() as other:
        for _ in range(3):
            status, html = await page_of(preview, url)
            assert status == 200
            assert "Ambulanse 1-7" in html
            assert "lege" in html
            assert "Dr. Berg" in html
        async with preview.head(url) as answer:
            assert answer.status == 200
        room = await join(doctor, url)
        assert (await page_of(doctor, hub.url + room))[0] == 200
        assert (await page_of(other, url))[0] == 404
        async with other.post(url, data={"name": "Ola"}, allow_redirects=False) as answer:
            assert answer.status == 404
        assert (await page_of(other, hub.url + room))[0] == 404
        # Her own browser gets back in by the same link.
        async with doctor.get(url, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, room)
        async with doctor.post(url, data={"name": "Kari"}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, room)
    await until(lambda: box.room is not None and len(box.room.participants) == 1)
    assert box.room is not None
    assert [(one.name, one.role, one.state) for one in box.room.participants] == [
        ("Kari", "doctor", "away")
    ]


async def test_of_many_at_once_one_gets_in(hub: RunningHub, box: StandInBox) -> None:
    url = await box.invite("observer")

    async def race() -> int:
        async with (
            person() as client,
            client.post(url, data={"name": "X"}, allow_redirects=False) as answer,
        ):
            return answer.status

    statuses = await asyncio.gather(*(race() for _ in range(10)))
    assert sorted(statuses) == [303] + [404] * 9
    await until(lambda: box.room is not None and len(box.room.participants) == 1)


async def test_wrong_used_expired_and_over_look_alike(broker: Broker, tmp_path: Path) -> None:
    async with (
        running_hub(broker, tmp_path, ttl_s=60) as hub,
        stand_in_box(broker) as box,
        person() as doctor,
        person() as other,
    ):
        await until(lambda: box.room is not None)
        used, expired, over = [await box.invite("doctor") for _ in range(3)]
        await join(doctor, used)
        with sqlite3.connect(tmp_path / "hub.db") as database:
            database.execute(
                "UPDATE invite SET expires_utc = expires_utc - 61 WHERE used_utc IS NULL"
            )
            database.execute(
                "UPDATE invite SET expires_utc = expires_utc + 61 WHERE token_hash ="
                " (SELECT max(token_hash) FROM invite WHERE used_utc IS NULL)"
            )
        database.close()
        ends = [
            await page_of(other, url)
            for url in (used, f"{hub.url}/j/{'x' * 32}", f"{hub.url}/j/..", f"{hub.url}/nothing")
        ]
        statuses = [(await page_of(other, url))[0] for url in (expired, over)]
        assert sorted(statuses) == [200, 404]
        await box.go("live")
        await box.go("idle")
        await until(lambda: box.room is not None and box.room.session == box.session)
        ends += [await page_of(other, url) for url in (expired, over)]
        assert len(set(ends)) == 1
        status, html = ends[0]
        assert status == 404
        assert "Denne lenken kan ikke brukes" in html
        assert "mbulanse 1-7" not in html


async def test_name_is_asked_for_and_kept_short(hub: RunningHub, box: StandInBox) -> None:
    url = await box.invite("doctor")
    async with person() as doctor:
        for name in ("", " \t ", "\u200b\n\x00"):
            async with doctor.post(url, data={"name": name}) as answer:
                assert answer.status == 200
                assert "Skriv navnet ditt" in await answer.text()
        for body in (b"\xff" * 100, b"&" * 100, b"name[]=x"):
            async with doctor.post(url, data=body) as answer:
                assert answer.status == 200
                assert "Skriv navnet ditt" in await answer.text()
        async with doctor.post(url, data=b"\xff" * 5000) as answer:
            assert answer.status == 404
        room = await join(doctor, url, "<script>\n" + "x" * 100)
        _, html = await page_of(doctor, hub.url + room)
        assert "<script>\n" not in html.replace('<script type="application/json"', "")
    await until(lambda: box.room is not None and len(box.room.participants) == 1)
    assert box.room is not None
    name = box.room.participants[0].name
    assert name.startswith("<script> x")
    assert len(name) == 60


async def test_end_of_session_throws_everybody_out(hub: RunningHub, box: StandInBox) -> None:
    async with person() as doctor:
        room = await join(doctor, await box.invite("doctor"))
        spare = await box.invite("doctor")
        assert (await page_of(doctor, hub.url + room))[0] == 200
        await box.go("live")
        await box.go("idle")
        await until(lambda: box.room is not None and box.room.session == box.session)
        assert box.room is not None
        assert box.room.participants == ()
        assert (await page_of(doctor, hub.url + room))[0] == 404
        assert (await page_of(doctor, spare))[0] == 404


async def test_restarted_hub_keeps_everybody_in(hub: RunningHub, box: StandInBox) -> None:
    async with person() as doctor, person() as other:
        room = await join(doctor, await box.invite("doctor"))
        link = await box.invite("observer")
        await hub.stop()
        box.room = None
        await hub.start()
        assert (await page_of(doctor, hub.url + room))[0] == 200
        await join(other, link, "Ola")
        await until(lambda: box.room is not None and len(box.room.participants) == 2)


async def test_only_the_current_session_is_invited_to(hub: RunningHub, box: StandInBox) -> None:
    answer = await box.bus.request(CREATE_INVITE, CreateInvite(session="old", role="doctor"))
    assert isinstance(answer, Fault)
    assert answer.reason == "refused"


async def test_a_name_holds_nothing_a_database_refuses(hub: RunningHub, box: StandInBox) -> None:
    question = CreateInvite(session=box.session, role="doctor", name=" Kari\0\u202e\nHansen ")
    answer = await box.bus.request(CREATE_INVITE, question)
    assert isinstance(answer, Invite)
    async with person() as one:
        status, text = await page_of(one, answer.url)
    assert status == 200
    assert 'value="Kari Hansen"' in text


async def test_invitations_are_bounded(hub: RunningHub, box: StandInBox) -> None:
    question = CreateInvite(session=box.session, role="doctor")
    for _ in range(50):
        assert isinstance(await box.bus.request(CREATE_INVITE, question), Invite)
    answer = await box.bus.request(CREATE_INVITE, question)
    assert isinstance(answer, Fault)
    assert answer.reason == "busy"


async def test_box_that_asks_without_end_gets_few_links(hub: RunningHub, box: StandInBox) -> None:
    question = CreateInvite(session=box.session, role="doctor")

    async def is_made() -> bool:
        answer = await box.bus.request(CREATE_INVITE, question)
        return isinstance(answer, Invite)

    made = sum(await asyncio.gather(*(is_made() for _ in range(150))))
    assert 50 <= made <= 62


async def test_box_that_changes_its_session_without_end_opens_few_rooms(
    hub: RunningHub, box: StandInBox, tmp_path: Path
) -> None:
    for number in range(60):
        box.session = f"session-{number}"
        await box.say()
    await until(lambda: box.room is not None and box.room.session == "session-59")
    with sqlite3.connect(tmp_path / "hub.db") as database:
        rooms, still_open = database.execute(
            "SELECT count(*), sum(closed_utc IS NULL) FROM room"
        ).fetchone()
    database.close()
    assert rooms <= 14
    assert still_open == 1
    await box.invite("doctor")


async def test_rooms_of_two_boxes_are_apart(
    broker: Broker, hub: RunningHub, box: StandInBox
) -> None:
    async with stand_in_box(broker, box="b2") as neighbour, person() as doctor:
        await until(lambda: neighbour.room is not None)
        assert neighbour.session == box.session
        first = await join(doctor, await box.invite("doctor"))
        second = await join(doctor, await neighbour.invite("observer"))
        assert first != second
        for room in (first, second):
            assert (await page_of(doctor, hub.url + room))[0] == 200
        await neighbour.go("live")
        await neighbour.go("idle")
        await until(lambda: neighbour.room and neighbour.room.session == neighbour.session)
        assert (await page_of(doctor, hub.url + first))[0] == 200
        assert (await page_of(doctor, hub.url + second))[0] == 404
        assert box.room is not None
        assert len(box.room.participants) == 1


async def test_database_holds_hashes_only_and_an_audit_trail(
    hub: RunningHub, box: StandInBox, tmp_path: Path
) -> None:
    async with person() as doctor:
        url = await box.invite("doctor")
        await join(doctor, url, "Kari")
        await until(lambda: box.admitted)
        cookie = next(iter(doctor.cookie_jar)).value
        await box.go("live")
        await box.go("idle")
        await until(lambda: box.room is not None and box.room.session == box.session)
    content = b"".join(path.read_bytes() for path in tmp_path.glob("hub.db*"))
    for secret in (url.rpartition("/")[2], cookie):
        assert secret.encode() not in content
    await hub.stop()
    database = sqlite3.connect(tmp_path / "hub.db")
    events = database.execute("SELECT event, name, role FROM audit ORDER BY id").fetchall()
    database.close()
    assert events == [
        ("opened", "", ""),
        ("invited", "", "doctor"),
        ("joined", "Kari", "doctor"),
        ("admitted", "Kari", "doctor"),
        ("closed", "", ""),
        ("opened", "", ""),
    ]


async def test_every_answer_carries_the_security_headers(hub: RunningHub, box: StandInBox) -> None:
    url = await box.invite("doctor")
    async with person() as doctor:
        for address in (url, hub.url, f"{hub.url}/j/x"):
            async with doctor.get(address) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "unsafe" not in policy
                assert "default-src 'none'" in policy
                assert "frame-ancestors 'none'" in policy
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert answer.headers["Cache-Control"] == "no-store"
                assert "camera=()" in answer.headers["Permissions-Policy"]
        async with doctor.post(url, data={"name": "Kari"}, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
        _, html = await page_of(doctor, hub.url + answer.headers["Location"])
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            async with doctor.get(hub.url + path) as static:
                assert static.status == 200
                assert "immutable" in static.headers["Cache-Control"]
        for path in ("/static/x/room.js", "/static/../hub.py", "/static/x/..%2fhub.py"):
            assert (await page_of(doctor, hub.url + path))[0] == 404


@pytest.mark.parametrize("role", get_args(Role))
async def test_page_may_use_only_the_devices_its_role_needs(
    hub: RunningHub, box: StandInBox, role: Role
) -> None:
    async with person() as client:
        room = await join(client, await box.invite(role))
        async with client.get(hub.url + room) as answer:
            policy = answer.headers["Permissions-Policy"]
    assert ("microphone=(self)" in policy) == RIGHTS[role].speaks
    assert ("camera=(self)" in policy) == RIGHTS[role].shows
    assert "geolocation=()" in policy


async def test_audit_is_forgotten_after_its_time(
    broker: Broker, box: StandInBox, hub: RunningHub, tmp_path: Path
) -> None:
    async with person() as doctor:
        await join(doctor, await box.invite("doctor"))
        await box.go("live")
        await box.go("idle")
        await until(lambda: box.room is not None and box.room.session == box.session)
        await join(doctor, await box.invite("observer"), "Ola")
    await hub.stop()
    with sqlite3.connect(tmp_path / "hub.db") as database:
        old_s = 366 * 24 * 3600
        database.execute("UPDATE audit SET at_utc = at_utc - ? WHERE name = 'Kari'", (old_s,))
        database.execute("UPDATE room SET closed_utc = closed_utc - ?", (old_s,))
    database.close()
    await hub.start()

    def left() -> tuple[set[str], int]:
        with sqlite3.connect(tmp_path / "hub.db") as database:
            names = {name for (name,) in database.execute("SELECT name FROM audit")}
            [rooms] = database.execute("SELECT count(*) FROM room").fetchone()
        database.close()
        return names, rooms

    await until(lambda: "Kari" not in left()[0])
    assert "Ola" in left()[0]
    assert left()[1] == 1
    assert box.room is not None


async def test_page_that_connects_without_end_is_noted_few_times(
    hub: RunningHub, box: StandInBox, tmp_path: Path
) -> None:
    async with person() as doctor:
        room = await join(doctor, await box.invite("doctor"))
        url = f"{hub.url}{room}/ws?page={'0' * 16}"
        for _ in range(60):
            async with doctor.ws_connect(url, origin=hub.url) as page:
                await page.receive_json()
    await hub.stop()
    with sqlite3.connect(tmp_path / "hub.db") as database:
        [rows] = database.execute(
            "SELECT count(*) FROM audit WHERE event IN ('came', 'went')"
        ).fetchone()
    database.close()
    assert 2 <= rows <= 25


async def test_link_is_not_spent_by_another_site(hub: RunningHub, box: StandInBox) -> None:
    url = await box.invite("doctor")
    async with person() as doctor:
        async with doctor.post(
            url, data={"name": "Kari"}, headers={"Sec-Fetch-Site": "cross-site"}
        ) as answer:
            assert answer.status == 404
        await join(doctor, url)


async def test_guessing_is_slowed_down(hub: RunningHub, box: StandInBox) -> None:
    async with person() as guesser:
        statuses = [(await page_of(guesser, f"{hub.url}/j/{n:032}"))[0] for n in range(30)]
        assert statuses[:20] == [404] * 20
        assert set(statuses[20:]) == {429}
        # A front tells whom it speaks for; another address is not held back.
        async with guesser.get(f"{hub.url}/j/x", headers={"X-Forwarded-For": "192.0.2.7"}) as other:
            assert other.status == 404


async def test_flood_of_requests_is_limited(hub: RunningHub) -> None:
    async with person() as flooder:
        statuses = [(await page_of(flooder, f"{hub.url}/static/x/y"))[0] for _ in range(250)]
    assert statuses.count(429) > 20


async def test_box_hears_who_comes_and_goes(hub: RunningHub, box: StandInBox) -> None:
    def people() -> list[Participant]:
        return list(box.room.participants) if box.room else []

    async with person() as doctor:
        room = await join(doctor, await box.invite("doctor"))
        url = f"{hub.url}{room}/ws?page={'0' * 16}"
        async with doctor.ws_connect(url, origin=hub.url):
            await until(lambda: [one.state for one in people()] == ["present"])
        await until(lambda: [one.state for one in people()] == ["away"])
        async with doctor.ws_connect(url, origin=hub.url) as page:
            await page.send_str('{"type":"Leave"}')
            await until(lambda: people() == [])
        assert (await page_of(doctor, hub.url + room))[0] == 404


async def test_answer_does_not_go_to_another_box(
    broker: Broker, hub: RunningHub, box: StandInBox
) -> None:
    """A box may name any topic for the answer: only one of its own is used."""
    async with Bus(broker.address, "media", box="b2") as neighbour:
        await neighbour.connected.wait()
        seen: list[object] = []

        async def see(raw: object, keys: object) -> None:
            seen.append(raw)

        await neighbour._route("box/b2/down/reply/media-x", 1, see)
        topic = box.bus._reply_topic

        async def stray(asked: str) -> str:
            await topic(asked)
            return "box/b2/down/reply/media-x"

        box.bus._reply_topic = stray  # type: ignore[method-assign,assignment]
        answer = await box.bus.request(
            CREATE_INVITE, CreateInvite(session=box.session, role="doctor"), timeout_s=0.5
        )
        assert isinstance(answer, Fault)
        assert seen == []


async def test_a_database_that_takes_nothing_ends_no_call_and_is_written_later(
    hub: RunningHub, box: StandInBox, tmp_path: Path
) -> None:
    def rename(*tables: str, back: bool = False) -> None:
        """Every transaction that touches one fails, as on a full disk."""
        with sqlite3.connect(tmp_path / "hub.db") as database:
            for table in tables:
                names = (f"{table}_away", table) if back else (table, f"{table}_away")
                database.execute("ALTER TABLE {} RENAME TO {}".format(*names))
        database.close()

    url, other = await box.invite("doctor"), await box.invite("observer")
    async with person() as doctor, person() as late:
        room = await join(doctor, url)
        rename("audit", "invite")
        asked = CreateInvite(session=box.session, role="doctor")
        assert isinstance(fault := await box.bus.request(CREATE_INVITE, asked), Fault)
        assert fault.reason == "failed"
        assert "Kari" not in fault.text
        for method in (late.get, late.post):
            async with method(other, data={"name": "Ola"}) as answer:
                assert answer.status == 503
                assert "Lenken er ikke brukt opp" in await answer.text()
        assert (await page_of(doctor, hub.url + room))[0] == 200
        box.session = "session-2"
        await box.say()
        await until(lambda: box.room is not None and box.room.session == "session-2")
        assert (await page_of(doctor, hub.url + room))[0] == 404, "the session is over all the same"
        assert hub.task is not None
        assert not hub.task.done()
        rename("audit", "invite", back=True)
        assert await box.invite("observer")
        assert (await page_of(late, other))[0] == 404, "its room is closed"

    def events() -> list[str]:
        with sqlite3.connect(tmp_path / "hub.db") as database:
            found = [one for (one,) in database.execute("SELECT event FROM audit ORDER BY id")]
        database.close()
        return found

    await until(lambda: {"closed", "opened"} <= set(events()[3:]))
    assert [one for one in events() if one in {"opened", "closed"}] == [
        "opened",
        "closed",
        "opened",
    ]
