"""How many bits sound may use and how it is packed, from what the links carry (no I/O).

Each packet costs some 115 bytes of headers on a link (RTP, SRTP, TURN, bond, UDP, IP), and the bond
sends sound over two links. At 20 ms that is 92 kbit/s before the first bit of sound, which is more
than the last 60 kbit/s. So when links are that poor packets hold 60 ms, and when even that is too
much 120 ms: late by a tenth of a second, but there.
"""

from dataclasses import dataclass

HEADERS_BITS = 115 * 8
COPIES = 2


@dataclass(frozen=True, slots=True)
class Level:
    """How sound is encoded."""

    bitrate_bps: int
    packet_ms: int

    @property
    def carried_bps(self) -> int:
        """On the links, headers and second copy included."""
        return COPIES * (self.bitrate_bps + HEADERS_BITS * 1000 // self.packet_ms)


LEVELS = (
    (1_500_000, Level(40_000, 20)),
    (700_000, Level(32_000, 20)),
    (350_000, Level(24_000, 20)),
    (200_000, Level(16_000, 40)),
    (20_000, Level(12_000, 60)),
    (0, Level(10_000, 120)),
)
"""From which target of the bond on, which is what is left beside sound; best first."""
RISE_MARGIN = 1.15
"""A better level needs this much more than where it begins: no to and fro at the border."""
LOSS_MIN, LOSS_MAX = 5, 30
LOSS_FORGOTTEN_S = 10.0


class Rate:
    """Follows the target of the bond."""

    def __init__(self) -> None:
        self.level = LEVELS[0][1]

    def target(self, target_bps: int) -> Level:
        """At once down, up with a margin."""
        for begins_bps, level in LEVELS:
            better = level.bitrate_bps > self.level.bitrate_bps
            if target_bps >= begins_bps * (RISE_MARGIN if better else 1):
                self.level = level
                break
        return self.level


class Loss:
    """The loss to prepare for: the worst that any listener reported lately (RFC 3550, 6.4.1)."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._at = 0.0

    def reported(self, fraction: float, now: float) -> None:
        """`fraction`: 0 to 1, of one receiver report."""
        if fraction >= self._fading(now):
            self._worst, self._at = fraction, now

    def percent(self, now: float) -> int:
        """In steps of five, so that it changes seldom."""
        rounded = round(self._fading(now) * 100 / 5) * 5
        return max(LOSS_MIN, min(LOSS_MAX, rounded))

    def _fading(self, now: float) -> float:
        return self._worst * max(0.0, 1 - (now - self._at) / LOSS_FORGOTTEN_S)
