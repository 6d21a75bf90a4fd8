"""Every private part of aiortc and aioice that we touch, and why. Nothing else may.

tests/unit/media/test_aiortc_hooks.py holds a contract test for each; they fail when a new version
of aiortc (pinned in pyproject.toml) changes what a hook relies on.
"""

from aioice import turn as aioice_turn
from aiortc import rtcrtpsender
from aiortc.codecs import h264 as aiortc_h264

from edgebox.errors import LocalProtocolError
from edgebox.media.aiortc_hooks.data import CHUNKS_MAX, bound_data, drop_binary
from edgebox.media.aiortc_hooks.rate import limit_rate
from edgebox.media.aiortc_hooks.receiving import (
    Arrived,
    ask_for_keyframe,
    keep_consent,
    receive_packets,
    watch_life,
)
from edgebox.media.aiortc_hooks.rtp import (
    PAYLOAD_MAX,
    RTP_HISTORY,
    Feedback,
    report_capture,
    source_of,
    timestamp_of,
    watch_feedback,
    watch_losses,
    watch_sending,
)
from edgebox.media.aiortc_hooks.turn import (
    create_turn_endpoint_soon,
    drop_prepared,
    gather_only,
    keep_turn_prepared,
    prepare_turn,
    send_directly,
)

__all__ = [
    "CHUNKS_MAX",
    "PAYLOAD_MAX",
    "Arrived",
    "Feedback",
    "ask_for_keyframe",
    "bound_data",
    "drop_binary",
    "drop_prepared",
    "gather_only",
    "install",
    "keep_consent",
    "keep_turn_prepared",
    "limit_rate",
    "prepare_turn",
    "receive_packets",
    "report_capture",
    "source_of",
    "timestamp_of",
    "watch_feedback",
    "watch_life",
    "watch_losses",
    "watch_sending",
]


def install() -> None:
    """Once, before the first connection."""
    for part, name, ours in (
        (rtcrtpsender, "RTP_HISTORY_SIZE", RTP_HISTORY),
        (aiortc_h264, "PACKET_MAX", PAYLOAD_MAX),
        (aioice_turn.TurnTransport, "sendto", send_directly),
        (aioice_turn, "create_turn_endpoint", create_turn_endpoint_soon),
    ):
        if not hasattr(part, name):
            raise LocalProtocolError(f"aiortc has changed: no {part}.{name}")
        setattr(part, name, ours)
