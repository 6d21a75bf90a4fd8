"""The desk's part of a call: who is given a TURN password and when, and what the box is told."""

import asyncio
import time
from pathlib import Path

from edgebox.hub.desk_call import TURN_TTL_S
from edgebox.messages.base import Done
from edgebox.messages.support import END_SUPPORT, EndSupport
from edgebox.messages.support_call import (
    CALL_OFFER,
    HANG_UP,
    TAKE_CALL,
    CallOffer,
    CallOpened,
    HangUp,
    TakeCall,
)
from tests.conftest import Broker
from tests.integration.support_rig import BOX
from tests.integration.test_hub_desk import Browser, Here, here
from tests.integration.test_support_call import media_session

CALL = f"/desk/box/{BOX}/call"
TURN = f"{CALL}/turn"


async def let_in(at: Here, page: Browser) -> None:
    """By the crew's link; the desk knows of it."""
    at.box.heard.receive_session(media_session("idle"))
    link = await at.box.ask()
    path, _, token = link.url.removeprefix(at.listener.url).partition("#")
    assert await page.post(path, {"token": token}) == {"type": "Done"}
    await until(page, {"type": "call-ask"}, "Done")


async def until(page: Browser, deed: dict[str, object], kind: str) -> None:
    async with asyncio.timeout(5):
        while (await page.order(deed))["type"] != kind:
            await asyncio.sleep(0.02)


async def test_a_turn_password_is_for_the_open_call_of_ones_own_session(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        here(broker, tmp_path) as at,
        at.browser("kari") as kari,
        at.browser("ola") as ola,
        at.browser("drift", "fleet") as staff,
    ):
        assert (await kari.post(TURN, {}))["text"] == "no-call"
        await let_in(at, kari)
        assert (await kari.post(TURN, {}))["text"] == "no-call", "the crew has not answered"
        assert (await kari.post(CALL, {"sdp": "v=0"}))["text"] == "no-call"
        assert await at.box.crew.request(TAKE_CALL, TakeCall(id=at.box.session.id)) == Done()
        async with asyncio.timeout(5):
            while (given := await kari.post(TURN, {}))["type"] != "IceServers":
                await asyncio.sleep(0.02)
        (server,) = given["servers"]
        until_utc = int(server["username"].partition(":")[0])
        assert 0 < until_utc - time.time() <= TURN_TTL_S
        assert (await ola.post(TURN, {}))["text"] == "no-call"
        assert (await ola.post(CALL, {"sdp": "v=0"}))["text"] == "no-call"
        assert await staff.post(TURN, {}) == 403

        await at.box.crew.request(HANG_UP, HangUp())
        async with asyncio.timeout(5):
            while (await kari.post(TURN, {}))["type"] != "Fault":
                await asyncio.sleep(0.02)
        await at.box.crew.request(END_SUPPORT, EndSupport())


async def test_the_box_gets_the_offer_with_the_hubs_own_password(
    broker: Broker, tmp_path: Path
) -> None:
    offers: list[CallOffer] = []

    async def answer(offer: CallOffer, keys: dict[str, str]) -> CallOpened:
        offers.append(offer)
        return CallOpened(sdp="answer")

    async with here(broker, tmp_path) as at, at.browser("kari") as kari:
        await at.box.crew.serve(CALL_OFFER, answer)
        await let_in(at, kari)
        assert await at.box.crew.request(TAKE_CALL, TakeCall(id=at.box.session.id)) == Done()
        async with asyncio.timeout(5):
            while (said := await kari.post(CALL, {"sdp": "v=0"}))["type"] != "call-opened":
                await asyncio.sleep(0.02)
        assert said["sdp"] == "answer"
        assert [one.sdp for one in offers] == ["v=0"]
        assert offers[0].turn.username.endswith(f":desk-{at.box.session.serial}")
        own = {"username": "9999999999:me", "password": "p"}
        deed = {"type": "call", "sdp": "v=0", "turn": own}
        assert await kari.post(f"/desk/box/{BOX}/order", {"deed": deed}) == 400
        assert await kari.post(CALL, {"sdp": "v=0", "turn": own}) == 400
        assert await kari.post(CALL, {"sdp": "x" * 65_537}) in {400, 413}
        assert len(offers) == 1
        assert ("call", "kari") in at.written()


async def test_the_microphone_is_allowed_on_a_vehicles_page_alone(
    broker: Broker, tmp_path: Path
) -> None:
    async with here(broker, tmp_path) as at, at.browser("kari") as page:
        for path, allowed in (("/desk", False), (f"/desk/box/{BOX}", True)):
            async with page.client.get(path) as answer:
                policy = answer.headers["Permissions-Policy"]
            assert ("microphone=(self)" in policy) == allowed
            assert "camera=()" in policy
