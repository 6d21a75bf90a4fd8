"""Sound both ways and guests' own cameras: real broker, TURN server, Chromium, sound process."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession
from playwright.async_api import Page

from edgebox.config import Config
from edgebox.config.media import Loudspeaker, Microphone
from edgebox.messages.base import Done, Fault, Role
from edgebox.messages.session import (
    MUTE_CABIN,
    MUTE_GUEST,
    START_VIDEO,
    STOP_VIDEO,
    GuestMuted,
    MuteCabin,
    StartVideo,
    StopVideo,
    WatchAnswer,
)
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import (
    admit,
    chromium_page,
    configuration,
    frames_seen,
    media_running,
)
from tests.integration.sound_page import (
    CALL_FLAGS,
    CALL_JS,
    beeps_heard,
    beeps_played,
    call,
)

pytestmark = pytest.mark.browser


def with_sound(broker: Broker, turn: TurnServer, heard: Path) -> Config:
    """A box whose microphone beeps and whose loudspeaker writes to a file."""
    config = configuration(broker, turn.address)
    media = msgspec.structs.replace(
        config.media,
        microphone=Microphone(kind="tone"),
        loudspeaker=Loudspeaker(kind="file", source=str(heard)),
    )
    return msgspec.structs.replace(config, media=media)


async def test_cabin_and_doctor_hear_each_other_until_muted(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    config = with_sound(broker, turn_server, heard)
    url = f"http://{config.media.preview_listen}/"
    async with media_running(config) as box, chromium_page(*CALL_FLAGS, url=url) as page:
        await page.evaluate("() => {" + CALL_JS + "}")
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
        session = await box.until(lambda s: s.state == "live")
        assert (session.sound.microphone, session.sound.loudspeaker) == ("live", "live")
        answer = await call(box, page, turn_server, sections=1)
        assert isinstance(answer, WatchAnswer), answer
        await frames_seen(page, "p1", {"0"})
        times = await beeps_heard(page, "p1", 2)
        assert all((at + 0.02) % 1 < 0.5 for at in times), times
        await box.until(
            lambda s: (
                [(w.state, w.hears, w.speaks) for w in s.watchers] == [("connected", True, True)]
            )
        )
        async with asyncio.timeout(10):
            while len([at for at in beeps_played(heard) if at % 1 < 0.5]) < 2:
                await asyncio.sleep(0.1)

        assert await box.bus.request(MUTE_CABIN, MuteCabin(muted=True)) == Done()
        muted_utc = time.time()
        session = await box.until(lambda s: s.sound.muted)
        assert not session.watchers[0].hears
        await asyncio.sleep(2.5)
        late = await beeps_heard(page, "p1", 0, since_utc=muted_utc + 0.4)
        assert late == [], "nothing of a muted cabin is heard"

        assert await box.bus.request(MUTE_CABIN, MuteCabin(muted=False)) == Done()
        await beeps_heard(page, "p1", 1, since_utc=time.time())

        silence = GuestMuted(participant="person", muted=True)
        assert await box.bus.request(MUTE_GUEST, silence) == Done()
        silent_utc = time.time()
        await box.until(lambda s: s.watchers[0].silenced and not s.watchers[0].speaks)
        await asyncio.sleep(1.5)
        assert [at for at in beeps_played(heard) if at > silent_utc + 0.4] == []


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_guests_camera_is_shown_on_the_panel_as_it_was_encoded(
    broker: Broker, turn_server: TurnServer, tmp_path: Path, codec: str
) -> None:
    config = with_sound(broker, turn_server, tmp_path / "heard")
    url = f"http://{config.media.preview_listen}/"
    guest_url = f"{url}guest/p1"
    async with media_running(config) as box, chromium_page(*CALL_FLAGS, url=url) as page:
        await page.evaluate("() => {" + CALL_JS + "}")
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
        await box.until(lambda s: s.state == "live")
        answer = await call(box, page, turn_server, role="bystander", guest="dark", codec=codec)
        assert isinstance(answer, WatchAnswer), answer
        assert answer.streams == (), "a bystander sees nothing"
        await box.until(lambda s: [w.speaks for w in s.watchers] == [True])
        assert not box.sessions[-1].watchers[0].shows
        assert await post(page, guest_url) == 409, "no picture comes in yet"
        # Switching the camera on takes no new offer.
        await page.evaluate("() => peers.p1.eye.replaceTrack(eye())")
        await box.until(lambda s: s.watchers[0].shows)
        assert await post(page, guest_url) == 201
        await frames_seen(page, "guest", {"0"})
        assert await page.evaluate("() => peers.guest.pc.getReceivers().length") == 1
        received = await page.evaluate(RECEIVED_CODEC, "guest")
        assert received == f"video/{codec}"
        await page.evaluate("() => peers.p1.eye.replaceTrack(null)")
        await box.until(lambda s: not s.watchers[0].shows)


RECEIVED_CODEC = """async (name) => {
  const stats = await peers[name].pc.getStats();
  for (const one of stats.values()) {
    if (one.type === "inbound-rtp") return stats.get(one.codecId).mimeType;
  }
}"""


async def post(page: Page, url: str) -> int:
    """WHEP, as the panel does; the page's own origin is not the panel's, so the test asks."""
    sdp = await page.evaluate("() => makeOffer('guest', 1, null)")
    async with ClientSession() as http:
        headers = {"Content-Type": "application/sdp"}
        async with http.post(url, data=sdp, headers=headers) as response:
            if response.status == 201:
                answer = await response.text()
                await page.evaluate("(sdp) => takeAnswer('guest', sdp)", answer)
            return response.status


async def test_roles_get_and_give_no_more_than_theirs(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = with_sound(broker, turn_server, tmp_path / "heard")
    url = f"http://{config.media.preview_listen}/"
    async with media_running(config) as box, chromium_page(*CALL_FLAGS, url=url) as page:
        await page.evaluate("() => {" + CALL_JS + "}")
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
        await box.until(lambda s: s.state == "live")
        everything = {"sections": 1, "sound": "sendrecv", "guest": "camera"}
        expected: dict[Role, list[str]] = {
            "doctor": ["video sendonly", "audio sendrecv", "video recvonly"],
            "observer": ["video sendonly", "audio sendonly", "video inactive"],
            "interpreter": ["video inactive", "audio sendrecv", "video inactive"],
            "bystander": ["video inactive", "audio sendrecv", "video recvonly"],
        }
        for role, sections in expected.items():
            answer = await call(
                box, page, turn_server, peer=role, participant=role, role=role, **everything
            )
            assert isinstance(answer, WatchAnswer), answer
            assert directions(answer.sdp) == sections, role
        shut_out: tuple[Role, ...] = ("pilot", "technician")
        for role in shut_out:
            answer = await call(
                box, page, turn_server, peer=role, participant=role, role=role, **everything
            )
            assert isinstance(answer, Fault), "no camera of the box shows the outside"
            assert answer.reason == "refused"
        session = await box.until(
            lambda s: len([w for w in s.watchers if w.state == "connected"]) == 4
        )
        session = await box.until(
            lambda s: (
                {w.role for w in s.watchers if w.speaks} == {"doctor", "interpreter", "bystander"}
            )
        )
        assert {w.role for w in session.watchers if w.hears} == set(expected)
        # Two guests hear each other, and the observer hears all of them.
        await asyncio.sleep(1)
        for role in expected:
            assert await beeps_heard(page, role, 1)


def directions(sdp: str) -> list[str]:
    """Kind and direction of each section."""
    found: list[str] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            found.append(line[2:].split()[0])
        elif line in {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}:
            found[-1] += " " + line[2:]
    return found


async def test_a_mute_outlives_the_service_and_ends_with_the_session(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = with_sound(broker, turn_server, tmp_path / "heard")
    async with media_running(config) as box:
        assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
        await admit(box)
        assert await box.bus.request(MUTE_CABIN, MuteCabin(muted=True)) == Done()
        silence = GuestMuted(participant="person", muted=True)
        assert await box.bus.request(MUTE_GUEST, silence) == Done()
        stranger = GuestMuted(participant="nobody", muted=True)
        assert isinstance(await box.bus.request(MUTE_GUEST, stranger), Fault)
        before = await box.until(lambda s: s.sound.muted and s.silenced == ("person",))
    async with media_running(config) as box:
        after = await box.until(lambda s: s.instance != before.instance and s.sound.muted)
        assert (after.state, after.silenced) == ("live", ("person",))
        assert await box.bus.request(STOP_VIDEO, StopVideo()) == Done()
        session = await box.until(lambda s: s.state == "idle")
        assert (session.sound.muted, session.silenced) == (False, ())
