"""When the pictures were taken that a viewer sees: waves shall stand beside their moment."""

from collections.abc import Iterable

from aiortc import RTCRtpSender

from edgebox.media import aiortc_hooks
from edgebox.media.data_messages import Moment
from edgebox.media.tracks import CameraTrack


def moments_of(senders: Iterable[RTCRtpSender], now: float, now_utc: float) -> list[Moment]:
    """Of each camera that was sent, the newest picture's RTP timestamp and time.

    Now and then the timestamp is that of the picture before: never of a later one.
    """
    return [
        Moment(
            camera=sender.track.encoder.camera.id,
            rtp=timestamp,
            at_utc=now_utc - (now - sender.track.captured_at()),
        )
        for sender in senders
        if isinstance(sender.track, CameraTrack)
        and (timestamp := aiortc_hooks.timestamp_of(sender))
    ]
