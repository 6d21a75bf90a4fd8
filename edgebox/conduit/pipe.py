"""One TCP connection and the stream that carries it."""

import asyncio
import contextlib
import socket
import struct
from typing import Protocol, cast

BUFFER_MAX = 1_000_000
"""Bytes for a program that does not read; then the connection ends."""


class Streams(Protocol):
    """What a pipe needs of the QUIC connection it belongs to."""

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Queue bytes, or the end, for the other side."""

    def reset(self, stream: int) -> None:
        """Nothing more is sent and nothing more is wanted."""

    def is_full(self, stream: int) -> bool:
        """So much waits for the other side that no more should be read."""

    def forget(self, stream: int) -> None:
        """The pipe is over."""


class Pipe(asyncio.Protocol):
    """Both directions end on their own, as with TCP; an abort of one side aborts the other."""

    def __init__(self, streams: Streams, stream: int):
        self.stream = stream
        self._streams = streams
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()
        """Came before the TCP connection was there."""
        self._has_ended = False
        self._has_sent_end = False
        self._is_paused = False
        self._is_aborted = False

    # From the stream

    def feed(self, data: bytes, *, end: bool) -> None:
        """The other side's next bytes, in order, and whether they are its last."""
        self._has_ended |= end
        if self._transport is None:
            self._early += data
            if len(self._early) > BUFFER_MAX:
                self.abort()
            return
        self._transport.write(data)
        if end:
            self._write_end()
        elif self._transport.get_write_buffer_size() > BUFFER_MAX:
            self.abort()

    def look(self) -> None:
        """Something was acknowledged: read on if there is room again."""
        if self._is_paused and self._transport is not None and not self._is_aborted:
            self._is_paused = self._streams.is_full(self.stream)
            if not self._is_paused:
                self._transport.resume_reading()

    def abort(self) -> None:
        """End both sides now; what has not arrived is lost."""
        if self._is_aborted:
            return
        self._is_aborted = True
        self._streams.reset(self.stream)
        if self._transport is None:
            self._streams.forget(self.stream)
        else:
            _break(self._transport)

    # From TCP (asyncio.Protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Both sides are there."""
        self._transport = cast("asyncio.Transport", transport)
        if self._is_aborted:
            _break(self._transport)
            return
        early, self._early = bytes(self._early), bytearray()
        self.feed(early, end=self._has_ended)

    def data_received(self, data: bytes) -> None:
        """Hand on; the program waits while the bond cannot carry as much."""
        if self._is_aborted:
            return
        self._streams.send(self.stream, data)
        if self._streams.is_full(self.stream) and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The program has said all; what it is told may go on."""
        if not self._is_aborted:
            self._has_sent_end = True
            self._streams.send(self.stream, b"", end=True)
        return not self._has_ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Whether all was said decides how the stream ends."""
        if not (self._has_sent_end and self._has_ended) and not self._is_aborted:
            self._is_aborted = True
            self._streams.reset(self.stream)
        self._streams.forget(self.stream)

    def _write_end(self) -> None:
        if self._transport is None:
            return
        if self._has_sent_end:
            self._transport.close()
            return
        # A program that has just broken off: the loop tells of it next.
        with contextlib.suppress(OSError):
            self._transport.write_eof()


def _break(transport: asyncio.Transport) -> None:
    """Tell the program that this is no ordinary end (socket(7), SO_LINGER of 0 s: RST)."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
