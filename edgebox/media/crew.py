"""What the crew asks of media, and what it wanted while media was not there to hear it."""

import time
from collections.abc import Awaitable, Callable

from edgebox.bus import Bus
from edgebox.media.admission import Admission
from edgebox.media.session import Session
from edgebox.media.sound.cabin import Cabin
from edgebox.media.watch import Watchers
from edgebox.media.wishes import Wish, Wishes
from edgebox.messages.base import Done, Fault
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
    MuteCabin,
    Refuse,
    SelectCameras,
    StartVideo,
    StopVideo,
)

OVER = Fault(reason="refused", text="this session has ended")


class Crew:
    """`listen` first; `obey` when the session was taken up again; then `serve`."""

    def __init__(
        self,
        session: Session,
        admission: Admission,
        cabin: Cabin,
        watchers: Watchers,
        end: Callable[[], None],
        applied: Callable[[], Awaitable[Done]],
    ):
        """`end`: the session is over. `applied`: do what follows and say so."""
        self._session = session
        self._admission = admission
        self._cabin = cabin
        self._watchers = watchers
        self._end = end
        self._applied = applied
        self._wishes = Wishes(session, admission)
        self._resumed = False

    async def listen(self, bus: Bus) -> None:
        """Hear what was wanted before this process was there, and from now on."""
        await bus.subscribe(STOP_WISH, self._take_wish)
        await bus.subscribe(HIDE_WISH, self._take_wish)
        await bus.subscribe(MUTE_WISH, self._take_wish)
        await bus.subscribe(REFUSE_WISH, self._take_wish)

    async def serve(self, bus: Bus) -> None:
        """Answer requests; from now on wishes are obeyed as they come."""
        self._resumed = True
        await bus.serve(START_VIDEO, self._start_video)
        await bus.serve(STOP_VIDEO, self._stop_video)
        await bus.serve(SELECT_CAMERAS, self._select_cameras)
        await bus.serve(HIDE_PICTURES, self._hide_pictures)
        await bus.serve(MUTE_CABIN, self._mute_cabin)
        await bus.serve(MUTE_GUEST, self._mute_guest)
        await bus.serve(ADMIT, self._admit)
        await bus.serve(REFUSE, self._refuse)

    def obey(self) -> None:
        """What is wanted of the session there is now."""
        if self._wishes.is_over:
            self._end()
            return
        for participant in self._wishes.obey():
            self._watchers.cut(participant)
        if (muted := self._wishes.muted) is not None:
            self._cabin.mute(muted)

    async def stop(self) -> Done:
        """End the session."""
        self._end()
        return await self._applied()

    async def _take_wish(self, wish: Wish, keys: dict[str, str]) -> None:
        self._wishes.take(wish)
        if self._resumed:
            self.obey()
            await self._applied()

    async def _start_video(self, wish: StartVideo, keys: dict[str, str]) -> Done | Fault:
        fault = self._session.start(wish.cameras, time.time())
        return fault or await self._applied()

    async def _stop_video(self, wish: StopVideo, keys: dict[str, str]) -> Done | Fault:
        return await self.stop()

    async def _select_cameras(self, wish: SelectCameras, keys: dict[str, str]) -> Done | Fault:
        fault = self._session.select(wish.cameras)
        return fault or await self._applied()

    async def _hide_pictures(self, wish: HidePictures, keys: dict[str, str]) -> Done | Fault:
        self._session.hidden = wish.hidden
        return await self._applied()

    async def _mute_cabin(self, wish: MuteCabin, keys: dict[str, str]) -> Done | Fault:
        self._cabin.mute(wish.muted)
        return await self._applied()

    async def _mute_guest(self, wish: GuestMuted, keys: dict[str, str]) -> Done | Fault:
        fault = self._admission.silence(wish.participant, wish.muted)
        return fault or await self._applied()

    async def _admit(self, wish: Admit, keys: dict[str, str]) -> Done | Fault:
        if wish.session != self._session.id:
            return OVER
        fault = self._admission.admit(wish)
        if fault is None:
            self._watchers.keep_role(wish.participant, wish.role)
        return fault or await self._applied()

    async def _refuse(self, wish: Refuse, keys: dict[str, str]) -> Done | Fault:
        if wish.session != self._session.id:
            return OVER
        self._admission.refuse(wish.participant)
        self._watchers.cut(wish.participant)
        return await self._applied()
