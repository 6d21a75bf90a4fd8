"""How much the other end may send. aiortc tells it what it could receive, and knows no less."""

from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpReceiver

from edgebox.errors import LocalProtocolError

REPEAT_MS = 1000
"""Such a message may get lost."""


class _Limited:
    """Stands where aiortc has its estimate of the rate (draft-alvestrand-rmcat-remb)."""

    def __init__(self, estimate: Any, limit_bps: Callable[[], int], heed_estimate: bool):
        self._estimate = estimate
        self._limit_bps = limit_bps
        self._heed_estimate = heed_estimate
        self._own_bps: int | None = None
        self._told_bps = 0
        self._told_ms = 0

    def add(
        self, *, abs_send_time: int, arrival_time_ms: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        found = self._estimate.add(
            abs_send_time=abs_send_time,
            arrival_time_ms=arrival_time_ms,
            payload_size=payload_size,
            ssrc=ssrc,
        )
        if found is not None and self._heed_estimate:
            self._own_bps = found[0]
        limit_bps = self._limit_bps()
        rate_bps = limit_bps if self._own_bps is None else min(limit_bps, self._own_bps)
        if rate_bps == self._told_bps and arrival_time_ms - self._told_ms < REPEAT_MS:
            return None
        self._told_bps, self._told_ms = rate_bps, arrival_time_ms
        return rate_bps, list(self._estimate.ssrcs) or [ssrc]


def limit_rate(
    receiver: RTCRtpReceiver, limit_bps: Callable[[], int], *, heed_estimate: bool
) -> None:
    """The other end is told to send no more than this, from its next packet on. Call at once.

    `heed_estimate`: nor more than what arrives says there is room for. That starts low and rises
    slowly, which is no use on a network of our own: Chromium heeds losses itself.
    """
    private: Any = receiver
    estimate = getattr(private, "_RTCRtpReceiver__remote_bitrate_estimator", None)
    if estimate is None or not hasattr(estimate, "ssrcs"):
        raise LocalProtocolError("aiortc has changed: no estimate of the rate in its receiver")
    private._RTCRtpReceiver__remote_bitrate_estimator = _Limited(estimate, limit_bps, heed_estimate)
