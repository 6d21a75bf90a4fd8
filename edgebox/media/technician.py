"""The technician's call: their voice in the cabin, and the cabin's microphone while the crew talks.

Not a watcher: the role has no right to anything (edgebox.roles), and no session's pictures, mix or
data channel has a way here. The connection is let in on the support service's word over the local
bus, for the session the crew opened and the call the crew agreed to (`SUPPORT_SESSION`). When that
says otherwise, falls silent or goes away, the call is cut; so it is when a session goes live.

Nothing of the cabin leaves but while the crew holds the button: then, and not else, the sound
process makes packets for this one listener, and its connection lets RTP pass.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from edgebox.bus import Bus
from edgebox.config import parse_address
from edgebox.config.media import Media
from edgebox.errors import RemoteProtocolError
from edgebox.media.closing import Closing
from edgebox.media.flood import Flood
from edgebox.media.offer import Allowed, Offer
from edgebox.media.publisher import Call, Connection, OfferRefusedError, TurnUnreachableError
from edgebox.media.sound.cabin import Cabin, Voice
from edgebox.media.talk import Button
from edgebox.messages.base import Fault
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.support import SUPPORT_SESSION, SupportSession
from edgebox.messages.support_call import (
    CALL_OFFER,
    CALL_STATUS,
    TALK,
    CallOffer,
    CallOpened,
    CallStatus,
    Talk,
)

logger = logging.getLogger(__name__)

ALLOWED = Allowed(pictures=False, hears=True, speaks=True)
CHECK_EVERY_S = 0.5
UNSAID_S = 15.0
"""Support says the session anew every 5 s while there is one."""
OFFERS_MAX, OFFERS_S = 6, 30.0
BANNED_S = 30.0


@dataclass(slots=True, eq=False)
class _Line:
    """One connection of the technician."""

    session: str
    voice: Voice
    connection: Connection
    flood: Flood = field(default_factory=Flood)

    @property
    def state(self) -> Literal["connecting", "connected", "lost"]:
        if self.connection.state == "connecting":
            return "connecting"
        carries = self.connection.state == "connected" and not self.connection.silent
        return "connected" if carries else "lost"


class TechnicianCall:
    """Use as a task running `run`."""

    def __init__(self, media: Media, cabin: Cabin, is_busy: Callable[[], bool]):
        """`is_busy`: a session is live, or may be."""
        host, port = parse_address(media.turn)
        self._turn_url = f"turn:{host}:{port}?transport=udp"
        self._cabin = cabin
        self._is_busy = is_busy
        self._is_support_away = False
        """What a dead process granted stays on the broker, and counts for nothing."""
        self._granted = ""
        self._granted_at = float("-inf")
        self._line: _Line | None = None
        self._button = Button()
        self._is_open = False
        self._timer: asyncio.TimerHandle | None = None
        self._offers: deque[float] = deque(maxlen=OFFERS_MAX)
        self._banned_until = float("-inf")
        self._closing = Closing()
        self._changed = asyncio.Event()

    async def run(self, bus: Bus) -> None:
        """Hear support and panel, and say what flows, until cancelled."""
        try:
            await bus.subscribe(SERVICE_STATUS, self._take_service)
            await bus.subscribe(SUPPORT_SESSION, self._take_session)
            await bus.subscribe(TALK, self._take_talk)
            await bus.serve(CALL_OFFER, self._offer)
            said: CallStatus | None = None
            while True:
                self._changed.clear()
                self._check(time.monotonic())
                if (status := self.status) != said:
                    said = status
                    await bus.publish(CALL_STATUS, status)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_EVERY_S):
                        await self._changed.wait()
        finally:
            self.end()
            await self._closing.finish()

    @property
    def status(self) -> CallStatus:
        """For the bus."""
        report, line = self._cabin.report, self._line
        can_hear, can_speak = report.loudspeaker == "ready", report.microphone == "ready"
        if line is None:
            return CallStatus(can_hear=can_hear, can_speak=can_speak)
        return CallStatus(
            session=line.session,
            state=line.state,
            microphone=self._is_open and can_speak,
            voice=line.state == "connected" and line.voice.is_heard,
            can_hear=can_hear,
            can_speak=can_speak,
        )

    def end(self) -> None:
        """Nothing flows any more, from this moment."""
        line, self._line = self._line, None
        self._button.release()
        self._disarm()
        if line is not None:
            self._closing.start(line.connection)
        self._cabin.talk(None)
        self._is_open = False
        self._changed.set()

    # The crew's button

    async def _take_talk(self, said: Talk, keys: dict[str, str]) -> None:
        if self._line is not None and said.session == self._line.session:
            self._button.receive(said.press, said.held, time.monotonic())
            self._apply()

    def _apply(self) -> None:
        """Let the cabin be heard, or not: whatever of the button, call or session has changed."""
        line, now = self._line, time.monotonic()
        if line is None:
            return
        if line.state != "connected" or self._is_busy():
            self._button.release()
        self._disarm()
        if is_open := self._button.is_held(now):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._button.until - now, self._apply)
        line.connection.hold(not is_open)
        self._cabin.talk(line.voice if is_open else None)
        if is_open != self._is_open:
            self._is_open = is_open
            self._changed.set()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What support says

    async def _take_session(self, said: SupportSession, keys: dict[str, str]) -> None:
        is_open = said.state == "active" and said.call == "open" and not self._is_support_away
        self._granted = said.id if is_open else ""
        self._granted_at = time.monotonic()
        if self._line is not None and self._line.session != self._granted:
            self.end()

    async def _take_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        if keys["service"] != "support":
            return
        self._is_support_away = status.state == "stopped"
        if self._is_support_away:
            self._granted = ""
            self.end()

    async def _offer(self, question: CallOffer, keys: dict[str, str]) -> CallOpened | Fault:
        now = time.monotonic()
        if self._is_busy():
            return Fault(reason="refused", text="video-on")
        if question.session != self._granted or now - self._granted_at > UNSAID_S:
            return Fault(reason="refused", text="no-call")
        if now < self._banned_until or self._too_many(now):
            return Fault(reason="busy", text="too many offers")
        try:
            offer = Offer(question.sdp, ALLOWED)
        except RemoteProtocolError as error:
            return Fault(reason="invalid", text=str(error)[:200])
        if not offer.of("sound"):
            return Fault(reason="invalid", text="no sound is offered")
        self.end()
        voice = self._cabin.join(hears=False, speaks=True)
        if voice is None:
            return Fault(reason="busy", text="too many are heard already")
        line = self._line = _Line(
            question.session, voice, Connection([], self._update, call=Call(voice))
        )
        # Before anything is agreed on: what opens it is the crew's hand alone.
        line.connection.hold(True)
        self._cabin.expect_talk(voice)
        return await self._answer(line, offer, question)

    async def _answer(self, line: _Line, offer: Offer, question: CallOffer) -> CallOpened | Fault:
        try:
            sdp = await line.connection.answer_through_turn(offer, self._turn_url, question.turn)
        except (TurnUnreachableError, OfferRefusedError) as error:
            if self._line is line:
                self.end()
            unreachable = isinstance(error, TurnUnreachableError)
            return Fault(reason="unreachable" if unreachable else "invalid", text=str(error)[:200])
        if self._line is not line:
            return Fault(reason="refused", text="no-call")
        self._changed.set()
        return CallOpened(sdp=sdp)

    def _too_many(self, now: float) -> bool:
        """Each offer is a connection to make."""
        if len(self._offers) == OFFERS_MAX and now - self._offers[0] < OFFERS_S:
            return True
        self._offers.append(now)
        return False

    def _update(self) -> None:
        """The connection changed."""
        if self._line is not None and self._line.connection.state == "closed":
            self.end()
        self._apply()
        self._changed.set()

    def _check(self, now: float) -> None:
        """What nobody says."""
        line = self._line
        if line is None:
            return
        if line.flood.goes_on(line.connection.strays + line.voice.dropped, now):
            logger.warning("the technician's page floods the box with packets and is cut off")
            self._banned_until = now + BANNED_S
            self.end()
        elif now - self._granted_at > UNSAID_S or self._is_busy():
            self.end()
        else:
            self._apply()
