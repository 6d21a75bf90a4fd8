"""One open remote page: its WebSocket, what it may send and how fast, what it is sent.

A page that breaks the protocol, floods or does not read is cut off; nothing of it reaches others.
"""

import asyncio
import contextlib
import logging
import time

from aiohttp import WSCloseCode, WSMsgType, web

from edgebox.errors import RemoteProtocolError
from edgebox.hub import protocol, tokens
from edgebox.hub.hub import Hub
from edgebox.hub.limit import Bucket
from edgebox.hub.protocol import (
    Candidate,
    End,
    Ended,
    FromPage,
    Leave,
    Muted,
    Offer,
    Ping,
    Pong,
    State,
    ToPage,
)
from edgebox.hub.signalling import Signalling
from edgebox.hub.store import ParticipantRow

logger = logging.getLogger(__name__)

MESSAGE_RATE_HZ = 20.0
MESSAGE_BURST = 200.0
CANDIDATES_MAX = 64
"""Of one offer; the box takes no more either."""
OUTBOX_MAX = 200
"""Messages that wait for a page that does not read."""


class RemotePage:
    """Serves one WebSocket until it closes."""

    def __init__(
        self,
        hub: Hub,
        signalling: Signalling,
        row: ParticipantRow,
        peer: str,
        socket: web.WebSocketResponse,
    ):
        now = time.monotonic()
        self.peer = peer
        self._hub = hub
        self._signalling = signalling
        self._row = row
        self._socket = socket
        self._outbox: asyncio.Queue[ToPage | None] = asyncio.Queue(OUTBOX_MAX)
        self._messages = Bucket(MESSAGE_RATE_HZ, MESSAGE_BURST, MESSAGE_BURST, now)
        self._answering: asyncio.Task[None] | None = None
        self._newest_offer = -1
        self._candidates = 0
        self._admitted = False
        self._held: list[Candidate] = []
        """Candidates of an offer the box has not answered yet: it may not know the peer."""

    def send(self, message: ToPage) -> None:
        """Queue a message; a page that does not read is cut off."""
        if isinstance(message, State) and message.you.admitted != self._admitted:
            # Before the page learns that it may connect, it has what it connects with.
            self._admitted = message.you.admitted
            self.send(self._signalling.ice_servers(self._row))
        try:
            self._outbox.put_nowait(message)
        except asyncio.QueueFull:
            self._empty_outbox()
            self._outbox.put_nowait(None)

    def end(self, reason: End | None) -> None:
        """The last message, then close."""
        self._empty_outbox()
        if reason is not None:
            self._outbox.put_nowait(Ended(reason=reason))
        self._outbox.put_nowait(None)

    async def serve(self) -> None:
        """Until the socket is closed by either side."""
        writer = asyncio.create_task(self._write())
        renewer = asyncio.create_task(self._renew())
        try:
            await self._hub.open_page(self._row, self)
            await self._read()
            gone = self._socket.close_code == WSCloseCode.GOING_AWAY
            await self._hub.close_page(self._row, self, gone)
        finally:
            for task in (writer, renewer, self._answering):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    async def _read(self) -> None:
        async for frame in self._socket:
            if frame.type is not WSMsgType.TEXT:
                await self._cut("not a text")
            elif not self._messages.take(time.monotonic()):
                await self._cut("too many messages")
            else:
                try:
                    message = protocol.decode(frame.data)
                except RemoteProtocolError:
                    await self._cut("not a message")
                else:
                    await self._receive(message)

    async def _receive(self, message: FromPage) -> None:
        match message:
            case Ping():
                self.send(Pong())
            case Muted():
                self._hub.note_muted(self._row, message.muted)
            case Leave():
                await self._hub.leave(self._row)
            case Offer():
                self._receive_offer(message)
            case Candidate() if message.offer == self._newest_offer:
                self._candidates += 1
                if self._candidates > CANDIDATES_MAX:
                    return
                if self._answering is not None and not self._answering.done():
                    self._held.append(message)
                else:
                    await self._relay(message)

    def _receive_offer(self, offer: Offer) -> None:
        if not self._signalling.may_offer(self._row):
            self.send(protocol.Refused(offer=offer.id, reason="busy"))
            return
        if self._answering is not None:
            self._answering.cancel()
        self._newest_offer = offer.id
        self._candidates = 0
        self._held = []
        self._answering = asyncio.create_task(self._answer(offer))

    async def _answer(self, offer: Offer) -> None:
        self.send(await self._signalling.offer(self._row, self.peer, offer))
        for candidate in self._held:
            await self._relay(candidate)

    async def _relay(self, message: Candidate) -> None:
        await self._signalling.candidate(self._row, self.peer, message)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (message := await self._outbox.get()) is not None:
                await self._socket.send_str(protocol.encode(message))
        await self._socket.close()

    async def _renew(self) -> None:
        """Credentials for connections the page makes later."""
        while True:
            await asyncio.sleep(tokens.TURN_TTL_S / 2)
            self.send(self._signalling.ice_servers(self._row))

    async def _cut(self, why: str) -> None:
        logger.warning("page of a %s cut off: %s", self._row.role, why)
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=why.encode())

    def _empty_outbox(self) -> None:
        while not self._outbox.empty():
            self._outbox.get_nowait()
