"""Who hears remote help on a headset: answers, how many, and what ends them."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock

import pytest

from edgebox.config import Config
from edgebox.config.headset import Headset
from edgebox.config.media import Media
from edgebox.media.closing import Closing
from edgebox.media.headset_voices import HEADSETS_MAX, Listeners, Way
from edgebox.media.publisher import CANDIDATES_MAX
from edgebox.media.sound import records
from edgebox.media.sound.cabin import Cabin
from edgebox.messages.base import Fault
from edgebox.messages.headset import HeadsetCandidate, HeadsetListen, HeadsetVoices
from edgebox.messages.session import TurnCredentials
from tests.unit.headset.test_whep import LISTEN

FINE = LISTEN.replace("a=fingerprint", "a=setup:actpass\r\na=fingerprint")
TURN = TurnCredentials(username="u", password="p")


class Rig:
    """Cabin without a process, and the listeners."""

    def __init__(self, listen: str = "127.0.0.1:8443"):
        config = Config(headset=Headset(listen=listen), media=Media(turn="127.0.0.1:9"))
        self.cabin = Cabin(config.media, "", lambda: None)
        self.closing = Closing()
        self.ended: list[str] = []
        self.listeners = Listeners(Way(config), self.cabin, self.closing, self.ended.append)

    @property
    def mixes(self) -> tuple[int, ...]:
        """Ordered of the sound process."""
        return self.cabin._orders.mixes

    async def ask(self, peer: str, sdp: str = FINE, device: str = "") -> HeadsetVoices | Fault:
        question = HeadsetListen(peer=peer, device=device or f"of-{peer}", sdp=sdp)
        return await self.listeners.offer(question)


@contextlib.asynccontextmanager
async def rig(listen: str = "127.0.0.1:8443") -> AsyncIterator[Rig]:
    one = Rig(listen)
    yield one
    one.listeners.finish()
    await one.closing.finish()
    assert one.mixes == (), "nobody is left who hears"


async def test_answer_sends_one_sound_and_takes_nothing() -> None:
    async with rig() as one:
        answer = await one.ask("p1")
        assert isinstance(answer, HeadsetVoices)
        lines = answer.sdp.splitlines()
        assert [line.split()[0] for line in lines if line.startswith("m=")] == ["m=audio"]
        assert "a=sendonly" in lines
        assert not {"a=sendrecv", "a=recvonly"} & set(lines)
        candidates = {line.split()[4] for line in lines if line.startswith("a=candidate:")}
        assert candidates == {"127.0.0.1"}


async def test_all_share_the_mix_of_remote_help_alone() -> None:
    async with rig() as one:
        await one.ask("p1")
        await one.ask("p2")
        assert one.mixes == (records.FAR,)


async def test_what_it_says_on_this_connection_is_heard_by_nobody() -> None:
    async with rig() as one:
        await one.ask("p1")
        (voice,) = one.cabin._voices.values()
        voice.take(1, 960, b"opus")
        assert voice.dropped == 1
        assert one.cabin._orders.speaking == ()


async def test_close_silences_at_once() -> None:
    async with rig() as one:
        await one.ask("p1")
        one.listeners.close("p1")
        assert one.mixes == ()
        assert one.ended == ["p1"]
        one.listeners.close("p1")
        assert one.ended == ["p1"]


async def test_a_device_hears_on_its_newest_connection_alone() -> None:
    async with rig() as one:
        await one.ask("p1", device="d")
        await one.ask("p2", device="d")
        assert one.ended == ["p1"]
        assert len(one.cabin._voices) == 1


async def test_too_many_are_busy_and_leave_nothing_behind() -> None:
    async with rig() as one:
        for number in range(HEADSETS_MAX):
            assert isinstance(await one.ask(f"p{number}"), HeadsetVoices)
        refused = await one.ask("more")
        assert isinstance(refused, Fault)
        assert refused.reason == "busy"
        assert len(one.cabin._voices) == HEADSETS_MAX


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        ("v=0", "invalid"),
        (FINE.replace("opus/48000/2", "PCMU/8000"), "refused"),
        (FINE.replace("a=recvonly", "a=sendonly"), "refused"),
    ],
)
async def test_what_cannot_be_answered(sdp: str, reason: str) -> None:
    async with rig() as one:
        answer = await one.ask("p1", sdp)
        assert isinstance(answer, Fault)
        assert answer.reason == reason


async def test_without_an_access_point_nobody_hears_on_one() -> None:
    async with rig(listen="") as one:
        answer = await one.ask("p1")
        assert isinstance(answer, Fault)
        assert answer.reason == "refused"


async def test_candidates_count_only_from_outside_and_only_so_many() -> None:
    async with rig() as one:
        await one.ask("p1")
        candidate = "candidate:1 1 udp 1 192.0.2.1 9 typ relay raddr 0.0.0.0 rport 0"
        listener = one.listeners._listeners["p1"]
        tried: list[Any] = []
        pc: Any = listener.connection._pc
        pc.addIceCandidate = AsyncMock(side_effect=tried.append)
        await one.listeners.candidate(HeadsetCandidate(peer="p1", candidate=candidate))
        assert not tried
        listener.outside = True
        for _ in range(CANDIDATES_MAX + 5):
            await one.listeners.candidate(HeadsetCandidate(peer="p1", candidate=candidate))
        await one.listeners.candidate(HeadsetCandidate(peer="p1", candidate="junk"))
        await one.listeners.candidate(HeadsetCandidate(peer="p9", candidate=candidate))
        assert len(tried) == CANDIDATES_MAX


def test_who_listens_near_is_sent_sound_only_while_remote_help_speaks() -> None:
    cabin = Cabin(Media(), "", lambda: None)
    cabin.set_live(True)
    wearer = cabin.join(hears=False, speaks=True, near=True)
    ear = cabin.join(hears=True, speaks=False, near=True)
    assert wearer is not None
    assert ear is not None
    ear.sink = lambda sound: None
    told = [ear.is_sent_sound]
    doctor = cabin.join(hears=True, speaks=True)
    assert doctor is not None
    told.append(ear.is_sent_sound)
    doctor.silence(True)
    told.append(ear.is_sent_sound)
    assert told == [False, True, False]
