"""What a tap makes the box do: questions on the bus, asked from the threads that serve pages."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from edgebox.bus import Bus
from edgebox.host.seal import Seal
from edgebox.messages.base import Done, Fault, M, Q, Request, Role, Topic
from edgebox.messages.pairing import (
    ALLOW_DEVICE,
    END_DEVICE,
    PRESENCE,
    AllowDevice,
    AskPresence,
    EndDevice,
    PresenceCode,
)
from edgebox.messages.room import CREATE_INVITE, CreateInvite, Invite
from edgebox.messages.selftest import RUN_SELF_TEST, RunSelfTest
from edgebox.messages.session import (
    ADMIT,
    HIDE_PICTURES,
    HIDE_WISH,
    MUTE_CABIN,
    MUTE_GUEST,
    MUTE_WISH,
    REFUSE,
    REFUSE_WISH,
    SELECT_CAMERAS,
    START_VIDEO,
    STOP_VIDEO,
    STOP_WISH,
    Admit,
    GuestMuted,
    HidePictures,
    HideWish,
    MuteCabin,
    MuteWish,
    Refuse,
    SelectCameras,
    StartVideo,
    StopVideo,
    StopWish,
)
from edgebox.messages.support import (
    ADMIT_TECHNICIAN,
    ASK_HELP,
    CREW_SAYS,
    END_SUPPORT,
    AdmitTechnician,
    AskHelp,
    CrewSays,
    EndSupport,
    HelpLink,
)
from edgebox.messages.support_call import HANG_UP, TAKE_CALL, TALK, HangUp, TakeCall, Talk
from edgebox.messages.support_shell import END_SHELL, GRANT_SHELL, EndShell, GrantShell
from edgebox.messages.support_still import REFUSE_STILL, RefuseStill
from edgebox.messages.vehicle import SEND_INVITE, SendInvite
from edgebox.panel.asks import Actions
from edgebox.panel.direct_stop import stop_directly
from edgebox.panel.state import Operation, PanelState
from edgebox.panel.still import allow_still
from edgebox.panel.turned_away import TurnedAway

START_TIMEOUT_S = 8.0
"""A cold encoder on a small board takes its time."""
ANSWER_TIMEOUT_S = 5.0
SMS_TIMEOUT_S = 20.0
"""A modem hands a message over only while it is registered, which may take some seconds."""
STOP_TIMEOUT_S = 2.5
STOP_TRIES = 3
"""A media that is just restarting does not hear the first; stopping twice does no harm."""
QUESTIONS_MAX = 4
"""At the same time, so that server threads are left for a stop (server.REQUEST_THREADS)."""

T = TypeVar("T")


class BusActions(Actions):
    """Runs each question in the loop that owns bus and state."""

    def __init__(
        self,
        state: PanelState,
        bus: Bus,
        media: str,
        changed: Callable[[], None],
        seal: Seal | None = None,
    ):
        """`media`: host:port of its own listener. `changed`: called when an answer changed `state`.

        To be made in the loop, where `changed` is called as well. `seal`: without one no camera can
        be allowed.
        """
        self._seal = seal
        self._state = state
        self._media = media
        self._bus = bus
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._choosing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending = False
        self._turned_away = TurnedAway()

    def start(self) -> Done | Fault:
        """As in Actions."""
        return self._run(self._start())

    def stop(self) -> Done | Fault:
        """As in Actions."""
        return self._run(self._stop(), urgent=True)

    def change_camera(self, camera: str, operation: Operation) -> Done | Fault:
        """As in Actions."""
        return self._run(self._change_camera(camera, operation))

    def hide(self, hidden: bool) -> Done | Fault:
        """As in Actions."""
        return self._run(self._hide(hidden), urgent=True)

    def mute(self, muted: bool) -> Done | Fault:
        """As in Actions."""
        return self._run(self._mute(muted), urgent=True)

    def admit(self, participant: str, role: Role) -> Done | Fault:
        """As in Actions."""
        return self._run(self._admit(participant, role))

    def refuse(self, participant: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._refuse(participant), urgent=True)

    def mute_guest(self, participant: str, muted: bool) -> Done | Fault:
        """As in Actions."""
        question = GuestMuted(participant=participant, muted=muted)
        return self._run(self._ask(MUTE_GUEST, question))

    def invite(self, role: Role) -> Invite | Fault:
        """As in Actions."""
        return self._run(self._invite(role))

    def send_invite(self, id_: str, phone: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._send_invite(id_, phone))

    def self_test(self) -> Done | Fault:
        """As in Actions."""
        return self._run(self._self_test())

    def ask_help(self) -> HelpLink | Fault:
        """As in Actions."""
        work = self._bus.request(ASK_HELP, AskHelp(), timeout_s=ANSWER_TIMEOUT_S)
        return self._run(work)

    def admit_technician(self, id_: str, serial: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(ADMIT_TECHNICIAN, AdmitTechnician(id=id_, serial=serial)))

    def end_help(self) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(END_SUPPORT, EndSupport()), urgent=True)

    def say_to_technician(self, text: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(CREW_SAYS, CrewSays(text=text)))

    def allow_command_line(self, id_: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(GRANT_SHELL, GrantShell(id=id_)))

    def end_command_line(self) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(END_SHELL, EndShell()), urgent=True)

    def take_call(self, id_: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(TAKE_CALL, TakeCall(id=id_)))

    def hang_up(self) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(HANG_UP, HangUp()), urgent=True)

    def talk(self, said: Talk) -> Done | Fault:
        """As in Actions."""
        return self._run(self._talk(said), urgent=True)

    def allow_still(self, id_: str, serial: str, camera: str) -> Done | Fault:
        """As in Actions."""
        desk = self._state.support
        return self._run(allow_still(self._bus, self._seal, desk, id_, serial, camera))

    def refuse_still(self) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(REFUSE_STILL, RefuseStill()), urgent=True)

    def headset_code(self) -> PresenceCode | Fault:
        """As in Actions."""
        wish = self._bus.request(PRESENCE, AskPresence(), timeout_s=ANSWER_TIMEOUT_S)
        return self._run(wish)

    def allow_headset(self, device: str, digits: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(ALLOW_DEVICE, AllowDevice(device=device, digits=digits)))

    def end_headset(self, device: str) -> Done | Fault:
        """As in Actions."""
        return self._run(self._ask(END_DEVICE, EndDevice(device=device)), urgent=True)

    def alive(self) -> bool:
        """As in Actions."""
        return isinstance(self._run(self._answer_self(), urgent=True), Done)

    def cancel(self) -> None:
        """The panel ends: whoever still waits gets a Fault. From the loop only."""
        self._ending = True
        for task in self._tasks:
            task.cancel()

    def _run(self, work: Coroutine[Any, Any, T | Fault], *, urgent: bool = False) -> T | Fault:
        tracked = self._tracked(work, urgent)
        try:
            return asyncio.run_coroutine_threadsafe(tracked, self._loop).result()
        except CancelledError:
            return Fault(reason="unreachable", text="the panel is ending")

    async def _tracked(self, work: Coroutine[Any, Any, T | Fault], urgent: bool) -> T | Fault:
        if len(self._tasks) >= QUESTIONS_MAX and not urgent:
            work.close()
            return Fault(reason="busy", text=f"{QUESTIONS_MAX} questions wait already")
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._ending:
            task.cancel()
        return await task

    async def _self_test(self) -> Done | Fault:
        question = RunSelfTest(reason="crew")
        answer = await self._bus.request(RUN_SELF_TEST, question, timeout_s=ANSWER_TIMEOUT_S)
        return answer if isinstance(answer, Fault) else Done()

    async def _talk(self, said: Talk) -> Done | Fault:
        sent = await self._bus.publish(TALK, said)
        return Done() if sent else Fault(reason="unreachable", text="the box's broker is away")

    async def _answer_self(self) -> Done:
        return Done()

    async def _start(self) -> Done | Fault:
        async with self._choosing:
            cameras = self._state.selection(time.monotonic())
            question = StartVideo(cameras=cameras)
            return await self._bus.request(START_VIDEO, question, timeout_s=START_TIMEOUT_S)

    async def _stop(self) -> Done | Fault:
        session = self._state.session_id if self._state.screen == "live" else None
        if session is not None:
            self._leave(STOP_WISH, StopWish(session=session))
        if not self._bus.connected.is_set() and await stop_directly(self._media):
            return Done()
        for _ in range(STOP_TRIES):
            answer = await self._bus.request(STOP_VIDEO, StopVideo(), timeout_s=STOP_TIMEOUT_S)
            if not isinstance(answer, Fault) or await stop_directly(self._media):
                return Done()
        return answer

    def _leave(self, topic: Topic[M], wish: M) -> None:
        """Aside: it waits in the broker for a media that is dead, and need not be waited for."""
        task = asyncio.ensure_future(self._bus.publish(topic, wish))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hide(self, hidden: bool) -> Done | Fault:
        session = self._state.session_id
        if session is not None:
            self._leave(HIDE_WISH, HideWish(session=session, hidden=hidden))
        return await self._ask(HIDE_PICTURES, HidePictures(hidden=hidden))

    async def _mute(self, muted: bool) -> Done | Fault:
        session = self._state.session_id
        if session is not None:
            self._leave(MUTE_WISH, MuteWish(session=session, muted=muted))
        return await self._ask(MUTE_CABIN, MuteCabin(muted=muted))

    async def _change_camera(self, camera: str, operation: Operation) -> Done | Fault:
        """While idle the choice is kept here and goes out with the start."""
        async with self._choosing:
            wanted = self._state.selection_after(camera, operation, time.monotonic())
            if isinstance(wanted, Fault):
                return wanted
            answer: Done | Fault = Done()
            if self._state.screen == "live":
                answer = await self._bus.request(
                    SELECT_CAMERAS, SelectCameras(cameras=wanted), timeout_s=ANSWER_TIMEOUT_S
                )
            if isinstance(answer, Done):
                self._state.choose(wanted, time.monotonic())
                self._changed()
            return answer

    async def _ask(self, request: Request[Q, Done], question: Q) -> Done | Fault:
        return await self._bus.request(request, question, timeout_s=ANSWER_TIMEOUT_S)

    async def _admit(self, participant: str, role: Role) -> Done | Fault:
        """Only who is shown as waiting, and with that role: it may have changed under the tap."""
        guest = self._state.guest(participant, role, time.monotonic())
        session = self._state.session_id
        if guest is None or session is None:
            return Fault(reason="not-found", text="nobody waits under that id with that role")
        self._turned_away.let_in(session, participant)
        self._leave(REFUSE_WISH, self._turned_away.wish(session))
        question = Admit(session=session, participant=participant, role=role, name=guest.name)
        return await self._ask(ADMIT, question)

    async def _refuse(self, participant: str) -> Done | Fault:
        session = self._state.session_id
        if session is None:
            return Fault(reason="unreachable", text="media has not named a session yet")
        self._turned_away.refuse(session, participant)
        self._leave(REFUSE_WISH, self._turned_away.wish(session))
        return await self._ask(REFUSE, Refuse(session=session, participant=participant))

    async def _send_invite(self, id_: str, phone: str) -> Done | Fault:
        url = self._state.invite_url(id_)
        if url is None:
            return Fault(reason="not-found", text="another invitation was made meanwhile")
        question = SendInvite(url=url, phone=phone)
        return await self._bus.request(SEND_INVITE, question, timeout_s=SMS_TIMEOUT_S)

    async def _invite(self, role: Role) -> Invite | Fault:
        session = self._state.session_id
        if session is None:
            return Fault(reason="unreachable", text="media has not named a session yet")
        answer = await self._bus.request(
            CREATE_INVITE, CreateInvite(session=session, role=role), timeout_s=ANSWER_TIMEOUT_S
        )
        if isinstance(answer, Invite):
            self._state.receive_invite(answer, session)
            self._changed()
        return answer
