"""What a headset's page is told: who looks, what they point at, write and show, whether its own
session stands.

One JSON object a line on a response that does not end (NDJSON); a bearer asked for it. A page that
does not read is cut off. Nothing of a patient is in it but what remote help draws on this very
picture.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from edgebox.bus import Bus
from edgebox.messages.marks import (
    NOTE,
    PICTURE,
    POINTING,
    STROKE,
    WIPE,
    Note,
    PicturePart,
    Pointing,
    Stroke,
    Wipe,
)
from edgebox.messages.session import MEDIA_SESSION, MediaSession

WAITING_MAX, WAITING_MAX_BYTES = 500, 1_000_000
"""Two pictures of the largest size, and what goes with them."""
PAGES_MAX = 16
LINES_MAX = 40_000
"""Bytes handed over at once; the longest line, a piece of a picture, has 13,000."""

Event = dict[str, Any]


class Page:
    """One open page of a device."""

    def __init__(self, device: str):
        self.device = device
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._over = False
        self._news = asyncio.Event()

    def tell(self, event: Event) -> None:
        """Soon; a page that does not read ends."""
        if len(self._lines) >= WAITING_MAX or self._bytes > WAITING_MAX_BYTES:
            self.end()
        elif not self._over:
            line = msgspec.json.encode(event) + b"\n"
            self._lines.append(line)
            self._bytes += len(line)
        self._news.set()

    def end(self) -> None:
        """Nothing more after what is on its way."""
        self._over = True
        self._news.set()

    async def next_lines(self, timeout_s: float) -> bytes | None:
        """Those that wait, or the next; None at the end.

        An empty one after a while, which tells a dead connection. LINES_MAX bytes, or one line.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        if not self._lines:
            return None if self._over else b"\n"
        found = self._lines.popleft()
        while self._lines and len(found) + len(self._lines[0]) <= LINES_MAX:
            found += self._lines.popleft()
        self._bytes -= len(found)
        if not self._lines and not self._over:
            self._news.clear()
        return found


class Events:
    """From the bus to all pages."""

    def __init__(self, bus: Bus, camera_of: Callable[[str], str]):
        """`camera_of`: the camera a device is now, or empty."""
        self._bus = bus
        self._camera_of = camera_of
        self._pages: set[Page] = set()
        self._session: MediaSession | None = None

    async def listen(self) -> None:
        """Follow session and marks."""
        await self._bus.subscribe(MEDIA_SESSION, self._take_session)
        await self._bus.subscribe(POINTING, self._take_pointing)
        await self._bus.subscribe(STROKE, self._take_stroke)
        await self._bus.subscribe(WIPE, self._take_wipe)
        await self._bus.subscribe(NOTE, self._take_note)
        await self._bus.subscribe(PICTURE, self._take_picture)

    def open(self, device: str) -> Page | None:
        """None when there are too many."""
        if len(self._pages) >= PAGES_MAX:
            return None
        page = Page(device)
        self._pages.add(page)
        page.tell(self._view(device))
        return page

    def close(self, page: Page) -> None:
        """It has gone."""
        self._pages.discard(page)

    def session_changed(self, device: str, begun: bool) -> None:
        """A WHIP session of this device began or ended."""
        for page in self._of(device):
            if not begun:
                page.tell({"type": "ended"})
            page.tell(self._view(device))

    def lease_ended(self, device: str) -> None:
        """Its pages hear nothing more."""
        for page in self._of(device):
            page.tell({"type": "ended"})
            page.end()

    async def _take_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        before, self._session = self._session, session
        for page in list(self._pages):
            view = self._view(page.device)
            if before is None or view != self._view(page.device, before):
                page.tell(view)

    def _view(self, device: str, session: MediaSession | None = None) -> Event:
        """Who is sent this device's picture now, and who hears the cabin."""
        session = session or self._session
        camera = self._camera_of(device)
        if session is None:
            return {"type": "view", "session": "unknown", "camera": "", "sees": [], "hears": []}
        state = next((one.state for one in session.cameras if one.id == camera), "absent")
        there = [one for one in session.watchers if one.state == "connected"]
        return {
            "type": "view",
            "session": session.state,
            "hidden": session.hidden,
            "muted": session.sound.muted,
            "camera": state,
            "sees": [one.name for one in there if camera in one.sees],
            "hears": [one.name for one in there if one.hears],
        }

    async def _take_pointing(self, mark: Pointing, keys: dict[str, str]) -> None:
        event = {"type": "point", "on": mark.on, "x": mark.x, "y": mark.y, "by": mark.name}
        self._tell_camera(mark.camera, event)

    async def _take_stroke(self, mark: Stroke, keys: dict[str, str]) -> None:
        event = {
            "type": "line",
            "stroke": f"{mark.participant}.{mark.stroke}",
            "points": mark.points,
        }
        self._tell_camera(mark.camera, event)

    async def _take_wipe(self, mark: Wipe, keys: dict[str, str]) -> None:
        self._tell_camera(mark.camera, {"type": "wipe"})

    async def _take_note(self, note: Note, keys: dict[str, str]) -> None:
        self._tell_camera(note.camera, {"type": "text", "by": note.name, "text": note.text})

    async def _take_picture(self, part: PicturePart, keys: dict[str, str]) -> None:
        event = {
            "type": "picture",
            "by": part.name,
            "id": part.picture,
            "part": part.part,
            "of": part.parts,
            "data": part.data,
        }
        self._tell_camera(part.camera, event)

    def _tell_camera(self, camera: str, event: Event) -> None:
        for page in list(self._pages):
            if self._camera_of(page.device) == camera:
                page.tell(event)

    def _of(self, device: str) -> list[Page]:
        return [page for page in self._pages if page.device == device]
