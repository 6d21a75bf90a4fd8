"""Which pictures to encode when bits are scarce (no I/O, told the time).

Two reasons to leave a picture out:
- Below some bits a pixel quality collapses: fewer pictures keep each of them readable.
- What the encoder produced beyond its rate is still on its way: more would only add delay. Encoders
  overshoot after a cut of their rate and at keyframes; hardware ones do as they like.
"""

BITS_PER_PIXEL = 0.0145
"""A picture gets at least this: 720p keeps 30 pictures a second down to 400 kbit/s."""
FPS_MIN = 2.0
DEBT_S = 0.2
"""More than this much of the rate's time on its way: wait."""
DEBT_MAX_S = 2.0
"""A single picture never silences the encoder for longer."""


class Pace:
    """One for each encoder."""

    def __init__(self, camera_fps: float, pixels: int, most_fps: float | None = None):
        """`most_fps`: no more are wanted than this."""
        self._camera_fps = camera_fps
        self._most_fps = camera_fps if most_fps is None else most_fps
        self._pixels = pixels
        self._bitrate_bps = 1
        self._next_at = 0.0
        self._free_at = 0.0
        self.fps = self._most_fps
        """Pictures a second at the present rate."""

    def set_bitrate(self, bitrate_bps: int, now: float) -> None:
        """What is still on its way takes longer if the rate falls, and less if it rises."""
        left_bits = max(0.0, self._free_at - now) * self._bitrate_bps
        self._bitrate_bps = max(1, bitrate_bps)
        self._free_at = now + min(DEBT_MAX_S, left_bits / self._bitrate_bps)
        fits = self._bitrate_bps / (BITS_PER_PIXEL * self._pixels)
        self.fps = min(self._most_fps, max(FPS_MIN, fits))

    def wants(self, now: float) -> bool:
        """Shall a picture taken now be encoded? A keyframe somebody waits for is not asked."""
        if self._free_at - now > DEBT_S:
            return False
        # Half a camera period of slack: a picture that comes a little early is the one meant.
        return now >= self._next_at - 0.5 / self._camera_fps

    def spent(self, size: int, now: float) -> None:
        """A picture of `size` bytes was encoded."""
        period = 1 / self.fps
        self._next_at = max(self._next_at + period, now)
        if self._next_at > now + period:
            self._next_at = now + period
        busy_s = size * 8 / self._bitrate_bps
        self._free_at = min(max(self._free_at, now) + busy_s, now + DEBT_MAX_S)
