"""The call between crew and technician on the bus: who asks, who answers, what connects, its end.

Sound never passes here. The technician's offer does, on its way to media, after the session and the
certificate were checked; media lets it in while SUPPORT_SESSION says that the call is open.
"""

import time
from collections.abc import Awaitable, Callable

from edgebox.messages.base import Done, Fault
from edgebox.messages.support_call import (
    CALL_OFFER,
    CALL_STATUS,
    AskCall,
    CallEnd,
    CallOffer,
    CallOpened,
    CallStatus,
    EndCall,
    OpenCall,
)
from edgebox.support.call_grant import CallGrant, Side
from edgebox.support.ways import Ways

OFFER_S = 8.0
_NO_TRAIL = Fault(reason="failed", text="the audit trail cannot be written")

Write = Callable[[str, str], Awaitable[bool]]
"""(what, detail) into the audit trail; False if that cannot be."""
Told = Callable[[], Awaitable[None]]


class CallDesk:
    """The grant, and what media says of it."""

    def __init__(self, bus: Ways, *, is_idle: Callable[[], bool], write: Write, changed: Told):
        """`is_idle`: no session is live: a doctor's call is never disturbed."""
        self.grant = CallGrant()
        self._bus = bus
        self._is_idle = is_idle
        self._write = write
        self._changed = changed
        self._status = CallStatus()
        self._presses = 0
        self._heard_s = 0.0
        self._heard_since = 0.0

    async def listen(self) -> None:
        """To what media says."""
        await self._bus.subscribe(CALL_STATUS, self._take_status)

    @property
    def microphone(self) -> bool:
        """The technician hears the cabin now."""
        return self.grant.state == "open" and self._status.microphone

    async def ask(self, side: Side) -> Done | Fault:
        """Crew or technician would like to talk, or answers."""
        if not self._is_idle():
            return Fault(reason="refused", text="video-on")
        came = self.grant.ask(side, time.monotonic())
        if came == "known":
            return Done()
        if came == "asked":
            self._presses, self._heard_s = 0, 0.0
        if not await self._write(f"call-{came}", f"by the {side}"):
            self.grant.end("audit")
            await self._changed()
            return _NO_TRAIL
        await self._changed()
        return Done()

    async def carry_out(
        self, deed: AskCall | OpenCall | EndCall, session: str
    ) -> CallOpened | Done | Fault:
        """What the technician of this session may ask, and has a right to ask now."""
        match deed:
            case AskCall():
                return await self.ask("technician")
            case OpenCall():
                return await self._open(session, deed)
            case EndCall():
                await self.end("technician")
                return Done()

    async def _open(self, session: str, deed: OpenCall) -> CallOpened | Fault:
        """Have media connect what both said yes to."""
        if self.grant.state != "open":
            return Fault(reason="refused", text="no-call")
        if not self._is_idle():
            return Fault(reason="refused", text="video-on")
        question = CallOffer(session=session, sdp=deed.sdp, turn=deed.turn)
        return await self._bus.request(CALL_OFFER, question, timeout_s=OFFER_S)

    async def end(self, why: CallEnd) -> None:
        """Media cuts it as soon as it hears; then it is written down."""
        if not self.grant.end(why):
            return
        await self._changed()
        self._count(False, time.monotonic())
        heard = f"the cabin was heard {self._presses} times, {self._heard_s:.0f} s"
        await self._write(f"call-ended: {why}", heard)

    async def look(self, now: float) -> None:
        """Several times a second."""
        if why := self.grant.due(now):
            await self.end(why)
        elif self.grant.state != "off" and not self._is_idle():
            await self.end("video")

    async def _take_status(self, status: CallStatus, keys: dict[str, str]) -> None:
        before, self._status, now = self._status, status, time.monotonic()
        if (status.state == "connected") != (before.state == "connected"):
            self.grant.link(status.state == "connected", now)
        if status.microphone != before.microphone:
            self._count(status.microphone, now)
            await self._changed()

    def _count(self, microphone: bool, now: float) -> None:
        if microphone and not self._heard_since:
            self._presses, self._heard_since = self._presses + 1, now
        elif not microphone and self._heard_since:
            self._heard_s, self._heard_since = self._heard_s + now - self._heard_since, 0.0
