"""One page's data channels: what comes in is counted and judged, what goes out is held back.

Messages are those of data_messages.py. A still goes out in chunks at a rate of its own, so that it
leaves the links to live pictures.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from edgebox.errors import RemoteProtocolError
from edgebox.media.conduct import Conduct, Reason
from edgebox.media.data_messages import (
    CHUNK_BYTES,
    LABEL,
    POINTING_LABEL,
    VITALS_LABEL,
    Denied,
    Drawn,
    Erased,
    FromPage,
    Moment,
    Monitors,
    Picture,
    Pointed,
    Show,
    StillStart,
    TakeStill,
    ToPage,
    Values,
    WaveBlock,
    decode,
    encode,
)
from edgebox.media.encoder import Still
from edgebox.media.incoming import Incoming
from edgebox.messages.session import Admitted
from edgebox.roles import RIGHTS

logger = logging.getLogger(__name__)

WAITING_MAX_BYTES = 256 * 1024
"""A page that takes nothing any more is sent nothing any more."""
VALUES_WAITING_BYTES, WAVES_WAITING_BYTES = 32 * 1024, 8 * 1024
"""Where more waits already, values come later and newer; waves not at all."""
STILL_WAITING_BYTES = 16 * 1024
"""A still adds no more than this to what waits: pointers and lines go by."""
LINES_WAITING_BYTES = 32 * 1024
"""Who comes late gets what was drawn before so that a focus or a pointer still goes by."""
LINES_WAITING_MAX = 2000
"""Messages: all lines there can be (lines.py), and what is drawn meanwhile."""
DRAWN_POINTS = 200
"""In one message, as a page sends them."""
STEP_S = 0.02


class Wire(Protocol):
    """A data channel of the WebRTC library."""

    @property
    def label(self) -> str:
        """Chosen by the page."""
        ...

    @property
    def readyState(self) -> str:  # noqa: N802 - as W3C has it
        """`open` once and as long as it carries anything."""
        ...

    @property
    def bufferedAmount(self) -> int:  # noqa: N802
        """Bytes that wait to be sent."""
        ...

    def send(self, data: bytes | str) -> None:
        """Never blocks."""
        ...

    def on(self, event: str, handler: Callable[[Any], None]) -> object:
        """Call `handler(data)` for each message."""
        ...


class Channel:
    """Of one connection; `close` ends what it is doing."""

    def __init__(
        self,
        guest: Admitted,
        conduct: Conduct,
        visible: Callable[[], tuple[str, ...]],
        handle: Callable[["Channel", FromPage | Picture], Reason | None],
        flooded: Callable[[], None],
    ):
        """`visible`: cameras this person sees now. `handle` does what a message says.

        `flooded`: cut this person off.
        """
        self.guest = guest
        self.rights = RIGHTS[guest.role]
        self.visible = visible
        self._labels = {LABEL, POINTING_LABEL} | ({VITALS_LABEL} if self.rights.vitals else set())
        self._conduct = conduct
        self._handle = handle
        self._flooded = flooded
        self._wires: dict[str, Wire] = {}
        self._incoming = Incoming()
        self._lines: deque[Drawn | Erased] = deque(maxlen=LINES_WAITING_MAX)
        self._drawing: asyncio.Task[None] | None = None
        self._still: asyncio.Task[None] | None = None
        self.still_of = ""
        """The camera the newest still was asked of."""
        self.unsend: Callable[[], None] = lambda: None
        """Takes back what of a still has not left the box."""
        self._closed = False
        self.sent_wave = False
        """Since somebody set this to False."""
        self.points_at = ""
        """The camera whose picture this person points at now."""

    def open(self, wire: Wire) -> bool:
        """The page opened one; False if it is none of ours or there already."""
        if self._closed:
            return False
        if wire.label not in self._labels or wire.label in self._wires:
            # Each costs memory, and our pages open none of the kind.
            now = time.monotonic()
            self._conduct.malformed(now)
            self._end_flood(now)
            return False
        self._wires[wire.label] = wire
        wire.on("message", self._receive)
        return True

    def close(self) -> None:
        """Nothing is heard and nothing goes out any more."""
        self._closed = True
        self._wires.clear()
        self._lines.clear()
        self._incoming.drop()
        if self._drawing is not None:
            self._drawing.cancel()
        self.drop_still()

    def send(self, message: ToPage) -> None:
        """Dropped if the page does not take what waits already.

        Lines are not: while some wait (`send_line`), what is drawn and wiped keeps its place.
        """
        if self._lines and isinstance(message, Drawn | Erased):
            self._queue_line(message)
            return
        label = POINTING_LABEL if isinstance(message, Pointed) else LABEL
        wire = self._wires.get(label) or self._wires.get(LABEL)
        if wire is None or wire.readyState != "open" or wire.bufferedAmount > WAITING_MAX_BYTES:
            return
        wire.send(encode(message))

    @property
    def takes_waves(self) -> bool:
        """The page opened the channel for them."""
        return VITALS_LABEL in self._wires

    def send_vitals(self, message: Monitors | Values | WaveBlock | Moment) -> int:
        """Bytes that were sent; 0 if the page does not take what waits, or has no right to it."""
        label = VITALS_LABEL if isinstance(message, WaveBlock | Moment) else LABEL
        most = WAVES_WAITING_BYTES if label == VITALS_LABEL else VALUES_WAITING_BYTES
        wire = self._wires.get(label)
        if wire is None or wire.readyState != "open" or not self.rights.vitals:
            return 0
        if max(one.bufferedAmount for one in self._wires.values()) > most:
            return 0
        text = encode(message)
        wire.send(text)
        self.sent_wave = self.sent_wave or isinstance(message, WaveBlock)
        return len(text)

    def send_line(
        self, camera: str, line: tuple[str, int, tuple[tuple[float, float], ...]]
    ) -> None:
        """A line that was drawn before, in as many messages as it takes, as the page takes them."""
        participant, stroke, points = line
        for start in range(0, len(points), DRAWN_POINTS):
            part = points[start : start + DRAWN_POINTS]
            self._queue_line(
                Drawn(participant=participant, camera=camera, stroke=stroke, points=part)
            )

    def _queue_line(self, message: Drawn | Erased) -> None:
        if isinstance(message, Erased):
            kept = [one for one in self._lines if one.camera != message.camera]
            self._lines.clear()
            self._lines.extend(kept)
        self._lines.append(message)
        if self._drawing is None and not self._send_lines():
            self._drawing = asyncio.create_task(self._go_on_drawing())

    def _send_lines(self) -> bool:
        """As many as the page takes now; True if none are left."""
        wire = self._wires.get(LABEL)
        if wire is None or wire.readyState != "open":
            self._lines.clear()
            return True
        while self._lines and wire.bufferedAmount <= LINES_WAITING_BYTES:
            wire.send(encode(self._lines.popleft()))
        return not self._lines

    async def _go_on_drawing(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            if self._send_lines():
                break
        self._drawing = None

    def deny(self, message: FromPage | Picture, reason: Reason) -> None:
        """Say that it is not done."""
        number = message.id if isinstance(message, TakeStill) else 0
        what = Show if isinstance(message, Picture) else type(message)
        self.send(Denied(what=what.__name__, reason=reason, id=number))

    @property
    def sends_still(self) -> bool:
        """One still at a time."""
        return self._still is not None and not self._still.done()

    def start_still(self, camera: str, work: Coroutine[Any, Any, None]) -> None:
        """Take and send one; `drop_still` ends it."""
        self.still_of = camera
        self._still = asyncio.create_task(work)

    def drop_still(self) -> None:
        """The picture may not be seen any more: what has not been sent is not sent."""
        if self._still is not None:
            self._still.cancel()
            self.unsend()

    async def send_still(
        self, question: TakeStill, still: Still, rate_bps: Callable[[], int]
    ) -> None:
        """Its start, then its chunks, at the rate that is good at each moment."""
        self.send(
            StillStart(
                id=question.id,
                camera=question.camera,
                at_utc=still.at_utc,
                width=still.width,
                height=still.height,
                bytes=len(still.jpeg),
            )
        )
        loop = asyncio.get_running_loop()
        at, earned = loop.time(), 0.0
        start = 0
        while start < len(still.jpeg):
            wire = self._wires.get(LABEL)
            if wire is None or wire.readyState != "open":
                return
            now = loop.time()
            earned, at = min(CHUNK_BYTES * 16.0, earned + (now - at) * rate_bps() / 8), now
            while earned > 0 and start < len(still.jpeg):
                if wire.bufferedAmount > STILL_WAITING_BYTES:
                    break
                chunk = still.jpeg[start : start + CHUNK_BYTES]
                wire.send(chunk)
                start, earned = start + len(chunk), earned - len(chunk)
            await asyncio.sleep(STEP_S)

    def _receive(self, data: Any) -> None:
        if self._closed:
            return
        now = time.monotonic()
        try:
            if isinstance(data, bytes):
                self._take_piece(data)
            else:
                self._take(decode(data), now)
        except RemoteProtocolError as error:
            logger.info("a page's data message was dropped: %s", error)
            self._conduct.malformed(now)
        self._end_flood(now)

    def _take(self, message: FromPage, now: float) -> None:
        if not self._conduct.take(type(message), now):
            if isinstance(message, Show):
                # Its pieces are on their way, and no flood.
                self._incoming.skip(message)
                self.deny(message, "busy")
            return
        reason = self._handle(self, message)
        if isinstance(message, Show):
            (self._incoming.skip if reason else self._incoming.begin)(message)
        if reason is not None:
            self.deny(message, reason)

    def _take_piece(self, piece: bytes) -> None:
        picture = self._incoming.take(piece)
        reason = self._handle(self, picture) if picture is not None else None
        if picture is not None and reason is not None:
            self.deny(picture, reason)

    def _end_flood(self, now: float) -> None:
        if self._conduct.is_flood(now):
            logger.warning("a page floods its data channel and is cut off")
            self._flooded()
