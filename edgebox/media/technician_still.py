"""The technician's look at a camera: figures at any time, a still by the crew's own word, once.

The word comes from the panel, sealed, and is kept here: whoever asks for the picture, by whatever
right they say they have, gets it only by that. Never while video is on: then there is a patient,
or may be, and the role has no right to pictures of one (edgebox.roles). The technician's session
must still be the one the crew allowed it to.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.errors import DeviceError
from edgebox.host.seal import is_sealed
from edgebox.media.camera_figures import figures_of, small
from edgebox.media.encoder import Encoder, Still
from edgebox.media.session import Session
from edgebox.messages.base import Done, Fault
from edgebox.messages.support import SUPPORT_SESSION, SupportSession
from edgebox.messages.support_still import (
    ALLOW_STILL,
    ASK_FIGURES,
    FETCH_STILL,
    AskFigures,
    CameraFigures,
    CameraStill,
    FetchStill,
    StillGrant,
    sealed_parts,
)

GOOD_S = 60.0
AGAIN_S = 0.5
"""Between the two pictures that are compared: more than a slow camera's interval."""
USED_MAX = 1000
VIDEO_ON = Fault(reason="refused", text="video-on")
NOT_ALLOWED = Fault(reason="refused", text="camera-not-allowed")


@dataclass(frozen=True)
class _Kept:
    grant: StillGrant
    until: float


class StillDoor:
    """Of one media."""

    def __init__(
        self,
        config: Config,
        instance: str,
        encoders: Mapping[str, Encoder],
        session: Session,
    ):
        """`instance`: of this media. `session`: the video session."""
        self._seal = Path(config.directory) / config.panel.seal
        self._instance = instance
        self._encoders = encoders
        self._session = session
        self._kept: _Kept | None = None
        self._used: dict[str, None] = {}
        self._measuring = asyncio.Lock()

    def _is_idle(self) -> bool:
        return self._session.state == "idle"

    async def serve(self, bus: Bus) -> None:
        """From now on."""
        await bus.subscribe(SUPPORT_SESSION, self._take_session)
        await bus.serve(ALLOW_STILL, self._allow)
        await bus.serve(FETCH_STILL, self._fetch)
        await bus.serve(ASK_FIGURES, self._figures)

    def forget(self) -> None:
        """Video begins, or the session is over."""
        self._kept = None

    async def _take_session(self, session: SupportSession, keys: dict[str, str]) -> None:
        kept = self._kept
        if kept is not None and (session.state, session.id) != ("active", kept.grant.session):
            self.forget()

    async def _allow(self, grant: StillGrant, keys: dict[str, str]) -> Done | Fault:
        if not self._is_idle():
            return VIDEO_ON
        if grant.camera not in self._encoders:
            return Fault(reason="not-found", text="no such camera")
        if grant.instance != self._instance or grant.id in self._used:
            return NOT_ALLOWED
        if not is_sealed(self._seal, grant.seal, *sealed_parts(grant)):
            return NOT_ALLOWED
        self._used[grant.id] = None
        if len(self._used) > USED_MAX:
            # A grant that old is of a session that is over.
            del self._used[next(iter(self._used))]
        self._kept = _Kept(grant, time.monotonic() + GOOD_S)
        return Done()

    async def _fetch(self, wish: FetchStill, keys: dict[str, str]) -> CameraStill | Fault:
        if not self._is_idle():
            self.forget()
            return VIDEO_ON
        kept = self._kept
        if kept is None or time.monotonic() > kept.until:
            return NOT_ALLOWED
        grant = kept.grant
        if (wish.session, wish.serial, wish.camera) != (grant.session, grant.serial, grant.camera):
            return NOT_ALLOWED
        self.forget()
        try:
            still = await self._encoders[wish.camera].take_still()
            jpeg, width, height = await asyncio.to_thread(small, still.jpeg)
        except (DeviceError, TimeoutError) as error:
            return Fault(reason="failed", text=str(error)[:200] or "no picture in time")
        if not self._is_idle():
            return VIDEO_ON
        return CameraStill(
            camera=wish.camera, at_utc=still.at_utc, width=width, height=height, jpeg=jpeg
        )

    async def _figures(self, question: AskFigures, keys: dict[str, str]) -> CameraFigures | Fault:
        encoder = self._encoders.get(question.camera)
        if encoder is None:
            return Fault(reason="not-found", text="no such camera")
        report = encoder.report
        said = CameraFigures(
            camera=question.camera,
            name=encoder.camera.name,
            state=report.state,
            detail=report.detail,
            width=report.width,
            height=report.height,
            fps=report.fps,
        )
        if not self._is_idle():
            return replace(said, why="video-on")
        if self._measuring.locked():
            return Fault(reason="busy", text="a camera is measured already")
        async with self._measuring:
            try:
                first, second = await encoder.take_still(), await _later(encoder)
                figures = await asyncio.to_thread(figures_of, second.jpeg)
            except (DeviceError, TimeoutError):
                return replace(said, why="no-picture")
        return replace(said, moves=first.jpeg != second.jpeg, **asdict(figures))


async def _later(encoder: Encoder) -> Still:
    await asyncio.sleep(AGAIN_S)
    return await encoder.take_still()
