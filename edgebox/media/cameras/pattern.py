"""The test picture: no camera needed, and everything a benchmark wants to measure is in it.

Top edge: the machine-readable timestamp of `timestamp.py`. Below it the camera's name, a clock, a
square that moves, a window of film grain that costs bits as a real scene does, and colour bars.
Everything that stands still is drawn once; a picture costs some 100 row copies.
"""

import random
import time
from datetime import UTC, datetime

import av

from edgebox.config.media import Camera
from edgebox.media.cameras import font, timestamp
from edgebox.media.cameras.source import Picture

GRAINS = 8
"""Different grain pictures shown in turn; more would not compress worse."""
GRAIN_LUMA = (60, 110)
BARS = (  # Y, U, V of white, yellow, cyan, green, magenta, red, blue, black; ITU-R BT.601, 75 %
    (180, 128, 128), (162, 44, 142), (131, 156, 44), (112, 72, 58),
    (84, 184, 198), (65, 100, 212), (35, 212, 114), (16, 128, 128),
)  # fmt: skip
LAP_S = 4.0
"""Time in which the square crosses the picture once."""


class PatternSource:
    """Draws `camera.fps` pictures a second."""

    def __init__(self, camera: Camera):
        self.width = camera.width // 2 * 2
        self.height = camera.height // 2 * 2
        self.fps = float(camera.fps)
        self._canvas = _Canvas(camera.name, self.width, self.height)
        self._next_at = time.monotonic()
        self._closed = False

    def read(self) -> Picture:
        """Waits for the next picture's time; one that is long over is skipped."""
        now = time.monotonic()
        self._next_at = max(self._next_at + 1 / self.fps, now - 1 / self.fps)
        if self._next_at > now:
            time.sleep(self._next_at - now)
        at, at_utc = time.monotonic(), time.time()
        return Picture(at, lambda: self._canvas.draw(at, at_utc))

    def close(self) -> None:
        """Nothing is held."""


class _Canvas:
    """The parts that stand still, and how to draw the others over them."""

    def __init__(self, name: str, width: int, height: int):
        self._width, self._height = width, height
        sample = av.VideoFrame(width, height, "yuv420p")
        self._strides = [plane.line_size for plane in sample.planes]
        self._scale = max(1, width // 200)
        self._still = self._draw_still(name)
        self._grain = [self._draw_grain(random.Random(seed)) for seed in range(GRAINS)]  # noqa: S311
        self._drawn = 0

    def draw(self, at: float, at_utc: float) -> av.VideoFrame:
        """One picture; `at` moves the square, `at_utc` is told by clock and strip."""
        frame = av.VideoFrame(self._width, self._height, "yuv420p")
        planes = [memoryview(plane) for plane in frame.planes]
        for plane, still in zip(planes, self._still, strict=True):
            plane[:] = still
        self._drawn += 1
        for y, row in self._grain[self._drawn % GRAINS]:
            self._put(planes[0], 0, self._width * 9 // 16, y, row)
        self._draw_clock(planes[0], at_utc)
        self._draw_square(planes, at)
        self._draw_strip(planes[0], at_utc)
        return frame

    def _put(self, plane: memoryview | bytearray, index: int, x: int, y: int, row: bytes) -> None:
        start = y * self._strides[index] + x
        plane[start : start + len(row)] = row

    def _text(
        self, plane: memoryview | bytearray, text: str, x: int, y: int, scale: int, paper: int
    ) -> None:
        room = self._width - x
        for line, row in enumerate(font.rows(text, scale, b"\xeb", bytes((paper,)))):
            for repeat in range(scale):
                self._put(plane, 0, x, y + line * scale + repeat, row[:room])

    def _draw_still(self, name: str) -> list[bytearray]:
        heights = [self._height, self._height // 2, self._height // 2]
        planes = [
            bytearray(bytes((level,)) * stride * height)
            for level, stride, height in zip((40, 134, 122), self._strides, heights, strict=True)
        ]
        top = self._height * 7 // 8
        edges = [self._width * i // len(BARS) // 2 * 2 for i in range(len(BARS) + 1)]
        for index, plane in enumerate(planes):
            part = 1 if index == 0 else 2
            row = b"".join(
                bytes((bar[index],)) * ((end - start) // part)
                for bar, start, end in zip(BARS, edges, edges[1:], strict=False)
            )
            for y in range(top // part, heights[index]):
                self._put(plane, index, 0, y, row)
        self._text(planes[0], name, self._width // 16, self._height // 8, self._scale, 40)
        return planes

    def _draw_grain(self, noise: random.Random) -> list[tuple[int, bytes]]:
        low, high = GRAIN_LUMA
        levels = bytes(low + value * (high - low) // 255 for value in range(256))
        width = self._width * 6 // 16
        rows = range(self._height * 3 // 8, self._height * 6 // 8)
        return [(y, noise.randbytes(width).translate(levels)) for y in rows]

    def _draw_clock(self, plane: memoryview, at_utc: float) -> None:
        clock = datetime.fromtimestamp(at_utc, UTC).astimezone()
        text = f"{clock:%H:%M:%S}.{clock.microsecond // 1000:03d}"
        self._text(plane, text, self._width // 16, self._height * 3 // 8, self._scale, 40)

    def _draw_square(self, planes: list[memoryview], at: float) -> None:
        size = self._height // 8 // 2 * 2
        way = at / LAP_S % 2
        x = int((self._width // 2 - size) * (way if way < 1 else 2 - way)) // 2 * 2
        top = self._height * 9 // 16 // 2 * 2
        for index, level in enumerate((200, 90, 170)):
            part = 1 if index == 0 else 2
            row = bytes((level,)) * (size // part)
            for y in range(top // part, (top + size) // part):
                self._put(planes[index], index, x // part, y, row)

    def _draw_strip(self, plane: memoryview, at_utc: float) -> None:
        block = self._width // timestamp.BLOCKS
        white, black = b"\xeb" * block, b"\x10" * block
        row = b"".join(white if bit == "1" else black for bit in timestamp.bits(int(at_utc * 1000)))
        for y in range(self._height // 36):
            self._put(plane, 0, 0, y, row)
