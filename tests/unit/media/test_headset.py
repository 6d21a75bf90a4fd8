"""A headset as a camera: its clock, its limits, its pictures' way into the encoder process."""

import itertools
import threading
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection
from hypothesis import given
from hypothesis import strategies as st

from edgebox.media import pipe
from edgebox.media.aiortc_hooks import limit_rate
from edgebox.media.cameras.headset import HeadsetSource, Inbox
from edgebox.media.cameras.source import AccessUnit, CameraGoneError, Picture
from edgebox.media.codec import open_encoder
from edgebox.media.guest import GuestPicture
from edgebox.media.headset_camera import (
    HELD_BPS,
    HELD_OUTSIDE_BPS,
    LEAST_BPS,
    MOST_BPS,
    CaptureClock,
    HeadsetCamera,
    camera_id,
)
from edgebox.media.offer import Allowed, Offer
from edgebox.media.session import Session
from edgebox.media.sound import opus
from edgebox.media.sound.mixer import Mixer
from edgebox.media.sound.records import Orders
from tests.unit.headset.test_whip import OFFER


def h264(pictures: int) -> list[bytes]:
    encoder = open_encoder(hardware=False, width=320, height=180, fps=15)
    frame = av.VideoFrame(320, 180, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    units: list[bytes] = []
    for number in range(pictures):
        units += [data for _, data in encoder.encode(frame, number * 6000, keyframe=number == 0)]
    return units


def camera() -> HeadsetCamera:
    return HeadsetCamera("headset-1", "Hodekamera", "", "off", lambda: None)


# Which camera it is


def test_camera_of_a_device_stays_the_same_and_tells_nothing_of_it() -> None:
    assert camera_id("device-1") == camera_id("device-1") != camera_id("device-2")
    assert "device" not in camera_id("device-1")
    assert len(camera_id("x" * 64)) <= 32


def test_session_takes_a_camera_in_and_lets_it_go() -> None:
    session = Session(("front",), lambda: "s", 0.0)
    session.add("headset-1")
    session.add("headset-1")
    assert list(session.selected) == ["front", "headset-1"]
    assert session.select(("headset-1",)) is None
    session.add("headset-1")
    assert list(session.selected) == ["headset-1"], "the crew chose, and it came back"
    session.remove("headset-1")
    assert list(session.selected) == ["front"]


def test_a_headset_can_be_the_only_camera() -> None:
    session = Session((), lambda: "s", 0.0)
    assert session.start((), 1.0) is not None
    session.add("headset-1")
    assert session.start((), 1.0) is None
    assert list(session.sent) == ["headset-1"]
    session.remove("headset-1")
    assert list(session.sent) == []


# What it is told to send


def test_rate_follows_the_share_while_it_is_a_main_picture() -> None:
    one = camera()
    assert one.limit_bps == HELD_BPS
    one.make(pipe.Form(), 900_000)
    assert one.limit_bps == 900_000
    one.make(pipe.Form(), 50_000)
    assert one.limit_bps == LEAST_BPS
    one.make(pipe.Form(), 9_000_000)
    assert one.limit_bps == MOST_BPS
    one.make(pipe.Form(width=320, height=180, fps=8), 80_000)
    assert one.limit_bps == HELD_BPS, "the box makes the thumbnail"


def test_outside_it_sends_little_while_nobody_needs_more() -> None:
    one = camera()
    one.outside = True
    assert one.limit_bps == HELD_OUTSIDE_BPS
    one.make(pipe.Form(every_s=3.0), 40_000)
    assert one.limit_bps == HELD_OUTSIDE_BPS


@pytest.mark.parametrize("heed", [False, True])
async def test_browser_is_told_the_limit_at_once_and_again(heed: bool) -> None:
    pc = RTCPeerConnection()
    receiver = pc.addTransceiver("video", "recvonly").receiver
    limit = [600_000]
    limit_rate(receiver, lambda: limit[0], heed_estimate=heed)
    private: Any = receiver
    estimate = private._RTCRtpReceiver__remote_bitrate_estimator

    def told(at_ms: int) -> Any:
        return estimate.add(abs_send_time=0, arrival_time_ms=at_ms, payload_size=1000, ssrc=7)

    assert told(1000) == (600_000, [7])
    assert told(1100) is None
    limit[0] = 300_000
    assert told(1200) == (300_000, [7])
    assert told(2300) == (300_000, [7]), "such a message may get lost"
    await pc.close()


# When a picture was taken


def test_jitter_of_the_way_is_not_in_the_time_of_capture() -> None:
    clock = CaptureClock()
    delays = [0.020, 0.050, 0.021, 0.080, 0.020]
    taken = [clock.taken_at(n * 3000, 100.0 + n / 30 + delay) for n, delay in enumerate(delays)]
    steps = [later - earlier for earlier, later in itertools.pairwise(taken)]
    assert all(abs(step - 1 / 30) < 0.001 for step in steps)


def test_sender_that_began_anew_is_followed() -> None:
    clock = CaptureClock()
    clock.taken_at(90_000, 10.0)
    assert clock.taken_at(900_000_000, 11.0) == pytest.approx(11.0)


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.floats(0, 1e6)), max_size=30))
def test_any_time_stamps_give_a_time(steps: list[tuple[int, float]]) -> None:
    clock = CaptureClock()
    for pts, now in sorted(steps, key=lambda step: step[1]):
        assert clock.taken_at(pts, now) <= now + 1.0


# Its source


def test_h264_goes_on_as_it_came_from_the_first_keyframe_on() -> None:
    units = h264(3)
    inbox = Inbox()
    inbox.put(0.5, "H264", units[1])
    for number, unit in enumerate(units):
        inbox.put(1.0 + number, "H264", unit)
    source = HeadsetSource(inbox, patient=False)
    first = source.read()
    assert first == AccessUnit(1.0, units[0])
    assert (source.width, source.height) == (320, 180)
    assert source.read() == AccessUnit(2.0, units[1])


def test_vp8_is_decoded() -> None:
    context = av.VideoCodecContext.create("libvpx", "w")
    context.width, context.height, context.pix_fmt = 320, 180, "yuv420p"
    frame = av.VideoFrame(320, 180, "yuv420p")
    inbox = Inbox()
    context.time_base = Fraction(1, 15)
    frame.pts = 0
    data = [bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]]
    inbox.put(1.0, "VP8", b"nonsense")
    inbox.put(2.0, "VP8", data[0])
    source = HeadsetSource(inbox, patient=False)
    picture = source.read()
    assert isinstance(picture, Picture)
    assert (picture.at, picture.frame().width, source.height) == (2.0, 320, 180)


def test_silence_is_absence_and_a_patient_source_waits() -> None:
    inbox = Inbox()
    with pytest.raises(CameraGoneError):
        HeadsetSource(inbox, patient=False)
    unit = h264(1)[0]
    threading.Timer(0.05, inbox.put, (1.0, "H264", unit)).start()
    assert HeadsetSource(inbox, patient=True).read() == AccessUnit(1.0, unit)


def test_pictures_reach_the_process_whole_and_only_while_attached() -> None:
    one = camera()
    written: list[bytes] = []
    size = [0]

    class Writer:
        transport: Any = type("T", (), {"get_write_buffer_size": lambda self: size[0]})()

        def is_closing(self) -> bool:
            return False

        def write(self, data: bytes) -> None:
            written.append(data)

    one._writer = Writer()  # type: ignore[assignment]
    picture = GuestPicture(lambda: None)
    picture.codec = "VP8"
    one.attach(picture, outside=False)
    one._put(pipe.Frame(b"key", 0, True))
    kind, codec, length, _ = pipe.HEADER.unpack(written[0][: pipe.HEADER.size])
    assert (kind, codec, length, written[0][pipe.HEADER.size :]) == (pipe.UNIT, 1, 3, b"key")
    size[0] = 10_000_000
    one._put(pipe.Frame(b"late", 1, False))
    size[0] = 0
    one._put(pipe.Frame(b"broken", 2, False))
    one._put(pipe.Frame(b"key", 3, True))
    assert [data[pipe.HEADER.size :] for data in written] == [b"key", b"key"]
    one.detach()
    one._put(pipe.Frame(b"key", 4, True))
    assert len(written) == 2


# Its offer and its sound


def test_h264_alone_is_answered_to_a_headset_that_has_it() -> None:
    both = OFFER.replace(
        "a=rtpmap:96 H264/90000",
        "a=setup:actpass\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f",
    ).replace("a=rtpmap:111", "a=setup:actpass\r\na=rtpmap:111")
    allowed = Allowed(pictures=False, speaks=True, shows=True, shows_h264=True, shows_kbps=2000)
    assert "VP8" not in Offer(both, allowed).text
    assert "VP8" in Offer(both, Allowed(pictures=False, shows=True)).text
    alone = both.replace("H264/90000", "AV1/90000")
    assert "VP8" in Offer(alone, allowed).text


def test_one_in_the_cabin_is_heard_outside_and_not_by_the_loudspeaker() -> None:
    def run(**orders: Any) -> tuple[int, int]:
        """Loudest sample of the loudspeaker, and packets for everybody else."""
        mixer = Mixer()
        mixer.obey(Orders(live=True, speaking=(1,), mixes=(0,), **orders))
        encoder = opus.Encoder()
        tone = (8000 * np.sin(np.arange(960) * 2 * np.pi * 440 / 48_000)).astype(np.int16)
        loudest = packets = 0
        for number in range(60):
            now = 10.0 + number * 0.02
            mixer.packet(1, number, number * 960, encoder.encode(tone), now)
            played, mixed = mixer.step(None, now)
            loudest = max(loudest, int(np.abs(played).max()))
            packets += len(mixed)
        return loudest, packets

    loud, heard = run()
    assert loud > 1000
    assert heard > 10
    silent, near = run(near=(1,))
    assert silent == 0
    assert near > 10
    assert run(near=(1,), muted=True) == (0, 0), "the cabin's mute mutes who is in it"
