"""A film in a loop at its own speed: for demonstrations and tests.

Any container that PyAV opens. H.264 without B-pictures is passed on undecoded.
"""

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.media import h264
from edgebox.media.cameras.source import AccessUnit, CameraGoneError, Picture, held

STEP_MAX_S = 1.0
"""A longer pause between two pictures of the film is not waited for."""
BEHIND_MAX_S = 0.1
"""If this machine is slower than the film, it plays slower instead of catching up."""


class FileSource:
    """Plays `camera.source`."""

    def __init__(self, camera: Camera, directory: Path):
        self._path = directory / camera.source
        self._container = self._open()
        stream = self._container.streams.video[0]
        self.width, self.height = stream.codec_context.width, stream.codec_context.height
        self.fps = float(stream.average_rate or camera.fps)
        self._next_at = time.monotonic()
        self._items = self._play()

    def read(self) -> Picture | AccessUnit:
        return next(self._items)

    def close(self) -> None:
        self._container.close()

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(str(self._path))
        except FileNotFoundError as error:
            raise CameraGoneError(f"no file {self._path}: put it there") from error
        except (av.FFmpegError, OSError) as error:
            raise DeviceError(f"{self._path} cannot be played: {error}") from error
        if not container.streams.video:
            container.close()
            raise DeviceError(f"{self._path} has no picture")
        return container

    def _play(self) -> Iterator[Picture | AccessUnit]:
        while True:
            shown = 0
            try:
                for item in self._run():
                    shown += 1
                    yield item
            except (av.FFmpegError, OSError) as error:
                raise CameraGoneError(f"{self._path} cannot be read: {error}") from error
            if not shown:
                raise DeviceError(f"{self._path} has no picture that can be decoded")
            self._container.close()
            self._container = self._open()

    def _run(self) -> Iterator[Picture | AccessUnit]:
        """The film once."""
        stream = self._container.streams.video[0]
        context = stream.codec_context
        base, last = stream.time_base or Fraction(1, 90_000), None
        if context.name != "h264" or context.has_b_frames:
            for frame in self._container.decode(stream):
                at, last = self._wait(last, frame.pts, base), frame.pts
                yield Picture(at, held(frame))
            return
        parameter_sets = h264.annex_b(bytes(context.extradata or b""))
        to_annex_b = BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in self._container.demux(stream):
            for unit in to_annex_b.filter(packet if packet.size else None):
                at, last = self._wait(last, unit.dts, base), unit.dts
                yield AccessUnit(at, h264.with_parameter_sets(bytes(unit), parameter_sets))

    def _wait(self, last: int | None, stamp: int | None, base: Fraction) -> float:
        """Until the picture with this time stamp is due; returns when that is."""
        step_s = 1 / self.fps
        if last is not None and stamp is not None and 0 < (stamp - last) * base <= STEP_MAX_S:
            step_s = float((stamp - last) * base)
        now = time.monotonic()
        self._next_at = max(self._next_at + step_s, now - BEHIND_MAX_S)
        if self._next_at > now:
            time.sleep(self._next_at - now)
        return self._next_at
