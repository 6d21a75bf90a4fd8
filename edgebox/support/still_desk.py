"""Cameras for the technician: figures when asked, a still when the crew has allowed that camera."""

import hashlib
import time
from collections.abc import Awaitable, Callable

from edgebox.messages.base import Done, Fault
from edgebox.messages.support_still import (
    ASK_FIGURES,
    FETCH_STILL,
    GRANT_STILL,
    REFUSE_STILL,
    AskFigures,
    AskStill,
    CameraFigures,
    CameraStill,
    FetchStill,
    GrantStill,
    RefuseStill,
    TakeStill,
    TestCamera,
)
from edgebox.support.still_grant import StillGrant
from edgebox.support.ways import Ways

MEDIA_S = 8.0
_NO_TRAIL = Fault(reason="failed", text="the audit trail cannot be written")

Write = Callable[[str, str], Awaitable[bool]]
"""(what, detail) into the audit trail; False if that cannot be."""
Told = Callable[[], Awaitable[None]]


class StillDesk:
    """Between technician, crew and media."""

    def __init__(self, bus: Ways, *, is_idle: Callable[[], bool], write: Write, changed: Told):
        """`is_idle`: no video is on."""
        self.grant = StillGrant()
        self._bus = bus
        self._is_idle = is_idle
        self._write = write
        self._changed = changed
        self._is_in: Callable[[str], bool] = lambda session: False

    async def carry_out(
        self, deed: TestCamera | AskStill | TakeStill, session: str, serial: str
    ) -> CameraFigures | CameraStill | Done | Fault:
        """What the technician wants."""
        match deed:
            case TestCamera():
                question = AskFigures(camera=deed.camera)
                return await self._bus.request(ASK_FIGURES, question, timeout_s=MEDIA_S)
            case AskStill():
                return await self._ask(deed.camera)
            case TakeStill():
                return await self._take(
                    FetchStill(session=session, serial=serial, camera=deed.camera)
                )

    async def listen(self, is_in: Callable[[str], bool]) -> None:
        """To the crew. `is_in`: whether this session is the one that runs."""
        self._is_in = is_in
        await self._bus.serve(GRANT_STILL, self._allow)
        await self._bus.serve(REFUSE_STILL, self._refuse)

    async def look(self, now: float) -> None:
        """What time brings about."""
        if self.grant.handle_timeout(now):
            await self._changed()

    async def _allow(self, wish: GrantStill, keys: dict[str, str]) -> Done | Fault:
        """The crew's tap, of which media knows already."""
        if not self._is_in(wish.id):
            return Fault(reason="not-found", text="no-session")
        camera = wish.camera
        refusal = self.grant.grant(camera, time.monotonic())
        if refusal is not None:
            return Fault(reason="not-found", text=refusal)
        if not await self._write("still-granted", camera):
            self.grant.end()
            return _NO_TRAIL
        await self._changed()
        return Done()

    async def _refuse(self, wish: RefuseStill, keys: dict[str, str]) -> Done:
        self.grant.end()
        await self._changed()
        return Done()

    async def _ask(self, camera: str) -> Done | Fault:
        if not self._is_idle():
            return Fault(reason="refused", text="video-on")
        refusal = self.grant.ask(camera, time.monotonic())
        if refusal is not None:
            return Fault(reason="refused", text=refusal)
        await self._changed()
        return Done()

    async def _take(self, wish: FetchStill) -> CameraStill | Fault:
        """Asked of media whatever stands here: media goes by what it heard from the crew itself."""
        spent = self.grant.spend(wish.camera, time.monotonic()) is None
        answer = await self._bus.request(FETCH_STILL, wish, timeout_s=MEDIA_S)
        if isinstance(answer, Fault):
            await self._write("refused", f"still {wish.camera}: {answer.text}")
        else:
            digest = hashlib.sha256(answer.jpeg).hexdigest()
            said = f"{wish.camera} {answer.width}x{answer.height} sha256 {digest}"
            if not await self._write("still-given", said):
                answer = _NO_TRAIL
        if spent:
            await self._changed()
        return answer
