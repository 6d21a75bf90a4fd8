"""Sizes, parts and stills of a camera's pictures, as its encoder process makes them."""

import asyncio
import itertools
import time
from pathlib import Path

import av
import pytest

from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.media.cameras import timestamp
from edgebox.media.ladder import FEW_FRAMES, STILLS, THUMBNAIL
from edgebox.media.pipe import Form, Frame
from tests.integration.test_media_encoder import Running, running

pytestmark = pytest.mark.alone
"""Pictures are counted by the clock: who encodes beside it takes some of them away."""
LARGE = Camera(id="large", name="Kabin", kind="pattern", width=1280, height=720, fps=25)
PROMPT = 6
"""Pictures that may still have the old form: a quarter of a second at 25 a second."""
SENSOR = Camera(id="sensor", name="Kabin", kind="pattern", width=1920, height=1080, fps=15)


def decoded(frames: list[Frame]) -> list[av.VideoFrame]:
    """As a viewer decodes them, from a keyframe on."""
    context = av.VideoCodecContext.create("h264", "r")
    assert frames[0].keyframe
    return [picture for frame in frames for picture in context.decode(av.Packet(frame.data))]


def sizes(one: Running, since: float) -> set[tuple[int, int]]:
    """Of all pictures that came since then."""
    frames = [frame for arrived_at, frame in one.frames if arrived_at >= since]
    first = next(n for n, frame in enumerate(frames) if frame.keyframe)
    return {(picture.width, picture.height) for picture in decoded(frames[first:])}


async def test_a_thumbnail_becomes_the_main_picture_and_back_on_the_same_track() -> None:
    async with running(LARGE) as one:
        await one.until("ready")
        one.encoder.make(THUMBNAIL, 80_000)
        await one.frame_after(0.0, keyframe=True)
        await asyncio.sleep(2)
        since = time.monotonic() - 2
        assert sizes(one, 0.0) == {(320, 180)}
        frames = [at for at, _ in one.frames if at >= since]
        assert 10 <= len(frames) <= 18
        assert one.bits_since(since) / 2 <= 88_000
        for form, size, bitrate_bps in (
            (Form(), (1280, 720), 1_500_000),
            (THUMBNAIL, (320, 180), 80_000),
        ):
            asked_at = time.monotonic()
            one.encoder.make(form, bitrate_bps)
            while True:
                came_at, frame = await one.frame_after(asked_at, keyframe=True)
                if [(p.width, p.height) for p in decoded([frame])] == [size]:
                    break
            assert sum(asked_at < at < came_at for at, _ in one.frames) <= PROMPT
            await asyncio.sleep(0.5)
            assert sizes(one, came_at) == {size}


@pytest.mark.parametrize(
    ("form", "bitrate_bps", "size", "least", "most"),
    [(FEW_FRAMES, 150_000, (640, 360), 5, 11), (Form(fps=5.0), 900_000, (1280, 720), 4, 6)],
)
async def test_few_frames(
    form: Form, bitrate_bps: int, size: tuple[int, int], least: int, most: int
) -> None:
    async with running(LARGE) as one:
        await one.until("ready")
        one.encoder.make(form, bitrate_bps)
        await one.frame_after(0.0, keyframe=True)
        await asyncio.sleep(1.0)
        since = time.monotonic()
        await asyncio.sleep(2.0)
        count = len([at for at, _ in one.frames if at >= since])
        assert least * 2 <= count <= most * 2
        assert one.bits_since(since) / 2 < bitrate_bps * 1.15
        assert sizes(one, 0.0) == {size}


async def test_stills_are_keyframes_far_apart_that_keep_to_the_rate() -> None:
    quick = Form(width=640, height=360, every_s=1.0)
    assert STILLS.every_s > quick.every_s
    async with running(LARGE) as one:
        await one.until("ready")
        one.encoder.make(quick, 60_000)
        await one.frame_after(0.0)
        for _ in range(10):  # those who see nothing ask again and again
            one.encoder.request_keyframe()
            await asyncio.sleep(0.1)
        await asyncio.sleep(3)
        assert all(frame.keyframe for _, frame in one.frames)
        apart = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(one.frames)]
        assert min(apart) > 0.45
        assert apart[-1] == pytest.approx(1.0, abs=0.15)
        largest = max(len(frame.data) * 8 for _, frame in one.frames[1:])
        assert largest < 66_000


def stamp_of(picture: av.VideoFrame) -> int | None:
    """What the strip along the top edge says."""
    luma = picture.reformat(format="gray")
    plane = memoryview(luma.planes[0])
    line = luma.planes[0].line_size
    return timestamp.read(picture.width, picture.height, lambda x, y: plane[y * line + x])


async def test_a_part_is_cut_from_the_full_sensor_and_the_size_stays() -> None:
    async with running(SENSOR) as one:
        await one.until("ready")
        one.encoder.make(Form(), 2_000_000)
        _, whole = await one.frame_after(0.0, keyframe=True)
        assert [(p.width, p.height) for p in decoded([whole])] == [(1280, 720)]
        assert stamp_of(decoded([whole])[0]) is not None
        one.encoder.set_part((0.5, 0.5, 0.5))
        await asyncio.sleep(0.5)
        one.encoder.request_keyframe()
        _, part = await one.frame_after(time.monotonic(), keyframe=True)
        picture = decoded([part])[0]
        assert (picture.width, picture.height) == (1280, 720)
        assert stamp_of(picture) is None, "the strip is not in the lower right quarter"
        # What is sent is finer than the part of the whole picture that was sent before.
        bars = picture.reformat(format="gray")
        row = bytes(memoryview(bars.planes[0]))[-bars.planes[0].line_size :][:1280]
        edges = [n for n in range(1, 1279) if abs(row[n + 1] - row[n - 1]) > 12]
        assert edges, "the colour bars of the lower edge are in it"


async def test_a_still_has_the_sensors_resolution_and_live_pictures_go_on() -> None:
    async with running(SENSOR) as one:
        await one.until("ready")
        idle = await one.encoder.take_still()
        assert (idle.width, idle.height) == (1920, 1080), "also while nothing is encoded"
        one.encoder.make(THUMBNAIL, 80_000)
        one.encoder.set_part((0.2, 0.2, 0.3))
        await one.frame_after(0.0, keyframe=True)
        started_at = time.monotonic()
        stills = await asyncio.gather(*(one.encoder.take_still() for _ in range(3)))
        took_s = time.monotonic() - started_at
        for still in stills:
            context = av.VideoCodecContext.create("mjpeg", "r")
            picture = context.decode(av.Packet(still.jpeg))[0]
            assert (picture.width, picture.height) == (1920, 1080)
            stamp = stamp_of(picture)
            assert stamp is not None, "the whole picture, whatever part is sent"
            assert abs(stamp / 1000 - still.at_utc) < 0.5
        assert took_s < 2
        frames = [at for at, _ in one.frames if started_at <= at <= started_at + took_s]
        gaps = [later - earlier for earlier, later in itertools.pairwise(frames)]
        assert max(gaps, default=0.0) < 0.35


async def test_no_camera_no_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebox.media.encoder.STILL_S", 0.3)
    gone = Camera(id="film", name="Film", kind="file", source="nothing.mp4")
    async with running(gone, str(tmp_path)) as one:
        await one.until("absent")
        with pytest.raises((DeviceError, TimeoutError)):
            await one.encoder.take_still()
