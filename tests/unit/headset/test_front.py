"""Between WHIP's core and media: what ends a session, and what media is told."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from edgebox.bus import Bus
from edgebox.headset.door import Lease, Refusal
from edgebox.headset.front import Front
from edgebox.headset.whip import Request, Response
from edgebox.messages.base import Fault, Message
from edgebox.messages.headset import (
    HeadsetAnswer,
    HeadsetCandidate,
    HeadsetClose,
    HeadsetEnded,
    HeadsetListen,
    HeadsetOffer,
    HeadsetVoices,
)
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import TurnCredentials
from tests.unit.headset.test_whep import hear
from tests.unit.headset.test_whip import ONE, TWO, delete, patch, post

LEASES = {"bearer-one": ONE, "bearer-two": TWO}


class Door:
    """Two devices."""

    def __init__(self) -> None:
        self.end: Callable[[Lease], None] = lambda lease: None

    def check(self, bearer: str, now: float) -> Lease | Refusal:
        return LEASES.get(bearer, Refusal("unknown"))

    def on_end(self, callback: Callable[[Lease], None]) -> None:
        self.end = callback


class Media:
    """Media's end of the bus."""

    def __init__(self) -> None:
        self.answer: HeadsetAnswer | Fault = HeadsetAnswer(sdp="v=0 answer", camera="headset-1")
        self.voices: HeadsetVoices | Fault = HeadsetVoices(sdp="v=0 voices")
        self.offers: list[HeadsetOffer] = []
        self.listens: list[HeadsetListen] = []
        self.told: list[Message] = []

    async def request(self, kind: Any, question: Any, *, timeout_s: float) -> Any:
        if isinstance(question, HeadsetListen):
            self.listens.append(question)
            return self.voices
        self.offers.append(question)
        return self.answer

    async def publish(self, topic: Any, message: Message) -> bool:
        self.told.append(message)
        return True


class Rig:
    """The box between them."""

    def __init__(self) -> None:
        self.media, self.door = Media(), Door()
        self.front = Front(cast("Bus", self.media), self.door, lambda: None)

    async def publish(self, bearer: str = "bearer-one") -> str:
        """Token of a new session."""
        response = await self.front.handle(post(bearer=bearer))
        assert response.status == 201
        return response.session

    async def listen(self, bearer: str = "bearer-one") -> str:
        """Token of a new session that hears."""
        response = await self.front.handle(hear(bearer=bearer))
        assert response.status == 201
        return response.session

    async def service(self, instance: str, state: Any) -> None:
        status = ServiceStatus(service="media", instance=instance, state=state, since_utc=0.0)
        await self.front._service(status, {})


async def test_url_of_a_session_cannot_be_guessed() -> None:
    rig = Rig()
    first, second = await rig.publish(), await rig.publish("bearer-two")
    assert len(first) == len(second) == 32
    assert len(set(first) & set(second)) < len(set(first) | set(second))
    assert {one.peer for one in rig.media.offers} == {first, second}


async def test_device_and_relay_are_told_to_media() -> None:
    rig = Rig()
    turn = TurnCredentials(username="u", password="p")
    await rig.front.handle(post(), turn)
    (offer,) = rig.media.offers
    assert (offer.device, offer.name, offer.turn) == (ONE.device, ONE.name, turn)
    assert [(one.camera, one.outside) for one in rig.front.headsets] == [("headset-1", True)]
    await rig.front.handle(post())
    assert [one.outside for one in rig.front.headsets] == [False]


async def test_expired_consent_ends_the_session() -> None:
    rig = Rig()
    token = await rig.publish()
    ended: list[tuple[str, bool]] = []
    rig.front.on_session = lambda device, begun: ended.append((device, begun))
    await rig.front._ended(HeadsetEnded(peer=token), {})
    assert not rig.front.headsets
    assert ended == [(ONE.device, False)]
    assert (await rig.front.handle(delete(token))).status == 404


@pytest.mark.parametrize(("instance", "state"), [("two", "running"), ("one", "stopped")])
async def test_restart_of_media_ends_all_sessions(instance: str, state: Any) -> None:
    rig = Rig()
    await rig.service("one", "running")
    await rig.publish()
    await rig.service("one", "degraded")
    assert len(rig.front.headsets) == 1
    await rig.service(instance, state)
    assert not rig.front.headsets


async def test_lease_that_ends_cuts_its_picture_at_once() -> None:
    rig = Rig()
    token = await rig.publish()
    await rig.publish("bearer-two")
    rig.door.end(ONE)
    await asyncio.sleep(0)
    assert rig.media.told == [HeadsetClose(peer=token)]
    assert [one.device for one in rig.front.headsets] == [TWO.device]


@pytest.mark.parametrize(
    ("reason", "status"),
    [("timeout", 503), ("unreachable", 503), ("busy", 503), ("invalid", 400), ("refused", 422)],
)
async def test_media_that_does_not_answer(reason: Any, status: int) -> None:
    rig = Rig()
    rig.media.answer = Fault(reason=reason)
    response = await rig.front.handle(post())
    assert response.status == status
    assert ("Retry-After" in response.headers) == (status == 503)
    assert rig.front.headsets == ()


async def test_candidates_and_the_end_are_told_to_media() -> None:
    rig = Rig()
    token = await rig.publish()
    assert (await rig.front.handle(patch(token))).status == 204
    assert (await rig.front.handle(delete(token))).status == 200
    candidate = "candidate:1 1 udp 1 192.0.2.1 9 typ host"
    assert rig.media.told == [
        HeadsetCandidate(peer=token, candidate=candidate),
        HeadsetClose(peer=token),
    ]


async def test_refusal_is_logged_without_the_bearer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    rig = Rig()
    response: Response = await rig.front.handle(
        Request("DELETE", "token", "", "Bearer secret-bearer")
    )
    assert response.status == 401
    assert "401" in caplog.text
    assert "secret-bearer" not in caplog.text


# What a headset hears


async def test_device_and_relay_of_who_listens_are_told_to_media() -> None:
    rig = Rig()
    turn = TurnCredentials(username="u", password="p")
    response = await rig.front.handle(hear(), turn)
    assert (response.status, response.body) == (201, "v=0 voices")
    assert response.headers["Location"] == f"/whep/{response.session}"
    (question,) = rig.media.listens
    assert (question.peer, question.device, question.turn) == (response.session, ONE.device, turn)
    assert rig.media.offers == []
    assert rig.front.headsets == (), "who listens alone is no camera"


async def test_lease_that_ends_silences_at_once() -> None:
    rig = Rig()
    token, kept = await rig.listen(), await rig.listen("bearer-two")
    rig.door.end(ONE)
    await asyncio.sleep(0)
    assert rig.media.told == [HeadsetClose(peer=token)]
    assert (await rig.front.handle(delete(token, endpoint="/whep"))).status == 404
    other = delete(kept, "bearer-two", endpoint="/whep")
    assert (await rig.front.handle(other)).status == 200


async def test_sessions_of_both_kinds_do_not_end_each_other() -> None:
    rig = Rig()
    sent, heard = await rig.publish(), await rig.listen()
    assert (await rig.front.handle(delete(heard))).status == 404, "of the other endpoint"
    assert (await rig.front.handle(delete(heard, endpoint="/whep"))).status == 200
    assert [one.device for one in rig.front.headsets] == [ONE.device]
    assert (await rig.front.handle(delete(sent))).status == 200
    assert rig.media.told == [HeadsetClose(peer=heard), HeadsetClose(peer=sent)]


async def test_expired_consent_and_restarts_end_what_is_heard() -> None:
    rig = Rig()
    token = await rig.listen()
    await rig.front._ended(HeadsetEnded(peer=token), {})
    assert (await rig.front.handle(delete(token, endpoint="/whep"))).status == 404
    token = await rig.listen()
    await rig.service("one", "stopped")
    assert (await rig.front.handle(delete(token, endpoint="/whep"))).status == 404


@pytest.mark.parametrize(
    ("reason", "status"), [("timeout", 503), ("busy", 503), ("invalid", 400), ("refused", 422)]
)
async def test_media_that_lets_nobody_hear(reason: Any, status: int) -> None:
    rig = Rig()
    rig.media.voices = Fault(reason=reason)
    assert (await rig.front.handle(hear())).status == status
