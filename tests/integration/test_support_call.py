"""The call at the level of the bus: who may ask, who must answer, what ends it, what is written.

Crew, hub and media are played by the test.
"""

import asyncio
import time
from pathlib import Path

import msgspec

from edgebox.messages.base import Done, Fault
from edgebox.messages.session import MediaSession, TurnCredentials
from edgebox.messages.support import END_SUPPORT, EndSupport, Leave
from edgebox.messages.support_call import (
    CALL_OFFER,
    CALL_STATUS,
    HANG_UP,
    TAKE_CALL,
    AskCall,
    CallOffer,
    CallOpened,
    CallStatus,
    EndCall,
    HangUp,
    OpenCall,
    TakeCall,
)
from tests.conftest import Broker
from tests.integration.support_rig import OLA, Rig, rig

OPEN = OpenCall(sdp="v=0", turn=TurnCredentials(username="u", password="p"))
NO_CALL = Fault(reason="refused", text="no-call")
VIDEO_ON = Fault(reason="refused", text="video-on")


class Media:
    """What reaches media, and its word."""

    def __init__(self, box: Rig):
        self.box = box
        self.offers: list[CallOffer] = []

    async def answer(self, offer: CallOffer, keys: dict[str, str]) -> CallOpened:
        self.offers.append(offer)
        return CallOpened(sdp="answer")

    async def say(self, *, connected: bool = True, microphone: bool = False) -> None:
        status = CallStatus(
            session=self.box.session.id,
            state="connected" if connected else "none",
            microphone=microphone,
        )
        await self.box.crew.publish(CALL_STATUS, status)


async def media_of(box: Rig) -> Media:
    box.heard.receive_session(media_session("idle"))
    media = Media(box)
    await box.crew.serve(CALL_OFFER, media.answer)
    return media


def media_session(state: str) -> MediaSession:
    """What media says."""
    fields = {"id": "s", "since_utc": time.time(), "instance": "m1", "cameras": (), "sent": ()}
    return msgspec.convert({"type": "MediaSession", "state": state, **fields}, MediaSession)


async def take(box: Rig, session: str = "") -> Done | Fault:
    return await box.crew.request(TAKE_CALL, TakeCall(id=session or box.session.id))


def written(box: Rig) -> list[tuple[str, str, str]]:
    """What of calls is in the trail: what, who, detail."""
    return [(one.what, one.who, one.detail) for one in box.written() if "call" in one.what]


async def test_a_call_is_asked_for_answered_connected_ended_and_written(
    broker: Broker, tmp_path: Path
) -> None:
    async with rig(broker, tmp_path) as box:
        media = await media_of(box)
        assert await take(box, "s1") == Fault(reason="not-found", text="no-session")
        await box.grant()
        assert await box.order(OPEN) == NO_CALL
        assert await box.order(AskCall()) == Done()
        await box.until(call="asked", doing="call-ask")
        assert await box.order(OPEN) == NO_CALL, "nobody has answered"
        assert await take(box, "another") == Fault(reason="not-found", text="no-session")
        assert await take(box) == Done()
        await box.until(call="open")
        assert await box.order(OPEN) == CallOpened(sdp="answer")
        assert media.offers == [CallOffer(session=box.session.id, sdp="v=0", turn=OPEN.turn)]

        await media.say()
        await media.say(microphone=True)
        await box.until(call_microphone=True)
        await media.say()
        await box.until(call_microphone=False)
        assert await box.order(EndCall()) == Done()
        await box.until(call="off", call_ended="technician", state="active")
        assert await box.order(OPEN) == NO_CALL
        kari = [one for one in written(box) if one[1] == "Kari"]
        assert [one for one in kari if "-" in one[0]] == [
            ("call-ask", "Kari", ""),
            ("call-asked", "Kari", "by the technician"),
            ("call-answered", "Kari", "by the crew"),
            ("call-end", "Kari", ""),
            ("call-ended: technician", "Kari", "the cabin was heard 1 times, 0 s"),
        ]


async def test_the_crew_calls_and_hangs_up(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await media_of(box)
        await box.grant()
        assert await take(box) == Done()
        await box.until(call="calling")
        assert await box.order(OPEN) == NO_CALL
        assert await box.order(AskCall()) == Done()
        await box.until(call="open")
        assert await box.crew.request(HANG_UP, HangUp()) == Done()
        await box.until(call="off", call_ended="crew", state="active")


async def test_nobody_else_and_no_other_session_has_a_call(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        media = await media_of(box)
        assert await box.order(AskCall(), session="s1") == Fault(
            reason="refused", text="no-session"
        )
        await box.grant()
        for deed in (AskCall(), OPEN, EndCall()):
            answer = await box.order(deed, serial=OLA)
            assert answer == Fault(reason="refused", text="other-technician")
            answer = await box.order(deed, session="other")
            assert answer == Fault(reason="refused", text="other-session")
        session = box.session.id
        assert await box.order(AskCall()) == Done()
        assert await take(box) == Done()
        await box.until(call="open")
        await box.crew.request(END_SUPPORT, EndSupport())
        await box.until(state="off", call="off")
        assert await box.order(OPEN, session=session) == Fault(reason="refused", text="no-session")
        assert ("call-ended: session", "Kari") in [(one[0], one[1]) for one in written(box)]

        await box.grant()
        assert (box.session.call, box.session.call_ended) == ("off", "")
        assert await box.order(OPEN) == NO_CALL, "the last session's answer is good for nothing"
        assert await box.order(Leave()) == Done()
        assert media.offers == []
        refused = [one for one in box.written() if one.what == "refused"]
        assert len([one for one in refused if "call" in one.detail]) == 8


async def test_a_doctors_call_is_never_disturbed(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        media = await media_of(box)
        await box.grant()
        box.heard.receive_session(media_session("live"))
        assert await box.order(AskCall()) == VIDEO_ON
        assert await take(box) == VIDEO_ON
        assert box.session.call == "off"
        box.heard.receive_session(media_session("idle"))
        assert await box.order(AskCall()) == Done()
        assert await take(box) == Done()
        await box.until(call="open")
        box.heard.receive_session(media_session("live"))
        await box.until(call="off", call_ended="video", state="active")
        assert await box.order(OPEN) == NO_CALL
        assert media.offers == []


async def test_what_cannot_be_written_down_is_no_call(broker: Broker, tmp_path: Path) -> None:
    async with rig(broker, tmp_path) as box:
        await media_of(box)
        await box.grant()
        box.audit.unlink()
        box.audit.mkdir()
        assert await take(box) == Fault(reason="failed", text="the audit trail cannot be written")
        await asyncio.sleep(0)
        assert box.session.call == "off"
