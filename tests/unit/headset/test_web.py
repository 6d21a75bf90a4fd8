"""The listener on the access point over real HTTP: who is answered, how much, how often."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from aiohttp import ClientSession, web

from edgebox.bus import Bus
from edgebox.headset import web as site
from edgebox.headset.door import Lease, Refusal
from edgebox.headset.events import Events
from edgebox.headset.web import Site
from edgebox.headset.whip import BODY_MAX, Request, Response
from tests.unit.headset.test_whip import ONE

SDP = {"Content-Type": "application/sdp", "Authorization": "Bearer bearer-one"}


class Door:
    """One bearer is good."""

    def check(self, bearer: str, now: float) -> Lease | Refusal:
        return ONE if bearer == "bearer-one" else Refusal("unknown")

    def on_end(self, callback: Callable[[Lease], None]) -> None:
        pass


class Rig:
    """A device's browser and the requests that reached WHIP."""

    def __init__(self, session: ClientSession, asked: list[Request], events: Events):
        self.session, self.asked, self.events = session, asked, events

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        async with self.session.request(method, path, **more) as answer:
            return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Rig]:
    asked: list[Request] = []

    async def answer(request: Request) -> Response:
        asked.append(request)
        return Response(201, {"Location": "/whip/token"}, "v=0")

    events = Events(cast("Bus", None), lambda device: "camera-1")
    runner = web.AppRunner(
        Site("headset.test", Door(), answer, events).application(), access_log=None
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession(url) as session:
            yield Rig(session, asked, events)
    finally:
        await runner.cleanup()


async def test_request_reaches_whip_as_it_came() -> None:
    async with serving() as rig:
        headers = SDP | {"If-Match": "*"}
        assert await rig.ask("PATCH", "/whip/token", data="a=x", headers=headers) == (201, "v=0")
        assert await rig.ask("POST", "/whip", data="v=0", headers=SDP) == (201, "v=0")
    assert rig.asked == [
        Request("PATCH", "token", "application/sdp", "Bearer bearer-one", "*", b"a=x"),
        Request("POST", "", "application/sdp", "Bearer bearer-one", "", b"v=0"),
    ]


async def test_what_a_device_wants_to_hear_is_told_apart() -> None:
    async with serving() as rig:
        assert (await rig.ask("POST", "/whep", data="v=0", headers=SDP))[0] == 201
        assert (await rig.ask("DELETE", "/whep/token", headers=SDP))[0] == 201
        assert (await rig.ask("POST", "/whup", data="v=0", headers=SDP))[0] == 404
        for _ in range(int(site.OFFERS_BURST)):
            status, _ = await rig.ask("POST", "/whep", data="v=0", headers=SDP)
        assert status == 429
        assert (await rig.ask("POST", "/whip", data="v=0", headers=SDP))[0] == 201
    assert [one.endpoint for one in rig.asked[:2]] == ["/whep", "/whep"]
    assert rig.asked[-1].endpoint == "/whip", "what is sent has an allowance of its own"


async def test_body_that_is_too_long_is_413_and_reaches_nobody() -> None:
    async with serving() as rig:
        status, _ = await rig.ask("POST", "/whip", data="x" * (BODY_MAX + 1), headers=SDP)
        assert status == 413
    assert rig.asked == []


async def test_requests_of_one_address_are_limited() -> None:
    async with serving() as rig:
        found = [await rig.ask("GET", "/where") for _ in range(int(site.REQUESTS_BURST) + 20)]
    assert found[0] == (200, "vehicle")
    assert found[-1][0] == 429


async def test_offers_of_one_address_are_limited() -> None:
    async with serving() as rig:
        found = [
            await rig.ask("POST", "/whip", data="v=0", headers=SDP)
            for _ in range(int(site.OFFERS_BURST) + 2)
        ]
        assert (found[0][0], found[-1][0]) == (201, 429)
        assert (await rig.ask("DELETE", "/whip/token", headers=SDP))[0] == 201


async def test_only_our_own_names_are_answered() -> None:
    async with serving() as rig:
        for host, status in (
            ("headset.test", 200),
            ("headset.test:8443", 200),
            ("10.78.0.1", 200),
            ("evil.example", 421),
            ("headset.test.evil.example:443", 421),
        ):
            assert (await rig.ask("GET", "/where", headers={"Host": host}))[0] == status, host


async def test_events_need_a_bearer_and_end_with_the_lease() -> None:
    async with serving() as rig:
        for wrong in ({}, {"Authorization": "Bearer bearer-two"}, {"Authorization": "bearer-one"}):
            assert (await rig.ask("GET", "/events", headers=wrong))[0] == 401
        async with rig.session.get("/events", headers=SDP) as answer:
            assert answer.content_type == "application/x-ndjson"
            assert b'"view"' in await answer.content.readline()
            rig.events.lease_ended(ONE.device)
            assert b'"ended"' in await answer.content.readline()
            assert await answer.content.read() == b""
    assert rig.events._pages == set()


async def test_page_may_load_nothing_from_elsewhere() -> None:
    async with serving() as rig, rig.session.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with rig.session.get("/where") as where:
            assert where.headers["X-Frame-Options"] == "DENY"
            assert where.headers["Connection"] == "close"
