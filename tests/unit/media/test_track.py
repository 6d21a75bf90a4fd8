"""One camera's pictures on their way to one viewer."""

import asyncio
from typing import Any

import pytest
from aiortc.mediastreams import MediaStreamError

from edgebox.config.media import Camera
from edgebox.media.encoder import Encoder
from edgebox.media.pipe import Frame
from edgebox.media.tracks import QUEUE_MAX, CameraTrack


class Source(Encoder):
    """An encoder without a process."""

    def __init__(self) -> None:
        camera = Camera(id="a", name="A", kind="pattern")
        super().__init__(camera, "", "off", lambda: None)
        self.keyframes_asked = 0
        self._orders = self._orders.__class__(encode=True)

    def request_keyframe(self) -> None:
        self.keyframes_asked += 1

    def give(self, number: int, *, keyframe: bool = False) -> None:
        self._take_frame(Frame(b"%d" % number, number * 3000, keyframe))


async def received(track: CameraTrack) -> int:
    packet: Any = await asyncio.wait_for(track.recv(), 1)
    assert packet.pts == int(bytes(packet)) * 3000
    return int(bytes(packet))


async def start(track: CameraTrack) -> "asyncio.Task[int]":
    task = asyncio.create_task(received(track))
    await asyncio.sleep(0.01)
    return task


async def test_starts_with_a_keyframe_made_for_it() -> None:
    source = Source()
    track = CameraTrack(source)
    source.give(1, keyframe=True)
    first = await start(track)
    assert source.keyframes_asked == 1
    source.give(2)
    source.give(3, keyframe=True)
    assert await first == 3
    source.give(4)
    source.give(5)
    assert [await received(track), await received(track)] == [4, 5]
    assert track.keyframe_age_s() == pytest.approx(2 / 30)


async def test_a_viewer_that_lags_skips_to_the_next_keyframe_and_holds_nobody_up() -> None:
    source = Source()
    slow, quick = CameraTrack(source), CameraTrack(source)
    first_slow, first_quick = await start(slow), await start(quick)
    source.give(0, keyframe=True)
    assert [await first_slow, await first_quick] == [0, 0]
    asked = source.keyframes_asked
    for number in range(1, QUEUE_MAX + 4):
        source.give(number)
        assert await received(quick) == number
    assert source.keyframes_asked == asked + 1
    source.give(50, keyframe=True)
    assert await received(slow) == 50
    assert await received(quick) == 50


async def test_a_stopped_track_wakes_its_reader_and_takes_nothing_more() -> None:
    source = Source()
    track = CameraTrack(source)
    waiting = asyncio.create_task(track.recv())
    await asyncio.sleep(0.01)
    track.stop()
    with pytest.raises(MediaStreamError):
        await waiting
    source.give(1, keyframe=True)
    with pytest.raises(MediaStreamError):
        await track.recv()


async def test_what_was_held_back_is_not_sent_again_before_the_next_keyframe() -> None:
    source = Source()
    track = CameraTrack(source)
    first = await start(track)
    source.give(1, keyframe=True)
    assert await first == 1
    source.give(2)
    assert track.may_resend()
    track.flush()
    source.give(3)
    assert not track.may_resend()
    source.give(4, keyframe=True)
    assert await received(track) == 4
    assert track.may_resend()
