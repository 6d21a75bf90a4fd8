"""The technician's session on the bus: the crew's taps, the technician's orders, the audit trail.

Order of things: what is asked is checked against the grant, written to the trail, shown to the
crew, and then done; what came of it is given back only if the session is still the same. A trail
that cannot be written ends the session.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from edgebox.config import Config
from edgebox.messages.base import Done, Fault
from edgebox.messages.support import (
    ADMIT_TECHNICIAN,
    ASK_HELP,
    CREW_SAYS,
    DESK_INFO,
    END_SUPPORT,
    OPEN_SUPPORT,
    REQUEST_SUPPORT,
    SUPPORT_CHAT,
    SUPPORT_ORDER,
    SUPPORT_SESSION,
    AdmitTechnician,
    AskHelp,
    ChatLine,
    CrewSays,
    Deed,
    DeedName,
    DeskInfo,
    End,
    EndSupport,
    HelpLink,
    Leave,
    OpenSupport,
    Order,
    Report,
    RequestSupport,
    Result,
    Say,
    SupportSession,
)
from edgebox.messages.support_call import (
    HANG_UP,
    TAKE_CALL,
    AskCall,
    EndCall,
    HangUp,
    OpenCall,
    TakeCall,
)
from edgebox.messages.support_shell import (
    END_SHELL,
    GRANT_SHELL,
    AskShell,
    EndShell,
    GrantShell,
    OpenShell,
    ShellOpened,
)
from edgebox.messages.support_still import (
    AskStill,
    TakeStill,
    TestCamera,
)
from edgebox.support.actions import Actions
from edgebox.support.call_desk import CallDesk
from edgebox.support.deeds import Noted, describe
from edgebox.support.notes import Notes
from edgebox.support.refusals import Refusals
from edgebox.support.session import Refusal, Session, Technician
from edgebox.support.shell_desk import ShellDesk
from edgebox.support.still_desk import StillDesk
from edgebox.support.texting import Texting
from edgebox.support.ways import Ways

logger = logging.getLogger(__name__)

SAY_EVERY_S = 5.0
LOOK_EVERY_S = 0.25
DOING_S = 15.0
"""What they did is shown so long, then that they look."""
ORDERS_MAX = 4
"""Carried out at the same time."""
_AUDIT_FAULT = Fault(reason="failed", text="the audit trail cannot be written")


class HelpDesk:
    """Between bus, session, trail and actions."""

    def __init__(self, bus: Ways, config: Config, actions: Actions, is_idle: Callable[[], bool]):
        """`is_idle`: no pictures are sent."""
        self._bus = bus
        self._box = config.box.id
        directory = Path(config.directory)
        self._notes = Notes(bus, config.box.id, directory / config.support.audit)
        self._shell = ShellDesk(
            bus,
            config.support,
            directory,
            is_idle=is_idle,
            write=self._note_granted,
            changed=self._say,
        )
        self._call = CallDesk(bus, is_idle=is_idle, write=self._note_granted, changed=self._say)
        self._still = StillDesk(bus, is_idle=is_idle, write=self._note_granted, changed=self._say)
        self._actions = actions
        self._session = Session(lambda: secrets.token_hex(8), lambda: secrets.token_urlsafe(24))
        self._desk = ""
        self._texting = Texting(bus, config, self._note, self._say)
        self._doing: DeedName | None = None
        self._subject = ""
        self._done_at = float("-inf")
        self._noted = Noted()
        self._granted_to: Technician | None = None
        self._granted_in = ""
        """Of the last session that began: command line and call may outlast it by a moment."""
        self._orders = 0
        self._refusals = Refusals()
        self._said_at = float("-inf")
        self._instance = secrets.token_hex(8)
        self._said = 0

    @property
    def is_needed(self) -> bool:
        """Help is asked for, or somebody is in."""
        return self._session.state != "off"

    async def listen(self) -> None:
        """Nobody is in: whatever was before this process is over."""
        await self._note("service-started")
        await self._say()
        await self._bus.subscribe(DESK_INFO, self._take_desk)
        await self._bus.serve(ASK_HELP, self._ask)
        await self._bus.serve(ADMIT_TECHNICIAN, self._admit)
        await self._bus.serve(END_SUPPORT, self._end)
        await self._bus.serve(CREW_SAYS, self._crew_says)
        await self._bus.serve(REQUEST_SUPPORT, self._request)
        await self._bus.serve(OPEN_SUPPORT, self._open)
        await self._bus.serve(GRANT_SHELL, self._grant_shell)
        await self._bus.serve(END_SHELL, self._end_shell)
        await self._still.listen(self._is_in)
        await self._bus.serve(TAKE_CALL, self._take_call)
        await self._bus.serve(HANG_UP, self._hang_up)
        await self._shell.listen()
        await self._call.listen()
        await self._bus.serve(SUPPORT_ORDER, self._carry_out)

    def _is_in(self, session: str) -> bool:
        return self._session.state == "active" and session == self._session.id

    async def run(self) -> None:
        """What time alone brings about. Never returns."""
        try:
            await self._watch_time()
        finally:
            self._texting.stop()
            await self._shell.close()

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._call.look(time.monotonic())
            await self._still.look(time.monotonic())
            if not self._bus.hears_crew:
                self._shell.end()  # what the crew could not end
            who, session = self._session.technician, self._session.id
            if self._session.handle_timeout(time.monotonic()):
                await self._ended(self._session.ended, who, session)
            elif self._shell.grant.handle_timeout(time.monotonic()):
                self._shell.end()
                await self._say()
            elif time.monotonic() - self._said_at >= SAY_EVERY_S and self._session.state != "off":
                await self._say()

    # The crew

    async def _take_desk(self, desk: DeskInfo, keys: dict[str, str]) -> None:
        self._desk = desk.url

    async def _ask(self, question: AskHelp, keys: dict[str, str]) -> HelpLink | Fault:
        now = time.monotonic()
        if self._session.state == "active":
            return Fault(reason="busy", text="a technician is here already")
        if not await self._note("crew-asked"):
            return _AUDIT_FAULT
        token = self._session.ask(now)
        url = f"{self._desk}/desk/join/{self._box}#{token}" if self._desk else ""
        self._texting.begin(url)
        await self._say()
        return HelpLink(id=self._session.id, url=url, left_s=self._session.left_s(now))

    async def _admit(self, wish: AdmitTechnician, keys: dict[str, str]) -> Done | Fault:
        refusal = self._session.admit(wish.id, wish.serial, time.monotonic())
        if refusal is not None:
            return Fault(reason="not-found", text=refusal)
        return await self._begun("admitted")

    async def _end(self, wish: EndSupport, keys: dict[str, str]) -> Done:
        asked = self._session.state == "asked"
        who, session = self._session.technician, self._session.id
        why: End = "refused" if asked and who is not None else "crew"
        if self._session.end(why):
            await self._ended(why, who, session)
        return Done()

    async def _crew_says(self, words: CrewSays, keys: dict[str, str]) -> Done | Fault:
        if self._session.state != "active":
            return Fault(reason="not-found", text="nobody is here to read it")
        await self._chat("crew", words.text)
        return Done()

    async def _grant_shell(self, wish: GrantShell, keys: dict[str, str]) -> Done | Fault:
        if not self._is_in(wish.id):
            return Fault(reason="not-found", text="no-session")
        return await self._shell.allow()

    async def _end_shell(self, wish: EndShell, keys: dict[str, str]) -> Done:
        self._shell.end()
        await self._say()
        return Done()

    async def _take_call(self, wish: TakeCall, keys: dict[str, str]) -> Done | Fault:
        if not self._is_in(wish.id):
            return Fault(reason="not-found", text="no-session")
        return await self._call.ask("crew")

    async def _hang_up(self, wish: HangUp, keys: dict[str, str]) -> Done:
        await self._call.end("crew")
        return Done()

    # The technician

    async def _request(self, question: RequestSupport, keys: dict[str, str]) -> Done | Fault:
        who = Technician(question.technician, question.serial)
        refusal = self._session.request(who, time.monotonic())
        if refusal is not None:
            return await self._refuse(refusal, who, "request")
        if not await self._note("technician-asked", who):
            return await self._end_without_trail()
        await self._say()
        return Done()

    async def _open(self, question: OpenSupport, keys: dict[str, str]) -> Done | Fault:
        who = Technician(question.technician, question.serial)
        before = self._session.id
        refusal = self._session.open(who, question.token, time.monotonic())
        if refusal is None:
            return await self._begun("link-opened")
        if self._session.ended == "guessed" and before:
            await self._ended("guessed", who, before)
        return await self._refuse(refusal, who, "link")

    async def _begun(self, how: str) -> Done | Fault:
        self._noted.forget()
        self._call.grant.forget()
        self._doing, self._subject = None, ""
        self._granted_to, self._granted_in = self._session.technician, self._session.id
        if not await self._note(how, self._session.technician):
            return await self._end_without_trail()
        await self._say()
        return Done()

    async def _carry_out(self, order: Order, keys: dict[str, str]) -> Report | Fault:
        who = Technician("", order.serial)
        refusal = self._session.check(order.session, order.serial, time.monotonic())
        name, subject = describe(order.deed)
        if refusal is not None:
            return await self._refuse(refusal, who, f"{name} {subject}".strip())
        if self._orders >= ORDERS_MAX:
            return Fault(reason="busy", text=f"{ORDERS_MAX} orders wait already")
        self._orders += 1
        try:
            return await self._do(order, name, subject)
        finally:
            self._orders -= 1

    async def _do(self, order: Order, name: DeedName, subject: str) -> Report | Fault:
        first = self._noted.take(order.deed)
        if first and not await self._note(name, self._session.technician, subject):
            return await self._end_without_trail()
        if name != "look" or time.monotonic() - self._done_at > DOING_S:
            changed = (name, subject) != (self._doing, self._subject)
            self._doing, self._subject, self._done_at = name, subject, time.monotonic()
            if changed:
                await self._say()
        result = await self._result(order.deed)
        still = self._session.check(order.session, order.serial, time.monotonic())
        if still is not None and not isinstance(order.deed, Leave):
            return await self._refuse(still, Technician("", order.serial), f"{name} after the end")
        return result if isinstance(result, Fault) else Report(result=result)

    async def _result(self, deed: Deed) -> Result | Fault:
        match deed:
            case Say():
                await self._chat("technician", deed.text)
                return Done()
            case AskShell():
                return await self._shell.ask()
            case OpenShell():
                return await self._open_shell(deed)
            case TestCamera() | AskStill() | TakeStill():
                who = self._session.technician
                serial = who.serial if who is not None else ""
                return await self._still.carry_out(deed, self._session.id, serial)
            case AskCall() | OpenCall() | EndCall():
                return await self._call.carry_out(deed, self._session.id)
            case Leave():
                who, session = self._session.technician, self._session.id
                self._session.end("technician")
                await self._ended("technician", who, session)
                return Done()
            case _:
                return await self._actions.carry_out(deed)

    async def _open_shell(self, deed: OpenShell) -> ShellOpened | Fault:
        answer = await self._shell.open(deed)
        if isinstance(answer, Fault):
            await self._note("refused", self._session.technician, f"shell: {answer.text}")
        return answer

    # What is said and written

    async def _note_granted(self, what: str, detail: str) -> bool:
        return await self._note(what, self._granted_to, detail, self._granted_in)

    async def _chat(self, by: Literal["crew", "technician"], text: str) -> None:
        self._said += 1
        line = ChatLine(
            session=self._session.id, by=by, text=text, at_utc=time.time(), n=self._said
        )
        await self._bus.publish(SUPPORT_CHAT, line)

    async def _say(self) -> None:
        session, now = self._session, time.monotonic()
        self._said_at = now
        self._said += 1
        who = session.technician
        await self._bus.publish(
            SUPPORT_SESSION,
            SupportSession(
                state=session.state,
                id=session.id,
                asked_by=session.asked_by,
                technician=who.name if who else "",
                serial=who.serial if who else "",
                left_s=session.left_s(now),
                doing=self._doing if session.state == "active" else None,
                subject=self._subject if session.state == "active" else "",
                ended=session.ended,
                texted=self._texting.state if session.state == "asked" else "",
                command_line=self._shell.grant.state,
                command_line_left_s=self._shell.grant.left_s(now),
                way=self._bus.way if self.is_needed else "",
                instance=self._instance,
                n=self._said,
                still=self._still.grant.state if session.state == "active" else "off",
                still_camera=self._still.grant.camera if session.state == "active" else "",
                call=self._call.grant.state if session.state == "active" else "off",
                call_ended=self._call.grant.ended,
                call_microphone=self._call.microphone,
            ),
        )

    async def _ended(self, why: End, who: Technician | None, session: str) -> None:
        """Crew and desk learn of it before it is written: the end waits for nothing."""
        self._shell.end()
        self._still.grant.end()
        self._actions.forget()
        self._noted.forget()
        await self._say()
        await self._call.end("session")
        await self._note(f"ended: {why}", who, session=session)

    async def _note(
        self, what: str, who: Technician | None = None, detail: str = "", session: str = ""
    ) -> bool:
        """Write it down and tell the hub; False if it could not be written."""
        return await self._notes.write(what, session or self._session.id, who, detail)

    async def _end_without_trail(self) -> Fault:
        self._session.end("audit")
        self._shell.end()
        self._call.grant.end("audit")
        self._still.grant.end()
        self._actions.forget()
        await self._say()
        return _AUDIT_FAULT

    async def _refuse(self, why: Refusal, who: Technician, what: str) -> Fault:
        """Written down too, but not more often than a disk can bear."""
        more = self._refusals.take(time.monotonic())
        if more is not None:
            await self._note("refused", who, f"{why}: {what}{more}")
        return Fault(reason="refused", text=why)
