"""From what a camera gives to what viewers get; runs in the encoder process.

`PicturePipeline` encodes pictures. `StreamPipeline` takes H.264 from a camera that encodes itself
and forwards it untouched as long as that serves the viewers. When it does not it decodes and
encodes: for a keyframe that is wanted now (the camera's own may be seconds away), for a bit rate
far below the camera's, for a thumbnail or a part of the picture, for B-pictures and profiles that
browsers refuse. It goes back to forwarding
at a keyframe of the camera.
"""

import contextlib
import math
from collections import deque
from dataclasses import dataclass

import av
from av.codec.context import Flags

from edgebox.media import h264
from edgebox.media.cameras.source import AccessUnit, Picture
from edgebox.media.codec import CLOCK_HZ, Encoder, open_encoder
from edgebox.media.cut import WHOLE, Cutter, Part
from edgebox.media.pace import Pace
from edgebox.media.pipe import Form

FORWARD_BELOW, TRANSCODE_ABOVE = 1.1, 1.3
"""The camera's rate as a share of the target. Between the two: as before."""
RATE_WINDOW_S = 2.0
GOP_CACHE_UNITS = 60
"""Kept undecoded while forwarding, so that a keyframe can be made at any time. A camera with fewer
keyframes is decoded along with forwarding from there on."""


@dataclass(frozen=True, slots=True)
class Output:
    """One access unit for the viewers."""

    pts: int
    """1/90000 s, monotonic clock."""
    data: bytes
    keyframe: bool


class PicturePipeline:
    """Encodes pictures, cut and scaled down to what is wanted."""

    def __init__(self, width: int, height: int, fps: float, *, hardware: bool):
        self._hardware = hardware
        self._limit = (width, height)
        self._fps = fps
        self._bitrate_bps = 1_000_000
        self._form = Form()
        self._part = WHOLE
        self._cutter = Cutter()
        self._encoder: Encoder | None = None
        self._pace = Pace(fps, width * height)
        self._single_at = -math.inf

    @property
    def encoder_name(self) -> str:
        """`libx264` or `h264_v4l2m2m`; empty before the first picture."""
        return self._encoder.name if self._encoder else ""

    def retune(self, bitrate_bps: int, now: float) -> None:
        """From the next picture on."""
        self._bitrate_bps = bitrate_bps
        self._pace.set_bitrate(bitrate_bps, now)
        if self._encoder:
            self._encoder.retune(bitrate_bps, self._fps_wanted(self._pace.fps))

    def shape(self, form: Form, part: Part) -> None:
        """From the next picture on; another size or rate of pictures begins with a keyframe."""
        if (form.fps, form.every_s) != (self._form.fps, self._form.every_s):
            self._encoder = None
            self._single_at = -math.inf
        self._form, self._part = form, part

    def take(self, picture: Picture, *, keyframe: bool, now: float) -> list[Output]:
        """Encode it unless it is not its turn, or bits are too scarce for one more picture now."""
        if not self.wants(picture.at, keyframe=keyframe):
            return []
        return self.encode(picture.frame(), picture.at, keyframe=keyframe, now=now)

    def encode(
        self, frame: av.VideoFrame, at: float, *, keyframe: bool, now: float
    ) -> list[Output]:
        """Encode a decoded picture taken at `at`."""
        width, height = fit(frame.width, frame.height, *self._size_max())
        encoder = self._encoder
        if encoder is None or (encoder.width, encoder.height) != (width, height):
            encoder = self._open(width, height, now)
        # The size stays the same whatever part is shown: each change of it costs a keyframe.
        frame = self._cutter.cut(frame, self._part)
        if (frame.width, frame.height, frame.format.name) != (width, height, "yuv420p"):
            frame = frame.reformat(width, height, "yuv420p")
        outputs = [
            Output(pts, data, h264.is_keyframe(data))
            for pts, data in encoder.encode(
                frame, int(at * CLOCK_HZ), keyframe=keyframe or self._form.every_s > 0
            )
        ]
        self._pace.spent(sum(len(output.data) for output in outputs), at)
        self._single_at = at
        return outputs

    def wants(self, at: float, *, keyframe: bool = False) -> bool:
        """Would a picture taken at `at` be encoded?"""
        every_s = self._form.every_s
        if every_s:
            # Somebody who cannot see the last one waits for half the time at most.
            return at - self._single_at >= (every_s / 2 if keyframe else every_s)
        return keyframe or self._pace.wants(at)

    def _open(self, width: int, height: int, now: float) -> Encoder:
        fps = self._fps_wanted(self._fps)
        self._encoder = open_encoder(hardware=self._hardware, width=width, height=height, fps=fps)
        self._pace = Pace(self._fps, width * height, fps)
        self.retune(self._bitrate_bps, now)
        return self._encoder

    def _size_max(self) -> tuple[int, int]:
        width, height = self._limit
        return min(self._form.width or width, width), min(self._form.height or height, height)

    def _fps_wanted(self, fps: float) -> float:
        if self._form.every_s:
            return 1 / self._form.every_s
        return min(fps, self._form.fps or fps)


class StreamPipeline:
    """Forwards or transcodes what a camera encoded."""

    def __init__(self, width: int, height: int, fps: float, *, hardware: bool):
        self._transcode = PicturePipeline(width, height, fps, hardware=hardware)
        self._target_bps = 1_000_000
        self._as_it_is = True
        self._arrived: deque[tuple[float, int]] = deque()
        self._gop: list[AccessUnit] = []
        self._decoder: av.VideoCodecContext | None = None
        self._last: av.VideoFrame | None = None
        self._started = False
        self._decode_along = False
        self._profile_fits = True
        self._reordered = False
        self.forwarding = False
        self.wants_keyframe = False
        """It could forward again, from a keyframe of the camera on."""

    @property
    def encoder_name(self) -> str:
        """`passthrough`, or the encoder that is at work."""
        return "passthrough" if self.forwarding else self._transcode.encoder_name

    def retune(self, bitrate_bps: int, now: float) -> None:
        """Forwarded pictures stay as they are until the rate is far below the camera's."""
        self._target_bps = bitrate_bps
        self._transcode.retune(bitrate_bps, now)

    def shape(self, form: Form, part: Part) -> None:
        """From the next picture on."""
        self._as_it_is = form == Form() and part == WHOLE
        self._transcode.shape(form, part)

    def still(self) -> av.VideoFrame | None:
        """The newest picture as the camera gave it."""
        return self._decoded()

    def keep(self, unit: AccessUnit) -> None:
        """Nobody watches: remember enough to start at once."""
        self.forwarding = False
        self._remember(unit)

    def take(self, unit: AccessUnit, *, keyframe: bool, now: float) -> list[Output]:
        """The unit itself, or what was made of it."""
        own_keyframe = self._remember(unit)
        fits = self._can_forward(unit.at)
        was_forwarding = self.forwarding
        if own_keyframe:
            self.forwarding = fits
        elif keyframe or not fits:
            self.forwarding = False
        self.wants_keyframe = fits and not self.forwarding
        if self.forwarding:
            return [Output(int(unit.at * CLOCK_HZ), unit.data, own_keyframe)]
        # The viewer's decoder refers to pictures of the camera's stream: start anew.
        must = keyframe or was_forwarding
        frame = self._decoded()
        if frame is None or not self._transcode.wants(unit.at, keyframe=must):
            return []
        return self._transcode.encode(frame, unit.at, keyframe=must, now=now)

    def _can_forward(self, at: float) -> bool:
        ratio = TRANSCODE_ABOVE if self.forwarding else FORWARD_BELOW
        return (
            self._as_it_is
            and self._profile_fits
            and not self._reordered
            and self._camera_bps(at) <= self._target_bps * ratio
        )

    def _camera_bps(self, at: float) -> float:
        """Over the last seconds; 0 while there are too few to tell."""
        span = at - self._arrived[0][0]
        return sum(size for _, size in self._arrived) * 8 / span if span > 0.5 else 0.0

    def _remember(self, unit: AccessUnit) -> bool:
        """Put it into the group of pictures; True if it starts one."""
        own_keyframe = h264.is_keyframe(unit.data)
        if own_keyframe:
            self._gop = []
            self._started, self._decode_along = True, False
            parameters = h264.parameters(unit.data)
            if parameters:
                self._profile_fits = parameters.profile in h264.FORWARDABLE_PROFILES
        elif not self._reordered and h264.has_b_slice(unit.data):
            self._reordered = True
            self._decoder = None  # the one there is was told not to wait for later pictures
        self._arrived.append((unit.at, len(unit.data)))
        while unit.at - self._arrived[0][0] > RATE_WINDOW_S:
            self._arrived.popleft()
        if self._started:
            self._gop.append(unit)
        if self._decode_along or len(self._gop) > GOP_CACHE_UNITS:
            self._decode_along = True
            self._decoded()
        return own_keyframe

    def _decoded(self) -> av.VideoFrame | None:
        """The newest picture, after decoding all that is remembered."""
        if self._decoder is None:
            self._decoder = av.VideoCodecContext.create("h264", "r")
            self._decoder.thread_count = 1
            if not self._reordered:
                self._decoder.flags |= Flags.low_delay
        for unit in self._gop:
            # A damaged picture is mended by the camera's next keyframe.
            with contextlib.suppress(av.FFmpegError):
                for frame in self._decoder.decode(av.Packet(unit.data)):
                    self._last = frame
        self._gop = []
        return self._last


def fit(width: int, height: int, width_max: int, height_max: int) -> tuple[int, int]:
    """Largest even size of the same shape within the limit; never larger than it is."""
    scale = min(1.0, width_max / width, height_max / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
