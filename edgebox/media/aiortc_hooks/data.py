"""Data channels.

aiortc names a window for what it has not put together yet, and takes what goes beyond it. For each
chunk it looks through all that waits: small pieces of a message without end hold it up.
"""

import asyncio
from typing import Any

from aiortc import RTCPeerConnection
from aiortc.rtcsctptransport import WEBRTC_BINARY

CHUNKS_MAX = 256
"""That wait on one stream, of a message that is not complete; and how far one may be ahead."""


def bound_data(connection: RTCPeerConnection) -> None:
    """Drop what goes beyond the window (RFC 9260, 6.2); it is sent again. Call after the offer."""
    sctp: Any = connection.sctp
    if sctp is None:
        return
    receive = sctp._receive_data_chunk

    async def receive_if_there_is_room(chunk: Any) -> None:
        waiting = sctp._get_inbound_stream(chunk.stream_id).reassembly
        is_last = not waiting or _ahead(chunk.tsn, waiting[-1].tsn) > 0
        if (
            len(chunk.user_data) > sctp._advertised_rwnd
            or _ahead(chunk.tsn, sctp._last_received_tsn) > CHUNKS_MAX
            or (is_last and len(waiting) >= CHUNKS_MAX)  # what fills a gap is always taken
        ):
            sctp._sack_needed = True
        else:
            await receive(chunk)

    sctp._receive_data_chunk = receive_if_there_is_room


def _ahead(tsn: int, other: int) -> int:
    """By how much one transmission sequence number is after another (RFC 9260, 1.6)."""
    return (tsn - other + (1 << 31)) % (1 << 32) - (1 << 31)


def drop_binary(connection: RTCPeerConnection) -> asyncio.Future[None]:
    """Binary messages that wait leave no more, nor again what was lost of those that left.

    The other end is told to skip them (RFC 3758, 3.5), and takes what comes after. Done at once;
    what is returned, to be kept until it has ended, only tells them. Call where there is data.
    """
    sctp: Any = connection.sctp
    left = [one for one in sctp._data_channel_queue if one[1] == WEBRTC_BINARY]
    for channel, _, data in left:
        channel._addBufferedAmount(-len(data))
    kept = [one for one in sctp._data_channel_queue if one[1] != WEBRTC_BINARY]
    sctp._data_channel_queue.clear()
    sctp._data_channel_queue.extend(kept)
    for chunk in (*sctp._sent_queue, *sctp._outbound_queue):
        if chunk.protocol == WEBRTC_BINARY and not chunk._acked:
            chunk._abandoned, chunk._retransmit = True, False
            sctp._flight_size_decrease(chunk)
    sctp._update_advanced_peer_ack_point()
    telling: asyncio.Future[None] = asyncio.ensure_future(sctp._transmit())
    return telling
