"""Network cameras: a real RTSP server (GStreamer) that comes and goes."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import av
import pytest

from edgebox.media import h264
from tests.integration.test_media_encoder import running
from tests.rtsp import H264, MJPEG, NetworkCamera


@pytest.fixture
def network_camera() -> Iterator[NetworkCamera]:
    one = NetworkCamera()
    yield one
    one.unplug()


async def test_h264_is_passed_on_and_the_camera_comes_back_by_itself(
    network_camera: NetworkCamera,
) -> None:
    async with running(network_camera.camera) as one:
        await one.until("absent")
        assert "check power" in one.encoder.report.detail
        assert "secret" not in one.encoder.report.detail
        network_camera.plug(H264)
        await one.until("ready", 15)
        await asyncio.sleep(1.2)  # a camera shows nothing before its first keyframe
        one.encoder.set_bitrate(2_000_000)
        one.encoder.encode(True)
        asked_at = time.monotonic()
        arrived_at, frame = await one.frame_after(asked_at)
        assert frame.keyframe, "made by us: the camera's own comes once a second"
        assert arrived_at - asked_at < 0.5
        await asyncio.sleep(1.5)
        assert one.encoder.report.encoder == "passthrough"
        assert (one.encoder.report.width, one.encoder.report.height) == (320, 240)
        decoder = av.CodecContext.create("h264", "r")
        decoded = [d for _, f in one.frames for d in decoder.decode(av.Packet(f.data))]
        assert len(decoded) >= len(one.frames) - 1

        one.encoder.request_keyframe()
        before = len(one.frames)
        await asyncio.sleep(0.3)
        assert any(frame.keyframe for _, frame in one.frames[before:])

        network_camera.unplug()
        await one.until("absent", 5)
        network_camera.plug(H264)
        plugged_at = time.monotonic()
        _, frame = await one.frame_after(plugged_at)
        assert h264.types(frame.data) >= {h264.SPS, h264.PPS, h264.IDR}


async def test_other_codecs_are_encoded_anew(network_camera: NetworkCamera) -> None:
    network_camera.plug(MJPEG)
    async with running(network_camera.camera) as one:
        await one.until("ready", 15)
        one.encoder.encode(True)
        await one.frame_after(0)
        await one.until("live")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while not one.encoder.report.encoder:
                    await asyncio.sleep(0.05)
        assert one.encoder.report.encoder == "libx264"
