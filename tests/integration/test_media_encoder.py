"""The encoder process as its owner sees it."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest

from edgebox.config.media import Camera
from edgebox.media import h264
from edgebox.media.encoder import KEYFRAME_EVERY_S, Encoder
from edgebox.media.pipe import Frame
from tests.integration.media_rig import FRONT

LARGE = Camera(id="large", name="Kabin", kind="pattern", width=1280, height=720)


class Running:
    """An encoder, and all frames with their time of arrival."""

    def __init__(self, camera: Camera, directory: str = ""):
        self.changed = asyncio.Event()
        self.encoder = Encoder(camera, directory, "off", self.changed.set)
        self.frames: list[tuple[float, Frame]] = []
        self.encoder.add_sink(lambda frame: self.frames.append((time.monotonic(), frame)))

    async def until(self, state: str, timeout_s: float = 10) -> None:
        async with asyncio.timeout(timeout_s):
            while self.encoder.report.state != state:
                self.changed.clear()
                await self.changed.wait()

    async def frame_after(self, at: float, *, keyframe: bool = False) -> tuple[float, Frame]:
        async with asyncio.timeout(10):
            while True:
                for arrived_at, frame in self.frames:
                    if arrived_at >= at and (frame.keyframe or not keyframe):
                        return arrived_at, frame
                await asyncio.sleep(0.005)

    def bits_since(self, at: float) -> int:
        return sum(len(frame.data) * 8 for arrived_at, frame in self.frames if arrived_at >= at)


@asynccontextmanager
async def running(camera: Camera, directory: str = "") -> AsyncIterator[Running]:
    one = Running(camera, directory)
    task = asyncio.create_task(one.encoder.run())
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def process_of(camera: str) -> int:
    """The child of this process that is an encoder."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if f"PPid:\t{os.getpid()}\n" in (entry / "status").read_text():
                command = (entry / "cmdline").read_text()
                if "encoder_process" in command:
                    return int(entry.name)
    raise AssertionError(f"no encoder process for {camera}")


async def test_nothing_leaves_until_asked_and_then_at_once_with_a_keyframe() -> None:
    async with running(LARGE) as one:
        await one.until("ready")
        await asyncio.sleep(0.2)
        assert one.frames == []
        asked_at = time.monotonic()
        one.encoder.encode(True)
        arrived_at, frame = await one.frame_after(asked_at)
        assert frame.keyframe
        assert arrived_at - asked_at < 0.5
        assert h264.types(frame.data) >= {h264.SPS, h264.PPS, h264.IDR}
        found = h264.parameters(frame.data)
        assert found is not None
        assert (found.profile, found.width, found.height) == (66, 1280, 720)
        await one.until("live")
        assert one.encoder.report.encoder == "libx264"
        one.encoder.encode(False)
        count = len(one.frames)
        await one.until("ready")
        await asyncio.sleep(0.1)
        assert len(one.frames) == count, "not even what was on its way"


async def test_a_new_bit_rate_works_within_a_second_and_all_pictures_decode() -> None:
    async with running(LARGE) as one:
        one.encoder.set_bitrate(2_500_000)
        one.encoder.encode(True)
        start = (await one.frame_after(0))[0]
        await asyncio.sleep(1.5)
        assert one.bits_since(start + 0.5) > 1_500_000
        lowered_at = time.monotonic()
        one.encoder.set_bitrate(500_000)
        await asyncio.sleep(1.0)
        assert one.bits_since(lowered_at + 0.1) < 600_000
        assert 200_000 < one.encoder.bitrate_bps < 600_000
        low_at = time.monotonic()
        one.encoder.set_bitrate(150_000)
        await asyncio.sleep(1.0)
        pictures = [at for at, _ in one.frames if at > low_at]
        assert 5 <= len(pictures) <= 20, "fewer pictures at low rates"
        stamps = [frame.pts for _, frame in one.frames]
        assert stamps == sorted(set(stamps))
        decoder = av.CodecContext.create("h264", "r")
        decoded = [d for _, f in one.frames for d in decoder.decode(av.Packet(f.data))]
        assert len(decoded) >= len(one.frames) - 1
        assert not any(picture.is_corrupt for picture in decoded)


async def test_keyframes_come_when_asked_for_and_not_more_often_than_that() -> None:
    async with running(FRONT) as one:
        one.encoder.encode(True)
        first_at, _ = await one.frame_after(0, keyframe=True)
        await asyncio.sleep(KEYFRAME_EVERY_S)
        asked_at = time.monotonic()
        for _ in range(20):
            one.encoder.request_keyframe()
            await asyncio.sleep(0.02)
        await asyncio.sleep(KEYFRAME_EVERY_S + 0.1)
        keyframes = [at for at, frame in one.frames if frame.keyframe and at > first_at]
        assert keyframes[0] - asked_at < 0.2
        assert len(keyframes) in {2, 3}
        assert min(b - a for a, b in itertools.pairwise(keyframes)) > 0.2


async def test_a_killed_process_is_replaced_and_goes_on_as_ordered() -> None:
    async with running(FRONT) as one:
        one.encoder.set_bitrate(300_000)
        one.encoder.encode(True)
        await one.until("live")
        killed_at = time.monotonic()
        os.kill(process_of("front"), signal.SIGKILL)
        await one.until("starting")
        assert "signal 9" in one.encoder.report.detail
        arrived_at, frame = await one.frame_after(killed_at + 0.05)
        assert frame.keyframe
        assert arrived_at - killed_at < 3
        await one.until("live")


async def test_a_process_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebox.media.encoder.UNRESPONSIVE_S", 1.5)
    async with running(FRONT) as one:
        await one.until("ready")
        hung = process_of("front")
        os.kill(hung, signal.SIGSTOP)
        await one.until("starting", timeout_s=15)
        await one.until("ready")
        assert process_of("front") != hung


async def test_the_process_ends_with_its_owner() -> None:
    async with running(FRONT) as one:
        await one.until("ready")
        pid = process_of("front")
    assert not Path(f"/proc/{pid}").exists()


async def test_a_missing_file_is_absent_and_plays_when_it_comes(tmp_path: Path) -> None:
    film(tmp_path / "later.mkv")
    camera = Camera(id="film", name="Film", kind="file", source="film.mkv")
    async with running(camera, str(tmp_path)) as one:
        await one.until("absent")
        assert "film.mkv" in one.encoder.report.detail
        (tmp_path / "later.mkv").rename(tmp_path / "film.mkv")
        await one.until("ready")
        assert one.encoder.report.width == 320


async def test_a_file_that_is_no_film_says_so(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"not a film" * 100)
    camera = Camera(id="film", name="Film", kind="file", source="film.mp4")
    async with running(camera, str(tmp_path)) as one:
        await one.until("failed")
        assert "cannot be played" in one.encoder.report.detail


async def test_h264_without_b_pictures_passes_untouched_in_a_loop(tmp_path: Path) -> None:
    units = film(tmp_path / "film.mp4", seconds=1.0, gop=15)
    camera = Camera(id="film", name="Film", kind="file", source="film.mp4")
    async with running(camera, str(tmp_path)) as one:
        await one.until("ready")
        one.encoder.set_bitrate(20_000_000)
        one.encoder.encode(True)
        first_at, _ = await one.frame_after(0)
        await asyncio.sleep(2.5)
        assert one.encoder.report.encoder == "passthrough"
        passed = {h264_slices(frame.data) for at, frame in one.frames if at > first_at + 1.2}
        assert len(passed & {h264_slices(unit) for unit in units}) >= 25
        rate = len(one.frames) / (one.frames[-1][0] - one.frames[0][0])
        assert 25 < rate < 33, "real time"
        decoder = av.CodecContext.create("h264", "r")
        decoded = [d for _, f in one.frames for d in decoder.decode(av.Packet(f.data))]
        assert len(decoded) >= len(one.frames) - 1


async def test_a_film_above_the_target_is_encoded_anew(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", seconds=2.0, gop=15, bitrate_bps=2_000_000)
    camera = Camera(id="film", name="Film", kind="file", source="film.mp4", width=320, height=180)
    async with running(camera, str(tmp_path)) as one:
        await one.until("ready")
        await asyncio.sleep(1)
        one.encoder.set_bitrate(200_000)
        one.encoder.encode(True)
        await one.frame_after(0)
        await asyncio.sleep(1.3)
        assert one.encoder.report.encoder == "libx264"
        assert one.encoder.bitrate_bps < 300_000


async def test_a_film_with_b_pictures_is_encoded_anew(tmp_path: Path) -> None:
    film(tmp_path / "film.mkv", b_frames=2)
    camera = Camera(id="film", name="Film", kind="file", source="film.mkv")
    async with running(camera, str(tmp_path)) as one:
        one.encoder.set_bitrate(3_000_000)
        one.encoder.encode(True)
        await one.frame_after(0)
        await one.until("live")
        await asyncio.sleep(0.5)
        assert one.encoder.report.encoder == "libx264"
        assert not any(h264.has_b_slice(frame.data) for _, frame in one.frames)


def h264_slices(data: bytes) -> bytes:
    """The picture itself, without parameter sets and supplements."""
    return b"".join(unit for unit in h264.nal_units(data) if unit[0] & 0x1F in {1, 5})


def film(
    path: Path,
    *,
    seconds: float = 1.0,
    gop: int = 30,
    b_frames: int = 0,
    bitrate_bps: int = 500_000,
) -> list[bytes]:
    """Write a film of the test picture; its access units."""
    from edgebox.media.cameras.pattern import _Canvas

    canvas = _Canvas("Film", 320, 180)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.bit_rate = bitrate_bps
        stream.options = {
            "preset": "veryfast",
            "bf": str(b_frames),
            "g": str(gop),
            "x264-params": "scenecut=0:b-adapt=0",
        }
        units = []
        for number in range(int(seconds * 30)):
            frame = canvas.draw(number / 30, number / 30)
            for packet in stream.encode(frame):
                units.append(bytes(packet))
                container.mux(packet)
        for packet in stream.encode(None):
            units.append(bytes(packet))
            container.mux(packet)
    return units
