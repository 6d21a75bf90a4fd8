"""Turning a camera, against a stand-in that answers as one does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from edgebox.config.media import Camera, Ptz
from edgebox.media import ptz as ptz_module
from edgebox.media.ptz import Mover
from edgebox.sim.onvif import OnvifCamera

PASSWORD = "tests-only"


def mover_of(camera: OnvifCamera, password: str = PASSWORD) -> Mover:
    table = Ptz(address=camera.address, username="edgebox", password="file")
    return Mover(Camera(id="roof", name="Tak", kind="pattern", ptz=table), table, password)


@asynccontextmanager
async def running(mover: Mover) -> AsyncIterator[Mover]:
    task = asyncio.create_task(mover.run())
    try:
        yield mover
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "camera",
    [
        OnvifCamera(),
        OnvifCamera(clock_offset_s=-86_400 * 365),
        OnvifCamera(believes="http://192.0.2.1:8000"),
    ],
    ids=["plain", "wrong clock", "wrong address"],
)
async def test_turns_and_stands_still_when_nobody_wishes(camera: OnvifCamera) -> None:
    async with camera.serving(), running(mover_of(camera)) as mover:
        assert mover.move(0.5, -1.0, 0.0)
        await until(lambda: camera.speed == (0.5, -1.0, 0.0))
        assert mover.move(0.0, 0.0, 0.25)
        await until(lambda: camera.speed == (0.0, 0.0, 0.25))
        await until(lambda: camera.speed == (0.0, 0.0, 0.0))
        assert camera.heard[-1] == "Stop"
        assert camera.refused == 0
        assert camera.heard.count("GetProfiles") == 1


async def test_a_move_goes_on_as_long_as_it_is_renewed() -> None:
    camera = OnvifCamera(obeys_timeout=True)
    async with camera.serving(), running(mover_of(camera)) as mover:
        for _ in range(30):
            assert mover.move(1.0, 0.0, 0.0)
            await asyncio.sleep(0.05)
        assert camera.speed == (1.0, 0.0, 0.0)
        moves = camera.heard.count("ContinuousMove")
        assert 3 <= moves <= 8
        mover.move(0.0, 0.0, 0.0)
        await until(lambda: camera.speed == (0.0, 0.0, 0.0))


async def test_a_wrong_password_or_no_camera_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ptz_module, "RETRY_S", 0.2)
    camera = OnvifCamera()
    async with camera.serving(), running(mover_of(camera, "wrong")) as mover:
        assert mover.move(1.0, 0.0, 0.0)
        await until(lambda: camera.refused > 0)
        await until(lambda: not mover.move(1.0, 0.0, 0.0))
        assert camera.speed == (0.0, 0.0, 0.0)
    async with running(mover_of(camera)) as mover:  # nobody answers there now
        assert mover.move(1.0, 0.0, 0.0)
        await until(lambda: not mover.move(1.0, 0.0, 0.0))
        async with camera.serving():
            await until(lambda: mover.move(0.25, 0.0, 0.0) and camera.speed == (0.25, 0.0, 0.0))
