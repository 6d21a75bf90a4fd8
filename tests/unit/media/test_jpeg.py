"""Pictures from a page: what is passed on, and what is not."""

import contextlib

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.media import jpeg, still
from edgebox.media.data_messages import Picture, Show
from edgebox.media.incoming import PIECE_MIN_BYTES, Incoming


def made(width: int = 64, height: int = 48) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return still.jpeg_of(av.VideoFrame.from_ndarray(noise, format="rgb24"))


def segment(kind: int, content: bytes = b"") -> bytes:
    return bytes([0xFF, kind]) + (len(content) + 2).to_bytes(2) + content


FINE = made()
SOF = FINE.index(b"\xff\xc0")


def pixels(data: bytes) -> bytes:
    context = av.VideoCodecContext.create("mjpeg", "r")
    (frame,) = context.decode(av.Packet(data))
    return frame.to_ndarray(format="rgb24").tobytes()


def test_a_picture_passes_and_looks_the_same() -> None:
    assert pixels(jpeg.cleaned(FINE)) == pixels(FINE)


@pytest.mark.parametrize("kind", [0xE1, 0xE2, 0xEF, 0xFE])
def test_nothing_but_the_picture_passes(kind: int) -> None:
    place = segment(kind, b"Exif\0\0 59.91 N 10.75 E")
    assert b"59.91" not in jpeg.cleaned(FINE[:2] + place + FINE[2:])
    assert jpeg.cleaned(FINE[:2] + place + FINE[2:]) == jpeg.cleaned(FINE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"GIF89a" + FINE,
        b"GI" + FINE[2:],
        FINE[:-2],
        FINE[:-1],
        FINE[: len(FINE) // 2],
        FINE + b"<script>",
        FINE + FINE,
        FINE[:2] + segment(0xC3) + FINE[2:],
        FINE[:2] + segment(0xCC) + FINE[2:],
        FINE[:2] + b"\xff\xe1\x00\x00" + FINE[2:],
        FINE[:2] + b"\xff\xe1\x00\x01" + FINE[2:],
        FINE[:2] + b"\xff\xe1\xff\xff" + FINE[2:40],
        FINE[:SOF] + b"\xff\xc0\x00\x04\x08\x00" + FINE[SOF:],
        FINE[:SOF] + FINE[SOF : SOF + 19] + FINE[SOF:],
        FINE[: SOF + 4] + b"\x0c" + FINE[SOF + 5 :],
        FINE[: SOF + 5] + b"\x00\x00" + FINE[SOF + 7 :],
        FINE[: SOF + 5] + (jpeg.SIDE_MAX + 1).to_bytes(2) + FINE[SOF + 7 :],
        FINE[: SOF + 7] + b"\xff\xff" + FINE[SOF + 9 :],
        FINE[: SOF + 9] + b"\x04" + FINE[SOF + 10 :],
        FINE[:2] + segment(0xFE) * jpeg.SEGMENTS_MAX + FINE[2:],
    ],
)
def test_what_is_no_single_picture_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        jpeg.cleaned(data)


def test_scans_are_limited() -> None:
    """A progressive picture of thousands takes a device minutes."""
    at = FINE.index(b"\xff\xda")
    scan = FINE[at:-2]
    assert jpeg.cleaned(FINE[:at] + scan * jpeg.SCANS_MAX + FINE[-2:])
    with pytest.raises(RemoteProtocolError):
        jpeg.cleaned(FINE[:at] + scan * (jpeg.SCANS_MAX + 1) + FINE[-2:])


@given(st.binary(max_size=500), st.integers(0, len(FINE)), st.integers(0, 40))
def test_any_bytes_are_a_picture_or_refused(junk: bytes, at: int, cut: int) -> None:
    with contextlib.suppress(RemoteProtocolError):
        jpeg.cleaned(junk)
    with contextlib.suppress(RemoteProtocolError):
        found = jpeg.cleaned(FINE[:at] + junk + FINE[at + cut :])
        assert jpeg.cleaned(found) == found


# Piece by piece


def pieces(data: bytes, size: int = PIECE_MIN_BYTES) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_pieces_become_the_picture() -> None:
    incoming = Incoming()
    incoming.begin(Show(camera="h", bytes=len(FINE)))
    *first, last = pieces(FINE)
    assert [incoming.take(one) for one in first] == [None] * len(first)
    assert incoming.take(last) == Picture("h", jpeg.cleaned(FINE))
    with pytest.raises(RemoteProtocolError):
        incoming.take(last)


@pytest.mark.parametrize("piece", [b"", b"x" * (PIECE_MIN_BYTES - 1), b"x" * 5001])
def test_pieces_of_another_size_end_it(piece: bytes) -> None:
    incoming = Incoming()
    incoming.begin(Show(camera="h", bytes=5000))
    with pytest.raises(RemoteProtocolError):
        incoming.take(piece)
    with pytest.raises(RemoteProtocolError):
        incoming.take(b"x" * 5000)


def test_pieces_that_nobody_announced_are_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        Incoming().take(FINE)


def test_a_new_one_ends_the_last() -> None:
    incoming = Incoming()
    incoming.begin(Show(camera="h", bytes=5000))
    incoming.take(b"x" * 2000)
    incoming.begin(Show(camera="h", bytes=len(FINE)))
    found = [incoming.take(one) for one in pieces(FINE)]
    assert found[-1] == Picture("h", jpeg.cleaned(FINE))


def test_pieces_of_one_that_is_not_wanted_are_forgotten_and_no_more() -> None:
    incoming = Incoming()
    incoming.skip(Show(camera="h", bytes=3000))
    assert [incoming.take(b"x" * 1500) for _ in range(2)] == [None, None]
    with pytest.raises(RemoteProtocolError):
        incoming.take(b"x" * 1000)


def test_whole_but_no_picture_is_refused() -> None:
    incoming = Incoming()
    incoming.begin(Show(camera="h", bytes=5000))
    with pytest.raises(RemoteProtocolError):
        incoming.take(b"x" * 5000)
