"""The hub between a headset outside and its box: what it hands on, and what it does not."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiohttp import ClientSession, web

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.errors import ConfigError
from edgebox.hub import headset, pair_relay
from edgebox.hub.fleet import Fleet
from edgebox.hub.headset import OutsideSite
from edgebox.messages.base import Fault, Message
from edgebox.messages.headset import (
    OUTSIDE_EVENTS,
    OUTSIDE_WHIP,
    OutsideEvents,
    OutsidePoll,
    OutsideRequest,
    OutsideResponse,
)
from edgebox.messages.pairing import OUTSIDE_PAIR, OutsidePair, OutsidePaired
from edgebox.pairing.ledger import Ledger
from edgebox.pairing.registry import Device, Vehicle
from tests.unit.headset.test_whip import FRAGMENT, OFFER

BEARER = "b" * 43
NEXT = "c" * 43
DEVICE = "0" * 32
SIGNATURE = "s" * 86
BEAT = {"box": "box-1", "bearer": BEARER, "number": 1, "signature": SIGNATURE}
SDP = {"Content-Type": "application/sdp", "Authorization": f"Bearer {BEARER}"}
TRICKLE = {**SDP, "Content-Type": "application/trickle-ice-sdpfrag"}


class BoxBus:
    """The box's end of the bus."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Message]] = []
        self.pair: OutsidePaired | Fault = OutsidePaired(
            status=200, body=json.dumps({"state": "paired", "valid_s": 60.0, "bearer": NEXT})
        )
        self.whip: OutsideResponse | Fault = OutsideResponse(
            status=201, session="token", body="v=0 answer"
        )
        self.events: list[OutsideEvents | Fault] = []

    async def request(
        self, kind: Any, question: Message, *, timeout_s: float, box: str
    ) -> Message | Fault:
        """Answer as told."""
        self.asked.append((box, question))
        if kind is OUTSIDE_PAIR:
            return self.pair
        if kind is OUTSIDE_WHIP:
            return self.whip
        assert kind is OUTSIDE_EVENTS
        return self.events.pop(0)

    def questions(self, kind: type[Message]) -> list[Any]:
        """Those of one kind."""
        return [question for _, question in self.asked if isinstance(question, kind)]


class Office:
    """What of the fleet the relay looks at."""

    def __init__(self) -> None:
        self.authority = b"authority"
        self.ledger = Ledger({})
        self.vehicles = {"box-1": Vehicle(box="box-1", name="Ambulanse 1")}
        known = Device(key=b"", name="H", mode="assigned", box="box-1", expires_utc=9e9)
        self.devices = {DEVICE: known}


@pytest.fixture
def bus() -> BoxBus:
    """Box behind it."""
    return BoxBus()


@contextlib.asynccontextmanager
async def site(bus: BoxBus) -> AsyncIterator[ClientSession]:
    """A device's browser on the hub's page."""
    one = OutsideSite(
        cast("Bus", bus), cast("Fleet", Office()), ("turn:a?transport=udp", "turn:b"), b"secret"
    )
    runner = web.AppRunner(one.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession(url) as session:
            yield session
    finally:
        await runner.cleanup()


async def beat(device: ClientSession) -> int:
    """The box says to it that the bearer is good."""
    async with device.post("/pair/heartbeat", json=BEAT) as answer:
        return answer.status


async def post(
    device: ClientSession, body: str | bytes = OFFER, headers: dict[str, str] = SDP
) -> tuple[int, dict[str, str], str]:
    """An offer."""
    async with device.post("/whip", data=body, headers=headers) as answer:
        return answer.status, dict(answer.headers), await answer.text()


async def test_page_without_a_list_of_devices_is_a_mistake(bus: BoxBus) -> None:
    config = Config(hub=Hub(headset_listen="127.0.0.1:0"))
    with pytest.raises(ConfigError, match="registry_certificate"):
        async with headset.serving(config, cast("Bus", bus), None, b""):
            pass


async def test_offer_goes_to_the_box_with_a_relay_for_both_ends(bus: BoxBus) -> None:
    async with site(bus) as device:
        assert await beat(device) == 200
        status, headers, text = await post(device)
    assert (status, text) == (201, "v=0 answer")
    assert headers["Location"] == "/whip/token"
    assert headers["Content-Type"] == "application/sdp"
    links = headers["Link"].split(", ")
    assert [link.partition(">")[0] for link in links] == ["<turn:a?transport=udp", "<turn:b"]
    assert all('rel="ice-server"' in link and "username=" in link for link in links)
    assert "Link" in headers["Access-Control-Expose-Headers"]
    (asked,) = bus.questions(OutsideRequest)
    assert (asked.method, asked.bearer, asked.body) == ("POST", BEARER, OFFER)
    assert asked.turn is not None
    assert asked.turn.username not in headers["Link"], "each end has its own"


async def test_what_it_wants_to_hear_goes_to_the_box_as_such(bus: BoxBus) -> None:
    async with site(bus) as device:
        async with device.post("/whep", data=OFFER, headers=SDP) as answer:
            assert answer.status == 401
        await beat(device)
        async with device.post("/whep", data=OFFER, headers=SDP) as answer:
            assert answer.status == 201
            assert answer.headers["Location"] == "/whep/token"
            assert "username=" in answer.headers["Link"]
        async with device.patch("/whep/token", data=FRAGMENT, headers=TRICKLE) as answer:
            assert answer.status == 201
        for _ in range(int(headset.OFFERS_BURST)):
            async with device.post("/whep", data=OFFER, headers=SDP) as answer:
                last = answer.status
        assert last == 429
        assert (await post(device))[0] == 201, "what is sent has an allowance of its own"
    asked = bus.questions(OutsideRequest)
    assert {(one.method, one.endpoint) for one in asked[:2]} == {
        ("POST", "/whep"),
        ("PATCH", "/whep"),
    }
    assert asked[0].turn is not None
    assert asked[-1].endpoint == "/whip"


async def test_bearer_that_no_box_has_handed_out_goes_nowhere(bus: BoxBus) -> None:
    async with site(bus) as device:
        status, headers, _ = await post(device)
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
        for method in ("PATCH", "DELETE"):
            async with device.request(method, "/whip/token", headers=TRICKLE) as answer:
                assert answer.status == 401
        async with device.get("/events", headers=SDP) as answer:
            assert answer.status == 401
    assert bus.asked == []


async def test_next_bearer_is_known_and_one_the_box_refuses_is_forgotten(bus: BoxBus) -> None:
    async with site(bus) as device:
        await beat(device)
        status, _, _ = await post(device, headers={**SDP, "Authorization": f"Bearer {NEXT}"})
        assert status == 201
        bus.pair = OutsidePaired(status=401, body='{"state":"refused","reason":"unknown"}')
        assert await beat(device) == 401
        assert (await post(device))[0] == 401


async def test_box_decides_and_its_answer_is_handed_on(bus: BoxBus) -> None:
    async with site(bus) as device:
        await beat(device)
        bus.whip = OutsideResponse(status=401)
        assert (await post(device))[1]["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        bus.whip = OutsideResponse(status=503, retry_after_s=10)
        status, headers, _ = await post(device)
        assert (status, headers["Retry-After"]) == (503, "10")
        assert "Location" not in headers
        bus.whip = Fault(reason="timeout")
        status, headers, _ = await post(device)
        assert (status, headers["Retry-After"]) == (503, str(headset.AWAY_S))
        bus.whip = OutsideResponse(status=204)
        async with device.patch("/whip/token", data=FRAGMENT, headers=TRICKLE) as answer:
            assert answer.status == 204
        bus.whip = OutsideResponse(status=200)
        async with device.delete("/whip/token", headers=SDP) as answer:
            assert answer.status == 200
    last = bus.questions(OutsideRequest)[-2:]
    assert [(one.method, one.session, one.body) for one in last] == [
        ("PATCH", "token", FRAGMENT),
        ("DELETE", "token", ""),
    ]
    assert all(one.turn is None for one in last)


async def test_what_needs_no_box_does_not_use_its_links(bus: BoxBus) -> None:
    async with site(bus) as device:
        await beat(device)
        bus.asked.clear()
        assert (await post(device, headers={**SDP, "Content-Type": "text/plain"}))[0] == 415
        assert (await post(device, "x" * 40_000))[0] == 413
        assert (await post(device, b"v=0\r\n\xff"))[0] == 400
        for method, path, status in (
            ("OPTIONS", "/whip", 200),
            ("GET", "/whip", 204),
            ("PUT", "/whip", 405),
            ("POST", "/whip/token", 405),
        ):
            async with device.request(method, path, headers=SDP) as answer:
                assert answer.status == status, (method, path)
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert bus.asked == []


async def test_offers_of_one_address_are_limited(bus: BoxBus) -> None:
    async with site(bus) as device:
        await beat(device)
        found = [await post(device) for _ in range(int(headset.OFFERS_BURST) + 2)]
    assert found[0][0] == 201
    assert (found[-1][0], found[-1][1]["Retry-After"]) == (429, "10")


async def test_requests_of_one_address_are_limited(bus: BoxBus) -> None:
    async with site(bus) as device:
        found = []
        for _ in range(int(headset.REQUESTS_BURST) + 20):
            async with device.get("/where") as answer:
                found.append(answer.status)
    assert found[0] == 200
    assert found[-1] == 429


async def test_events_are_handed_on_until_the_box_says_that_they_are_over(bus: BoxBus) -> None:
    bus.events = [
        OutsideEvents(status=200, lines='{"type":"view"}\n'),
        OutsideEvents(status=200, lines="\n"),
        OutsideEvents(status=200, over=True),
    ]
    async with site(bus) as device:
        await beat(device)
        async with device.get("/events", headers=SDP) as answer:
            assert answer.content_type == "application/x-ndjson"
            assert await answer.text() == '{"type":"view"}\n\n'
    polls = bus.questions(OutsidePoll)
    assert len({one.page for one in polls}) == 1
    assert [one.bearer for one in polls] == [BEARER] * 3


@pytest.mark.parametrize("last", [Fault(reason="timeout"), OutsideEvents(status=401, over=True)])
async def test_events_end_when_the_box_does_not_answer(
    bus: BoxBus, last: OutsideEvents | Fault
) -> None:
    bus.events = [last]
    async with site(bus) as device:
        await beat(device)
        async with device.get("/events", headers=SDP) as answer:
            assert await answer.text() == ""


async def test_page_is_the_same_as_in_the_vehicle_and_says_where_it_is(bus: BoxBus) -> None:
    async with site(bus) as device:
        async with device.get("/") as answer:
            assert "headset.js" in await answer.text()
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        async with device.get("/where") as answer:
            assert await answer.text() == "hub"
            assert answer.headers["Connection"] == "close"


async def test_strangers_cannot_use_up_a_box_and_those_let_in_are_heard(bus: BoxBus) -> None:
    async with site(bus) as device:
        await beat(device)
        stranger = {**BEAT, "bearer": "d" * 43}
        bus.pair = OutsidePaired(status=401, body='{"state":"refused","reason":"unknown"}')
        found = []
        for number in range(int(pair_relay.BOX_BURST) + 2):
            headers = {"X-Forwarded-For": f"192.0.2.{number}"}
            async with device.post("/pair/heartbeat", json=stranger, headers=headers) as answer:
                found.append(answer.status)
        assert (found[0], found[-1]) == (401, 429)
        bus.pair = OutsidePaired(status=200, body='{"state":"paired","valid_s":60.0}')
        assert await beat(device) == 200


@pytest.mark.parametrize("step", ["hello", "prove", "heartbeat", "end"])
async def test_pairing_of_another_kind_or_from_another_page_goes_nowhere(
    step: str, bus: BoxBus
) -> None:
    async with site(bus) as device:
        for body in (b"", b"{}", b"\xff", b"[" * 5000):
            headers = {"Content-Type": "application/json"}
            async with device.post(f"/pair/{step}", data=body, headers=headers) as answer:
                assert answer.status == 400
        async with device.post(f"/pair/{step}", data=b"{}") as answer:
            assert answer.status == 415
        headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}
        async with device.post(f"/pair/{step}", data=b"{}", headers=headers) as answer:
            assert answer.status == 403
    assert bus.asked == []


async def test_device_nobody_knows_is_refused_here_and_a_known_one_by_its_box(
    bus: BoxBus,
) -> None:
    async with site(bus) as device:
        unknown = {"device": "f" * 32, "nonce": "n" * 43}
        async with device.post("/pair/hello", json=unknown) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (403, "unknown")
        assert bus.asked == []
        bus.pair = OutsidePaired(status=200, body='{"box":"box-1"}')
        async with device.post("/pair/hello", json=unknown | {"device": DEVICE}) as answer:
            assert answer.status == 200
    (box, asked), *_ = bus.asked
    assert isinstance(asked, OutsidePair)
    assert (box, asked.step) == ("box-1", "hello")
