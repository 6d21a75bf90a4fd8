"""One end of the QUIC connection (RFC 9000) that carries the pipes.

aioquic drives it; its datagrams go to the bond and come from there. Streams are opened by the
box's end only, one for each TCP connection. Of aioquic's private parts two are used: the streams it
holds, for it has no public word for how much of one is unsent, and queues without a limit; and its
timer's backoff.
"""

from collections.abc import Callable

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from edgebox.conduit.pipe import Pipe

ALPN = ["edgebox-conduit"]
UNSENT_MAX = 256_000
"""Bytes of one stream that wait for the other side; then its program has to wait as well."""
IDLE_S = 10.0
"""Nothing heard for so long: the connection is over. The broker's own limit is 7.5 s."""
QUIET_S = 1.0
"""Nothing heard for so long: something may have been lost on the way."""
BACKOFF_MAX = 2
"""Doublings of the timer after such a silence."""
ABORTED = 1
"""Application error code (RFC 9000, 20.2): the TCP connection did not end in good order."""


class Carrier(QuicConnectionProtocol):
    """`on_stream` makes the pipe of a stream that the other end opens, or None: refused."""

    def __init__(
        self, quic: QuicConnection, on_stream: Callable[["Carrier", int], Pipe | None]
    ) -> None:
        super().__init__(quic)
        self.heard_at = self._loop.time()
        self.problem = ""
        """Why the connection ended, if the other end or TLS said so."""
        self.pipes: dict[int, Pipe] = {}
        self._on_stream = on_stream

    def open(self) -> Pipe:
        """A new stream and its pipe."""
        stream = self._quic.get_next_available_stream_id()
        pipe = self.pipes[stream] = Pipe(self, stream)
        # Takes the number; the other end learns of it with the first byte.
        self._quic.send_stream_data(stream, b"")
        return pipe

    @property
    def unsent_bytes(self) -> int:
        """What waits for the other side, in all streams."""
        return sum(map(self._unsent, self.pipes))

    def keep_alive(self) -> None:
        """Have the other end say something, soon."""
        self._quic.send_ping(0)
        self._hurry()

    def _hurry(self) -> None:
        """Let the timer of RFC 9002, 6.2.1, not sleep longer the longer the tunnel was."""
        loss = self._quic._loss
        loss._pto_count = min(loss._pto_count, BACKOFF_MAX)
        self.transmit()

    # Of the pipes (edgebox.conduit.pipe.Streams)

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Queue bytes, or the end, for the other side."""
        self._quic.send_stream_data(stream, data, end_stream=end)
        self._transmit_soon()

    def reset(self, stream: int) -> None:
        """Nothing more is sent and nothing more is wanted."""
        if stream in self._quic._streams:
            self._quic.reset_stream(stream, ABORTED)
            self._quic.stop_stream(stream, ABORTED)
            self._transmit_soon()

    def is_full(self, stream: int) -> bool:
        """So much waits for the other side that no more should be read."""
        return self._unsent(stream) > UNSENT_MAX

    def forget(self, stream: int) -> None:
        """The pipe is over."""
        self.pipes.pop(stream, None)

    # Of aioquic

    def datagram_received(self, data: bytes | str, addr: NetworkAddress) -> None:
        """Note the sign of life, and let pipes go on that waited."""
        silent_s = self._loop.time() - self.heard_at
        self.heard_at = self._loop.time()
        super().datagram_received(data, addr)
        if silent_s > QUIET_S:
            self._hurry()
        for pipe in tuple(self.pipes.values()):
            pipe.look()

    def quic_event_received(self, event: QuicEvent) -> None:
        """What came for the pipes."""
        if isinstance(event, StreamDataReceived):
            pipe = self.pipes.get(event.stream_id) or self._accept(event.stream_id)
            if pipe is not None:
                pipe.feed(event.data, end=event.end_stream)
        elif isinstance(event, StreamReset | StopSendingReceived):
            if event.stream_id in self.pipes:
                self.pipes[event.stream_id].abort()
        elif isinstance(event, ConnectionTerminated):
            self.problem = event.reason_phrase
            for pipe in tuple(self.pipes.values()):
                pipe.abort()

    def _unsent(self, stream: int) -> int:
        held = self._quic._streams.get(stream)
        return len(held.sender._buffer) if held is not None else 0

    def _accept(self, stream: int) -> Pipe | None:
        pipe = self._on_stream(self, stream)
        if pipe is not None:
            self.pipes[stream] = pipe
        return pipe
