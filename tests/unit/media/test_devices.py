"""Cameras this machine does not have, by stand-ins for what they are reached through."""

import errno
import os
import struct
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.media.cameras import open_source, v4l2
from edgebox.media.cameras.picamera import planar
from edgebox.media.cameras.source import CameraGoneError

USB = Camera(id="usb", name="USB", kind="v4l2", source="/dev/v4l/by-path/none")
RIBBON = Camera(id="pi", name="Pi", kind="picamera", width=64, height=32)


@pytest.mark.parametrize(
    ("offered", "pixels", "chosen"),
    [
        ([b"YUYV", b"MJPG", b"H264"], 1280 * 720, "h264"),
        ([b"YUYV", b"MJPG"], 1280 * 720, "mjpeg"),
        ([b"YUYV", b"MJPG"], 320 * 240, "mjpeg"),
        ([b"YUYV", b"NV12"], 1280 * 720, "yuyv422"),
    ],
)
def test_the_cheapest_format_that_fits_is_chosen(
    offered: list[bytes], pixels: int, chosen: str
) -> None:
    assert v4l2.choose_format(offered, pixels) == chosen


def test_unknown_formats_are_named() -> None:
    with pytest.raises(DeviceError, match="GREY"):
        v4l2.choose_format([b"GREY"], 100)
    with pytest.raises(DeviceError, match="no format"):
        v4l2.choose_format([], 100)


def test_an_unplugged_camera_is_gone_and_says_what_to_do() -> None:
    with pytest.raises(CameraGoneError, match="plug it in"):
        open_source(USB, Path())


def test_a_device_that_is_no_camera_says_so(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.write_bytes(b"")
    with pytest.raises(DeviceError, match="not a camera"):
        v4l2._formats(str(path))


def test_formats_are_listed_until_the_driver_says_that_is_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "video0"
    path.write_bytes(b"")

    def ioctl(device: int, request: int, argument: bytearray) -> None:
        assert (request >> 8 & 0xFF, request & 0xFF) == (ord("V"), 2)
        assert (request >> 16) & 0x3FFF == len(argument) == 64
        index, kind = struct.unpack_from("=II", argument)
        assert kind == 1
        if index == 2:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        struct.pack_into("=4s", argument, 44, (b"MJPG", b"YUYV")[index])

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    assert v4l2._formats(str(path)) == [b"MJPG", b"YUYV"]


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EACCES, "group `video`"), (errno.EBUSY, "in use")]
)
def test_refusals_say_what_to_do(code: int, words: str) -> None:
    assert words in str(v4l2._refused("/dev/video0", OSError(code, "x")))


def test_without_picamera2_the_text_says_what_to_install() -> None:
    with pytest.raises(DeviceError, match="python3-picamera2"):
        open_source(RIBBON, Path())


class Picamera2:
    """As much of picamera2's interface as the source uses."""

    def __init__(self, number: int):
        if number > 0:
            raise IndexError("list index out of range")
        self.closed = False

    def create_video_configuration(self, **wish: Any) -> dict[str, Any]:
        return wish

    def configure(self, wish: dict[str, Any]) -> None:
        assert wish["main"] == {"size": (64, 32), "format": "YUV420"}
        assert wish["controls"] == {"FrameRate": 30}

    def start(self) -> None:
        pass

    def camera_configuration(self) -> dict[str, Any]:
        return {"main": {"size": (64, 32), "stride": 128}}

    def capture_request(self) -> Any:
        luma = b"".join(bytes((y,)) * 64 + b"\xff" * 64 for y in range(32))
        chroma = b"".join(bytes((100 + y,)) * 32 + b"\xff" * 32 for y in range(16))
        return SimpleNamespace(make_buffer=lambda name: luma + chroma * 2, release=lambda: None)

    def close(self) -> None:
        self.closed = True


def test_pictures_from_the_ribbon_connector(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    source: Any = open_source(RIBBON, Path())
    frame = source.read().frame()
    luma, chroma = frame.planes[0], frame.planes[2]
    assert bytes(memoryview(luma))[31 * luma.line_size :][:64] == bytes((31,)) * 64
    assert bytes(memoryview(chroma))[15 * chroma.line_size :][:32] == bytes((115,)) * 32
    with pytest.raises(CameraGoneError, match="check the cable"):
        open_source(Camera(id="b", name="B", kind="picamera", source="1"), Path())
    with pytest.raises(DeviceError, match="not a number"):
        open_source(Camera(id="b", name="B", kind="picamera", source="front"), Path())


def test_rows_without_padding_are_copied_at_once() -> None:
    frame = planar(memoryview(bytes(64 * 32) + bytes((7,)) * (32 * 16 * 2)), 64, 64, 32)
    assert bytes(memoryview(frame.planes[1]))[:32] == bytes((7,)) * 32
