"""The timestamp strip of the test picture, through a real encoder and decoder."""

import av
from hypothesis import given
from hypothesis import strategies as st

from edgebox.config.media import Camera
from edgebox.media.cameras import font, timestamp
from edgebox.media.cameras.pattern import PatternSource, _Canvas
from edgebox.media.codec import CLOCK_HZ, X264

AT_MS = 1_790_000_000_123


def read(frame: av.VideoFrame) -> int | None:
    plane = frame.planes[0]
    data, stride = memoryview(plane), plane.line_size
    return timestamp.read(frame.width, frame.height, lambda x, y: data[y * stride + x])


def test_layout() -> None:
    bits = timestamp.bits(AT_MS)
    assert len(bits) == timestamp.BLOCKS
    assert bits[:4] + bits[60:] == "10100101"
    assert int(bits[4:52], 2) == AT_MS


@given(st.integers(0, 2**48 - 1))
def test_what_was_written_is_read(at_ms: int) -> None:
    bits = timestamp.bits(at_ms)
    assert timestamp.read(640, 360, lambda x, y: 255 * int(bits[x // 10])) == at_ms


@given(st.integers(0, 63))
def test_a_wrong_block_is_noticed(block: int) -> None:
    bits = timestamp.bits(AT_MS)
    broken = bits[:block] + str(1 - int(bits[block])) + bits[block + 1 :]
    assert timestamp.read(640, 360, lambda x, y: 255 * int(broken[x // 10])) is None


def test_survives_a_starved_encoder() -> None:
    canvas = _Canvas("Kabin foran", 320, 180)
    encoder = X264(320, 180, 30)
    encoder.retune(60_000, 30)
    decoder = av.CodecContext.create("h264", "r")
    seen = []
    for number in range(30):
        frame = canvas.draw(number / 30, AT_MS / 1000 + number / 30)
        for pts, data in encoder.encode(frame, number * CLOCK_HZ // 30, keyframe=number == 0):
            packet = av.Packet(data)
            packet.pts = pts
            seen += [read(decoded) for decoded in decoder.decode(packet)]
    right = [at for at in seen if at is not None]
    assert len(right) > 20
    assert all(0 <= at - AT_MS < 1000 for at in right), "unreadable is fine, wrong is not"


def test_odd_sizes_are_drawn() -> None:
    for width, height in ((854, 480), (161, 121), (1280, 720)):
        source = PatternSource(
            Camera(id="a", name="Ærlig Øye Å €", kind="pattern", width=width, height=height, fps=60)
        )
        frame = source.read().frame()
        assert (frame.width, frame.height) == (width // 2 * 2, height // 2 * 2)
        assert read(frame) is not None


def test_text_has_one_row_for_each_line_of_dots() -> None:
    rows = font.rows("a1€", 2, b"#", b".")
    assert len(rows) == font.HEIGHT
    assert {len(row) for row in rows} == {3 * font.ADVANCE * 2}
