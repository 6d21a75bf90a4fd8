"""H.264 as cameras send it, whole, damaged and hostile."""

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.media import h264
from edgebox.media.codec import CLOCK_HZ, TIME_BASE

START = b"\x00\x00\x00\x01"


def encode(
    count: int, *, profile: str = "baseline", b_frames: int = 0, size: int = 320
) -> list[bytes]:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = size, 180, "yuv420p"
    context.time_base, context.framerate = TIME_BASE, 30  # type: ignore[assignment]
    context.options = {
        "profile": profile,
        "preset": "veryfast",
        "tune": "zerolatency",
        "bf": str(b_frames),
    }
    if b_frames:
        context.options |= {"x264-params": f"bframes={b_frames}:b-adapt=0:scenecut=0"}
    found = []
    for number in range(count):
        frame = av.VideoFrame(size, 180, "yuv420p")
        memoryview(frame.planes[0])[:] = bytes((number * 20 % 256,)) * frame.planes[0].buffer_size
        frame.pts, frame.time_base = number * CLOCK_HZ // 30, TIME_BASE
        found += [bytes(packet) for packet in context.encode(frame)]
    return found + [bytes(packet) for packet in context.encode(None)]


def test_a_keyframe_brings_its_parameters() -> None:
    units = encode(3)
    assert [h264.is_keyframe(unit) for unit in units] == [True, False, False]
    found = h264.parameters(units[0])
    assert found is not None
    assert (found.profile, found.width, found.height) == (66, 320, 180)
    sets = h264.parameter_sets(units[0])
    assert h264.types(sets) == {h264.SPS, h264.PPS}


def test_high_profile_size_is_read() -> None:
    found = h264.parameters(encode(2, profile="high", size=854)[0])
    assert found is not None
    assert (found.profile, found.width, found.height) == (100, 854, 180)


def test_parameter_sets_are_put_before_a_bare_keyframe_only() -> None:
    sets, idr, delta = START + b"\x67a" + START + b"\x68b", START + b"\x65c", START + b"\x41d"
    assert h264.with_parameter_sets(idr, sets) == sets + idr
    assert h264.with_parameter_sets(sets + idr, sets) == sets + idr
    assert h264.with_parameter_sets(delta, sets) == delta


def test_b_pictures_are_seen() -> None:
    assert not any(h264.has_b_slice(unit) for unit in encode(8))
    assert any(h264.has_b_slice(unit) for unit in encode(8, profile="main", b_frames=2))


def test_avcc_box_becomes_a_byte_stream() -> None:
    box = bytes.fromhex("0142c01fff e1 0003 674201 01 0002 6801".replace(" ", ""))
    assert h264.annex_b(box) == START + b"\x67\x42\x01" + START + b"\x68\x01"
    assert h264.annex_b(START + b"\x67a" + START + b"\x68b") == START + b"\x67a" + START + b"\x68b"
    assert h264.annex_b(b"") == b""


@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer(data: bytes) -> None:
    for text in (data, START + data, START + b"\x67" + data, START + b"\x41" + data):
        list(h264.nal_units(text))
        h264.is_keyframe(text)
        h264.has_b_slice(text)
        h264.parameters(text)
        h264.with_parameter_sets(text, b"x")


@given(st.binary(max_size=60))
def test_any_box_gives_an_answer_or_a_protocol_error(data: bytes) -> None:
    for box in (data, b"\x01" + data):
        try:
            h264.annex_b(box)
        except RemoteProtocolError:
            continue


def test_a_cut_parameter_set_is_a_protocol_error() -> None:
    unit = next(unit for unit in h264.nal_units(encode(1)[0]) if unit[0] & 0x1F == h264.SPS)
    for length in range(1, 8):
        with pytest.raises(RemoteProtocolError):
            h264.Parameters(unit[:length])
