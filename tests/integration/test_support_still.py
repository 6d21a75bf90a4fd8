"""A camera's figures and its one still, at the level of the bus: who gets what, and by whose word.

Media's cameras, their encoder processes and the crew's seal are real; the technician is the test.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.media import Camera
from edgebox.config.panel import Panel
from edgebox.host.seal import Seal
from edgebox.media import technician_still
from edgebox.media.encoder import Encoder
from edgebox.media.session import Session
from edgebox.media.technician_still import StillDoor
from edgebox.messages.base import Done, Fault
from edgebox.messages.session import MediaSession
from edgebox.messages.support import END_SUPPORT, SUPPORT_SESSION, EndSupport
from edgebox.messages.support_still import (
    ALLOW_STILL,
    FETCH_STILL,
    JPEG_MAX,
    AskStill,
    CameraFigures,
    CameraStill,
    FetchStill,
    StillGrant,
    TakeStill,
    TestCamera,
    sealed_parts,
)
from edgebox.panel.still import allow_still
from edgebox.panel.support import SupportDesk
from tests.conftest import Broker
from tests.integration.support_rig import BOX, KARI, OLA, Rig, rig
from tests.integration.test_daemons import eventually

MEDIA = "m1"
NOT_ALLOWED = Fault(reason="refused", text="camera-not-allowed")


@dataclass
class Vehicle:
    """The box with its cameras, and the panel's part in it."""

    box: Rig
    media: Bus
    video: Session
    seal: Seal
    panel: SupportDesk

    async def tap(self, camera: str = "front", seal: Seal | None = None) -> Done | Fault:
        """The crew allows what they are shown."""
        await eventually(lambda: self.panel.wish is not None)
        session = self.box.session.id
        key = seal or self.seal
        return await allow_still(self.box.crew, key, self.panel, session, KARI, camera)

    async def wish(self, camera: str = "front") -> None:
        assert await self.box.order(AskStill(camera=camera)) == Done()
        await self.box.until(still="asked", still_camera=camera)

    def refusals(self) -> list[str]:
        return [one.detail for one in self.box.written() if one.what == "refused"]

    def grant(self, **changes: str) -> StillGrant:
        plain = StillGrant(
            id="g1",
            instance=MEDIA,
            session=self.box.session.id,
            serial=KARI,
            technician="Kari",
            camera="front",
            seal="",
        )
        return replace(plain, **changes)


@contextlib.asynccontextmanager
async def vehicle(broker: Broker, directory: Path) -> AsyncIterator[Vehicle]:
    config = Config(panel=Panel(seal="seal"), directory=str(directory))
    cameras = [
        Camera(id=name, name=name, kind="pattern", width=1280, height=720)
        for name in ("front", "rear")
    ]
    encoders = {one.id: Encoder(one, str(directory), "off", lambda: None) for one in cameras}
    video = Session(tuple(encoders), lambda: "v1", 0.0)
    door = StillDoor(config, MEDIA, encoders, video)
    running = [asyncio.create_task(one.run()) for one in encoders.values()]
    async with rig(broker, directory) as box, Bus(broker.address, "media", box=BOX) as media:
        seal = Seal(directory / "seal")
        panel = SupportDesk()
        panel.receive_media(
            MediaSession(id="v1", state="idle", since_utc=0, instance=MEDIA, cameras=(), sent=())
        )

        async def take(session: Any, keys: dict[str, str]) -> None:
            panel.receive(session, 0.0)

        box.heard.receive_session(
            MediaSession(id="v1", state="idle", since_utc=0, instance=MEDIA, cameras=(), sent=())
        )
        await box.crew.subscribe(SUPPORT_SESSION, take)
        await door.serve(media)
        await media.connected.wait()
        try:
            await eventually(lambda: all(one.report.captured for one in encoders.values()), 20)
            await box.grant()
            yield Vehicle(box, media, video, seal, panel)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


@pytest.fixture
async def here(broker: Broker, tmp_path: Path) -> AsyncIterator[Vehicle]:
    async with vehicle(broker, tmp_path) as one:
        yield one


async def test_figures_are_no_picture_and_need_no_word(here: Vehicle) -> None:
    figures = await here.box.order(TestCamera(camera="front"))
    assert isinstance(figures, CameraFigures)
    assert (figures.width, figures.height, figures.state) == (1280, 720, "ready")
    assert figures.moves is True, "the pattern has a clock in it"
    assert figures.brightness is not None
    assert 0.1 < figures.brightness < 0.9
    assert figures.sharpness is not None
    assert figures.sharpness > 1
    other = await here.box.order(TestCamera(camera="attic"))
    assert other == Fault(reason="not-found", text="no such camera")
    here.video.start((), 0.0)
    live = await here.box.order(TestCamera(camera="front"))
    assert (live.why, live.brightness, live.moves) == ("video-on", None, None)


async def test_one_still_of_the_camera_that_was_allowed(here: Vehicle) -> None:
    box = here.box
    await here.wish()
    assert await here.tap() == Done()
    await box.until(still="granted")
    assert await box.order(TakeStill(camera="rear")) == NOT_ALLOWED
    still = await box.order(TakeStill(camera="front"))
    assert isinstance(still, CameraStill)
    assert (still.camera, still.width, still.height) == ("front", 640, 360)
    assert len(still.jpeg) <= JPEG_MAX
    decoder = av.CodecContext.create("mjpeg", "r")
    [picture] = decoder.decode(av.Packet(still.jpeg))
    assert (picture.width, picture.height) == (640, 360)
    assert await box.order(TakeStill(camera="front")) == NOT_ALLOWED, "it was good once"
    await box.until(still="off")
    what = [one.what for one in box.written()]
    assert [one for one in what if one.startswith("still")] == [
        *("still-ask", "still-granted", "still", "still", "still-given", "still"),
    ]
    assert here.refusals() == [
        "still rear: camera-not-allowed",
        "still front: camera-not-allowed",
    ]
    assert "sha256" in next(one.detail for one in box.written() if one.what == "still-given")


async def test_without_the_crews_word_there_is_none(here: Vehicle) -> None:
    box = here.box
    assert await box.order(TakeStill(camera="front")) == NOT_ALLOWED
    await here.wish()
    assert await box.order(TakeStill(camera="front")) == NOT_ALLOWED
    assert here.refusals() == ["still front: camera-not-allowed"] * 2
    assert isinstance(await here.tap("rear"), Fault), "a tap counts for what was shown"
    assert box.session.still == "asked"


async def test_another_service_cannot_say_the_crews_word(here: Vehicle, tmp_path: Path) -> None:
    """Whatever is on the box's bus, the support service included."""
    box = here.box
    await here.wish()
    (tmp_path / "other").mkdir()
    assert await here.tap(seal=Seal(tmp_path / "other" / "seal")) == NOT_ALLOWED
    good = here.grant()
    good = replace(good, seal=here.seal.over(*sealed_parts(good)))
    for wrong in (
        here.grant(),
        here.grant(seal="00" * 64),
        replace(good, camera="rear"),
        replace(good, serial=OLA),
        replace(good, id="g2"),
    ):
        assert await box.crew.request(ALLOW_STILL, wrong) == NOT_ALLOWED
    earlier = here.grant(instance="m0")
    earlier = replace(earlier, seal=here.seal.over(*sealed_parts(earlier)))
    assert await box.crew.request(ALLOW_STILL, earlier) == NOT_ALLOWED, "of another media"
    assert await box.crew.request(ALLOW_STILL, good) == Done()
    wish = FetchStill(session=box.session.id, serial=OLA, camera="front")
    assert await box.crew.request(FETCH_STILL, wish) == NOT_ALLOWED
    wish = replace(wish, serial=KARI)
    assert isinstance(await box.crew.request(FETCH_STILL, wish), CameraStill)
    assert await box.crew.request(ALLOW_STILL, good) == NOT_ALLOWED, "said again by a listener"


async def test_none_after_the_end(here: Vehicle) -> None:
    box = here.box
    await here.wish()
    assert await here.tap() == Done()
    was = box.session.id
    assert await box.crew.request(END_SUPPORT, EndSupport()) == Done()
    refused = await box.order(TakeStill(camera="front"), session=was)
    assert refused == Fault(reason="refused", text="no-session")
    wish = FetchStill(session=was, serial=KARI, camera="front")
    assert await box.crew.request(FETCH_STILL, wish) == NOT_ALLOWED, "media knows it, too"


async def test_none_while_video_is_on_and_the_word_is_gone_with_it(here: Vehicle) -> None:
    box = here.box
    await here.wish()
    assert await here.tap() == Done()
    here.video.start((), 0.0)
    on = Fault(reason="refused", text="video-on")
    assert await box.order(TakeStill(camera="front")) == on
    here.video.stop(0.0)
    assert await box.order(TakeStill(camera="front")) == NOT_ALLOWED
    await here.wish()
    here.video.start((), 0.0)
    assert await here.tap() == on


async def test_the_word_is_good_for_a_minute(
    here: Vehicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(technician_still, "GOOD_S", -1.0)
    await here.wish()
    assert await here.tap() == Done()
    assert await here.box.order(TakeStill(camera="front")) == NOT_ALLOWED
