"""The media service on a real bus: session, bit rates, faults, and a kill in the middle."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebox.config import Config
from edgebox.config.media import Camera, Media
from edgebox.errors import ConfigError
from edgebox.media import service
from edgebox.media.watch import PAGES_MAX, WATCHERS_MAX
from edgebox.messages.base import Done, Fault
from edgebox.messages.bond import BOND_STATUS, BondCounters, BondStatus
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import (
    SELECT_CAMERAS,
    START_VIDEO,
    STOP_VIDEO,
    WATCH,
    WATCH_CLOSE,
    SelectCameras,
    StartVideo,
    StopVideo,
    TurnCredentials,
    WatchAnswer,
    WatchClose,
    WatchOffer,
)
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import (
    FRONT,
    REAR,
    Observer,
    admit,
    chromium_page,
    configuration,
    frames_seen,
    media_process,
    media_running,
    observing,
    watch,
)
from tests.unit.media.test_offer import CHROMIUM, HOSTILE

NOWHERE = "127.0.0.1:9"


def bond(target_bps: int, state: Any = "up") -> BondStatus:
    return BondStatus(
        at_utc=time.time(),
        state=state,
        since_utc=0,
        links=(),
        capacity_bps=target_bps,
        target_bps=target_bps,
        rtt_ms=60,
        redundancy=0,
        counters=BondCounters(),
    )


def offer(box: Observer, sdp: str = CHROMIUM, peer: str = "p1") -> WatchOffer:
    return WatchOffer(
        session=box.sessions[-1].id,
        peer=peer,
        name="Dr. Test",
        role="doctor",
        participant="person",
        sdp=sdp,
        turn=TurnCredentials(username="u", password="p"),
    )


async def refused(box: Observer, question: WatchOffer) -> Fault:
    answer = await box.bus.request(WATCH, question, timeout_s=8)
    assert isinstance(answer, Fault), answer
    return answer


async def test_session_follows_the_crew(broker: Broker) -> None:
    async with media_running(configuration(broker, NOWHERE, FRONT, REAR)) as box:
        first = box.sessions[-1]
        assert first.state == "idle"
        assert len(first.id) >= 22
        unknown = await box.bus.request(START_VIDEO, StartVideo(cameras=("nope",)))
        assert isinstance(unknown, Fault)
        assert unknown.reason == "not-found"
        asked_at = time.monotonic()
        assert await box.bus.request(START_VIDEO, StartVideo(cameras=("rear",))) == Done()
        assert time.monotonic() - asked_at < 0.5
        live = await box.until(lambda s: [c.state for c in s.cameras] == ["ready", "live"])
        assert (live.id, live.sent) == (first.id, ("rear",))
        await box.until(lambda s: s.cameras[1].bitrate_bps > 0 and s.cameras[1].fps > 20)
        select = SelectCameras(cameras=("front", "rear"))
        assert await box.bus.request(SELECT_CAMERAS, select) == Done()
        await box.until(lambda s: [c.state for c in s.cameras] == ["live", "live"])
        assert await box.bus.request(STOP_VIDEO, StopVideo()) == Done()
        after = await box.until(lambda s: s.state == "idle")
        assert after.id != first.id
        assert [c.state for c in after.cameras] == ["ready", "ready"]


async def test_the_bond_sets_the_rate_and_its_silence_leaves_it(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FIGURES_EVERY_S", 0.2)
    monkeypatch.setattr(service, "CHECK_EVERY_S", 0.25)
    large = Camera(id="large", name="Kabin", kind="pattern")
    async with media_running(configuration(broker, NOWHERE, large)) as box:
        await box.bus.publish(BOND_STATUS, bond(2_000_000))
        await box.bus.request(START_VIDEO, StartVideo())
        await box.until(lambda s: s.cameras[0].bitrate_bps > 1_000_000)
        await box.bus.publish(BOND_STATUS, bond(400_000))
        await box.until(lambda s: 0 < s.cameras[0].bitrate_bps < 500_000, 4)
        await box.bus.publish(BOND_STATUS, bond(0, "down"))
        count = len(box.sessions)
        await asyncio.sleep(1.5)
        assert all(s.cameras[0].bitrate_bps < 600_000 for s in box.sessions[count:])


async def test_who_may_not_watch_is_told_why(broker: Broker) -> None:
    async with media_running(configuration(broker, NOWHERE)) as box:
        await admit(box)
        assert (await refused(box, offer(box))).reason == "refused", "idle"
        await box.bus.request(START_VIDEO, StartVideo())
        await box.until(lambda s: s.state == "live")
        stale = msgspec.structs.replace(offer(box), session="old")
        assert (await refused(box, stale)).reason == "refused"
        for sdp in HOSTILE.values():
            if len(sdp) <= 65_536:
                assert (await refused(box, offer(box, sdp))).reason == "invalid"
        audio = CHROMIUM.replace("m=video", "m=audio")
        assert (await refused(box, offer(box, audio))).reason == "invalid"
        asked_at = time.monotonic()
        assert (await refused(box, offer(box))).reason == "unreachable"
        assert time.monotonic() - asked_at < 4
        assert (await box.until(lambda s: not s.watchers)).state == "live"


async def test_a_second_offer_replaces_the_first_and_closing_ends_both(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.media.aiortc_hooks.turn.TURN_REACH_S", 1.0)
    async with media_running(configuration(broker, NOWHERE)) as box:
        await box.bus.request(START_VIDEO, StartVideo())
        await box.until(lambda s: s.state == "live")
        await admit(box)
        first = asyncio.create_task(refused(box, offer(box)))
        await box.until(lambda s: len(s.watchers) == 1)
        second = asyncio.create_task(refused(box, offer(box)))
        await asyncio.sleep(0.2)
        assert len(box.sessions[-1].watchers) == 1
        await box.bus.publish(WATCH_CLOSE, WatchClose(peer="p1"))
        await box.until(lambda s: not s.watchers)
        assert {(await first).reason, (await second).reason} <= {
            "refused",
            "invalid",
            "unreachable",
        }


async def test_no_more_watchers_than_the_limit(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.media.aiortc_hooks.turn.TURN_REACH_S", 1.0)
    async with media_running(configuration(broker, NOWHERE)) as box:
        await box.bus.request(START_VIDEO, StartVideo())
        await box.until(lambda s: s.state == "live")
        people = [f"p{number}" for number in range(WATCHERS_MAX + 1)]
        for person in people:
            await admit(box, person)
        offers = [
            msgspec.structs.replace(offer(box, peer=person), participant=person)
            for person in people
        ]
        asked = [asyncio.create_task(refused(box, one)) for one in offers]
        reasons = [(await one).reason for one in asked]
        assert reasons.count("busy") == 1
        assert reasons.count("unreachable") == WATCHERS_MAX


async def test_one_person_cannot_take_all_places_nor_anothers(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.media.aiortc_hooks.turn.TURN_REACH_S", 1.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silence = f"127.0.0.1:{silent.getsockname()[1]}"
        await take_places(configuration(broker, silence))


async def take_places(config: Config) -> None:
    async with media_running(config) as box:
        await box.bus.request(START_VIDEO, StartVideo())
        await box.until(lambda s: s.state == "live")
        await admit(box)
        await admit(box, "other")
        asked = [
            asyncio.create_task(refused(box, offer(box, peer=f"p{number}")))
            for number in range(PAGES_MAX + 1)
        ]
        session = await box.until(lambda s: len(s.watchers) == PAGES_MAX)
        taken = session.watchers[0].peer
        stolen = msgspec.structs.replace(offer(box, peer=taken), participant="other")
        assert (await refused(box, stolen)).reason == "refused"
        reasons = [(await one).reason for one in asked]
        assert reasons.count("busy") == 1
        assert reasons.count("unreachable") == PAGES_MAX


async def test_a_missing_camera_degrades_and_the_others_go_on(
    broker: Broker, tmp_path: Path
) -> None:
    gone = Camera(id="film", name="Film", kind="file", source="nothing.mp4")
    config = configuration(broker, NOWHERE, FRONT, gone, directory=str(tmp_path))
    states: list[ServiceStatus] = []

    async def keep(status: ServiceStatus, keys: dict[str, str]) -> None:
        states.append(status)

    task = asyncio.create_task(service.run(config))
    try:
        async with observing(config) as box:
            await box.bus.subscribe(SERVICE_STATUS, keep)
            session = await box.until(lambda s: [c.state for c in s.cameras] == ["ready", "absent"])
            assert "put it there" in session.cameras[1].detail
            assert await box.bus.request(START_VIDEO, StartVideo()) == Done()
            await box.until(lambda s: [c.state for c in s.cameras] == ["live", "absent"])
            assert states[-1].state == "degraded"
            assert "Film" in states[-1].detail
            assert "running" in [status.state for status in states], "systemd was told ready"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    "media",
    [Media(preview_listen="0.0.0.0:8081"), Media(turn="[::1]:3478")],
)
async def test_unsafe_configuration_refuses_to_start(broker: Broker, media: Media) -> None:
    config = msgspec.structs.replace(configuration(broker, NOWHERE), media=media)
    with pytest.raises(ConfigError):
        await service.run(config)


async def test_a_taken_port_says_so(broker: Broker) -> None:
    config: Config = configuration(broker, NOWHERE)
    async with media_running(config):
        with pytest.raises(ConfigError, match="cannot listen"):
            await service.run(config)


def children(pid: int) -> list[int]:
    """Processes started by `pid` (proc_pid_task(5))."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def alive(pid: int) -> bool:
    """Runs; one that nobody has waited for yet does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.browser
async def test_a_killed_service_goes_on_with_the_same_session(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    config = configuration(broker, turn_server.address, FRONT, REAR)
    process = await media_process(config, tmp_path)
    try:
        async with observing(config) as box, chromium_page() as page:
            await box.until(lambda s: all(c.state == "ready" for c in s.cameras))
            assert await box.bus.request(START_VIDEO, StartVideo(cameras=("rear",))) == Done()
            before = await box.until(lambda s: s.state == "live")
            assert isinstance(await watch(box, page, turn_server), WatchAnswer)
            await frames_seen(page, "p1", {"0"})
            encoders = children(process.pid)
            assert len(encoders) == 3, "two cameras and sound"
            process.kill()
            await process.wait()
            killed_at = time.monotonic()
            process = await media_process(config, tmp_path)
            after = await box.until(lambda s: s.instance != before.instance)
            assert not any(alive(pid) for pid in encoders)
            assert (after.id, after.state, after.sent) == (before.id, "live", ("rear",))
            assert after.since_utc == before.since_utc
            # The page sees a new instance and offers anew, as the same peer.
            answer = await watch(box, page, turn_server)
            assert isinstance(answer, WatchAnswer), answer
            assert [stream.camera for stream in answer.streams] == ["rear"]
            await frames_seen(page, "p1", {"0"})
            assert time.monotonic() - killed_at < 5
    finally:
        process.terminate()
        await process.wait()
    assert process.returncode == 0
