"""The technician's call at the level of RTP: real broker, TURN server, sound process.

The microphone hears something all the time; what is counted is every packet that reaches the
technician.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from edgebox.media.sound.device import HEADER
from edgebox.media.talk import SILENT_S
from edgebox.messages.base import Done, Fault
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import (
    START_VIDEO,
    STOP_VIDEO,
    WATCH,
    StartVideo,
    StopVideo,
    WatchOffer,
)
from edgebox.messages.support import SUPPORT_SESSION, SupportSession
from edgebox.messages.support_call import (
    CALL_OFFER,
    CALL_STATUS,
    TALK,
    CallOffer,
    CallOpened,
    CallState,
    CallStatus,
    Talk,
)
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import Observer, admit, media_running
from tests.integration.technician_peer import TechnicianPeer, technician, tone_level
from tests.integration.test_media_sound import with_sound

QUIET_S = 0.3
"""Nothing may come for so long; sound comes 50 times a second."""
UNDER_WAY_S = 0.15
"""What had left before the button was let go of."""


class Here:
    """Support and panel, played by the test."""

    def __init__(self, box: Observer):
        self.box = box
        self.status = CallStatus()

    async def take(self, status: CallStatus, keys: dict[str, str]) -> None:
        self.status = status

    async def say(self, call: CallState, session: str = "s1") -> None:
        """Support's word."""
        said = SupportSession(state="active", id=session, technician="Kari", serial="AA", call=call)
        await self.box.bus.publish(SUPPORT_SESSION, said)

    async def offer(self, peer: TechnicianPeer, session: str = "s1") -> CallOpened | Fault:
        question = CallOffer(session=session, sdp=await peer.offer(), turn=peer.turn)
        return await self.box.bus.request(CALL_OFFER, question, timeout_s=8)

    async def connect(self, peer: TechnicianPeer) -> None:
        answer = await self.offer(peer)
        assert isinstance(answer, CallOpened), answer
        await peer.accept(answer.sdp)
        await self.until(lambda: self.status.state == "connected" and self.status.can_speak)

    async def until(self, holds: Callable[[], object], timeout_s: float = 10) -> None:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.01)

    async def word(self, press: str, *, held: bool = True, session: str = "s1") -> None:
        """The panel's."""
        await self.box.bus.publish(TALK, Talk(session=session, press=press, held=held))

    @asynccontextmanager
    async def holding(self, press: str = "") -> AsyncIterator[str]:
        """The panel says it again and again; at the end nobody lets go."""
        press = press or secrets.token_hex(8)

        async def beat() -> None:
            while True:
                await self.word(press)
                await asyncio.sleep(0.3)

        beating = asyncio.create_task(beat())
        try:
            yield press
        finally:
            beating.cancel()

    async def is_quiet(self, peer: TechnicianPeer, from_s: float = 0.0) -> None:
        """Not one packet."""
        at = time.monotonic() + from_s
        await asyncio.sleep(from_s + QUIET_S)
        assert peer.since(at) == 0


@asynccontextmanager
async def running(
    broker: Broker, turn: TurnServer, directory: Path
) -> AsyncIterator[tuple[Here, Path]]:
    heard = directory / "heard"
    async with media_running(with_sound(broker, turn, heard)) as box:
        here = Here(box)
        await box.bus.subscribe(CALL_STATUS, here.take)
        yield here, heard


def played(heard: Path) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    """The newest half second from the loudspeaker."""
    data = heard.read_bytes()[len(HEADER.format(0)) :]
    usable = data[: len(data) // 2 * 2]
    return np.frombuffer(usable, np.int16)[-24_000:]


async def test_the_technician_hears_the_cabin_while_the_button_is_held_and_never_else(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    async with (
        running(broker, turn_server, tmp_path) as (here, heard),
        technician(turn_server, greedy=True) as greedy,
        technician(turn_server) as peer,
    ):
        await here.say("open")
        # Pictures and data that are asked for as well are refused (RFC 9429, 5.3.1: port 0).
        answer = await here.offer(greedy)
        assert isinstance(answer, CallOpened), answer
        sections = re.findall(r"^m=(\w+) (\d+)", answer.sdp, re.MULTILINE)
        refused = [kind for kind, port in sections if port == "0"]
        assert (len(sections), refused) == (4, ["video", "video", "application"])
        await here.connect(peer)
        await here.is_quiet(peer)
        await here.until(lambda: tone_level(played(heard)) > 1000)
        await here.until(lambda: here.status.voice)

        async with here.holding() as press:
            await here.until(lambda: here.status.microphone)
            await here.until(lambda: len(peer.packets) > 20 and len(peer.loud_at) > 2)
            await here.word(press, held=False)
            await here.until(lambda: not here.status.microphone)
            # What is still said of a press that is over opens nothing.
            await here.is_quiet(peer, UNDER_WAY_S)

        # The panel falls silent: a second later nothing leaves any more.
        async with here.holding():
            await here.until(lambda: here.status.microphone)
        ended_at = time.monotonic()
        await here.until(lambda: not here.status.microphone)
        assert time.monotonic() - ended_at < SILENT_S + 0.5
        await here.is_quiet(peer, UNDER_WAY_S)

        # A word for another session is none.
        await here.word(secrets.token_hex(8), session="s0")
        await here.is_quiet(peer)


async def test_a_doctors_session_ends_the_call_and_the_technician_gets_nothing_of_it(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    async with (
        running(broker, turn_server, tmp_path) as (here, _),
        technician(turn_server) as peer,
        technician(turn_server) as other,
    ):
        box = here.box
        await here.say("open")
        await here.connect(peer)
        async with here.holding():
            await here.until(lambda: here.status.microphone)
            await here.until(lambda: len(peer.packets) > 5)
            assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
            await here.until(lambda: here.status.state == "none")
            await here.is_quiet(peer, UNDER_WAY_S)
        refused = await here.offer(other)
        assert isinstance(refused, Fault)
        assert (refused.reason, refused.text) == ("refused", "video-on")

        # Let in by mistake, the role gets nothing of the session either.
        await admit(box, "kari", "technician")
        question = WatchOffer(
            session=box.sessions[-1].id,
            peer="kari",
            name="Kari",
            role="technician",
            participant="kari",
            sdp=other.pc.localDescription.sdp,
            turn=other.turn,
        )
        answer = await box.bus.request(WATCH, question, timeout_s=8)
        assert isinstance(answer, Fault)
        assert answer.reason == "refused"
        assert await box.bus.request(STOP_VIDEO, StopVideo()) == Done()
        await box.until(lambda s: s.state == "idle")
        await here.is_quiet(peer)


async def test_without_supports_word_there_is_no_call_and_with_its_end_none_is_left(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    async with (
        running(broker, turn_server, tmp_path) as (here, heard),
        technician(turn_server) as peer,
        technician(turn_server) as again,
        technician(turn_server) as late,
    ):
        for state in ("off", "asked", "calling"):
            await here.say(state)
            answer = await here.offer(peer)
            assert isinstance(answer, Fault)
            assert answer.text == "no-call", state
        await here.say("open", "s2")
        assert isinstance(await here.offer(peer), Fault), "another session's"

        await here.say("open")
        await here.connect(peer)
        async with here.holding():
            await here.until(lambda: len(peer.packets) > 5)
            await here.say("off")
            await here.until(lambda: here.status.state == "none")
            await here.is_quiet(peer, UNDER_WAY_S)
        await here.until(lambda: tone_level(played(heard)) < 100)

        # The support service dies: what it granted dies with it.
        await here.say("open")
        await here.connect(again)
        async with here.holding():
            await here.until(lambda: len(again.packets) > 5)
            gone = ServiceStatus(service="support", instance="i", state="stopped", since_utc=0.0)
            await here.box.bus.publish(SERVICE_STATUS, gone, service="support")
            await here.until(lambda: here.status.state == "none")
            await here.is_quiet(again, UNDER_WAY_S)
        await here.say("open")
        refused = await here.offer(late)
        assert isinstance(refused, Fault), "what it last said stays on the broker"
        assert refused.text == "no-call"
