"""What remote help does to the pictures: focus, pointers, lines, zoom, movement, stills,
and what is written to who wears a camera.

All who guide share one main picture, one part of each camera and one set of lines: everybody,
the crew included, looks at the same. Who may do it is judged per message (conduct.py); what others
get of it depends on which cameras they may see.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from edgebox.errors import DeviceError
from edgebox.media.channel import Channel
from edgebox.media.conduct import Conduct, Reason, refusal
from edgebox.media.cut import WHOLE, inside
from edgebox.media.data_messages import (
    STILL_MAX_BYTES,
    Draw,
    Drawn,
    Erase,
    Erased,
    Focus,
    FromPage,
    Move,
    Picture,
    Point,
    Pointed,
    Show,
    TakeStill,
    ToPage,
    View,
    Write,
    Zoom,
)
from edgebox.media.encoder import Encoder
from edgebox.media.lines import Lines
from edgebox.messages.marks import PART_BYTES, Note, PicturePart, Pointing, Stroke, Wipe
from edgebox.messages.session import Admitted

logger = logging.getLogger(__name__)

Shown = Pointing | Stroke | Wipe | Note | PicturePart


class Mover(Protocol):
    """A camera that can turn."""

    def move(self, pan: float, tilt: float, zoom: float) -> bool:
        """Speeds from -1 to 1, until the next call or for a second; False if it cannot."""
        ...


class StillBudget(Protocol):
    """What stills may use of the links."""

    def begin_still(self) -> None:
        """One more is on its way."""
        ...

    def end_still(self) -> None:
        """One fewer."""
        ...

    def still_bps(self) -> int:
        """Rate of each, now."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the guidance asks and tells of the service it is part of."""

    hidden: Callable[[], bool]
    focus: Callable[[str, str], bool]
    """Make a camera the main picture, in the name of somebody; False if it is not sent."""
    show: Callable[[Shown], None]
    """To the panel, and to headsets."""
    part_changed: Callable[[], None]


class Guidance:
    """Of one session; `reset` when it ends."""

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        movers: Mapping[str, Mover],
        budget: StillBudget,
        around: Surroundings,
    ):
        self._encoders = encoders
        self._movers = movers
        self._budget = budget
        self._around = around
        self._channels: list[Channel] = []
        self._conducts: dict[str, Conduct] = {}
        self._lines = Lines()
        self._pictures = 0
        """Sent to who wears a camera, since this process started."""

    # Pages come and go

    def join(
        self,
        guest: Admitted,
        visible: Callable[[], tuple[str, ...]],
        flooded: Callable[[], None],
    ) -> Channel:
        """For a new connection. `visible`: its cameras that are sent now."""
        conduct = self._conducts.setdefault(guest.participant, Conduct())
        channel = Channel(guest, conduct, visible, self._handle, flooded)
        self._channels.append(channel)
        return channel

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Of all connections there are."""
        return tuple(self._channels)

    def leave(self, channel: Channel) -> None:
        """The connection has gone; its pointers go too."""
        channel.close()
        with contextlib.suppress(ValueError):
            self._channels.remove(channel)
            if channel.points_at:
                self._point(channel, Point(camera=channel.points_at, on=False))

    def greet(self, channel: Channel) -> None:
        """What everybody else has seen already."""
        for camera in channel.visible():
            channel.send(self._view(camera))
            for line in self._lines.on(camera):
                channel.send_line(camera, line)

    def reset(self) -> None:
        """The session ended."""
        self.wipe()
        self._conducts.clear()
        for encoder in self._encoders.values():
            encoder.set_part(WHOLE)

    def wipe(self) -> None:
        """All lines are gone: the main picture is another one."""
        for camera in self._lines.cameras:
            self._erase(camera)

    def keep_only(self, cameras: Collection[str]) -> None:
        """Pictures of other cameras may not leave now: stills of them on their way stop."""
        for channel in self._channels:
            if channel.still_of not in cameras:
                channel.drop_still()

    # What they say

    def _handle(self, channel: Channel, message: FromPage | Picture) -> Reason | None:
        hidden = self._around.hidden()
        reason = refusal(message, channel.rights, channel.visible(), hidden=hidden)
        return reason or self._do(channel, message)

    def _do(self, channel: Channel, message: FromPage | Picture) -> Reason | None:
        match message:
            case Focus():
                return None if self._around.focus(message.camera, channel.guest.name) else "failed"
            case Point():
                self._point(channel, message)
            case Draw():
                return self._draw(channel, message)
            case Erase():
                self._erase(message.camera)
            case Zoom():
                self._zoom(message)
            case Move():
                return self._move(message)
            case TakeStill():
                return self._take_still(channel, message)
            case Write():
                return self._write(channel, message)
            case Show():
                return None if self._is_worn(message.camera) else "not-found"
            case Picture():
                self._show(channel, message)
        return None

    def _point(self, channel: Channel, message: Point) -> None:
        guest = channel.guest
        channel.points_at = message.camera if message.on else ""
        self._around.show(
            Pointing(
                participant=guest.participant,
                name=guest.name,
                camera=message.camera,
                on=message.on,
                x=message.x,
                y=message.y,
            )
        )
        pointed = Pointed(
            name=guest.name,
            participant=guest.participant,
            camera=message.camera,
            on=message.on,
            x=message.x,
            y=message.y,
        )
        self._tell(message.camera, pointed, but=channel)

    def _draw(self, channel: Channel, message: Draw) -> Reason | None:
        participant, points = channel.guest.participant, message.points
        if not self._lines.draw(message.camera, participant, message.stroke, points):
            return "busy"
        self._around.show(
            Stroke(
                participant=participant,
                camera=message.camera,
                stroke=message.stroke,
                points=points,
            )
        )
        drawn = Drawn(
            participant=participant, camera=message.camera, stroke=message.stroke, points=points
        )
        self._tell(message.camera, drawn)
        return None

    def _erase(self, camera: str) -> None:
        self._lines.erase(camera)
        self._around.show(Wipe(camera=camera))
        self._tell(camera, Erased(camera=camera))

    def _write(self, channel: Channel, message: Write) -> Reason | None:
        """To a camera that somebody wears or holds, and to no other."""
        if not self._is_worn(message.camera):
            return "not-found"
        guest = channel.guest
        self._around.show(
            Note(
                participant=guest.participant,
                name=guest.name,
                camera=message.camera,
                text=message.text,
            )
        )
        return None

    def _show(self, channel: Channel, picture: Picture) -> None:
        """In parts: what goes past them on the bus waits for one part at most."""
        self._pictures += 1
        starts = range(0, len(picture.jpeg), PART_BYTES)
        for number, start in enumerate(starts):
            self._around.show(
                PicturePart(
                    participant=channel.guest.participant,
                    name=channel.guest.name,
                    camera=picture.camera,
                    picture=self._pictures,
                    part=number,
                    parts=len(starts),
                    data=picture.jpeg[start : start + PART_BYTES],
                )
            )

    def _is_worn(self, camera: str) -> bool:
        return self._encoders[camera].camera.kind == "headset"

    def _zoom(self, message: Zoom) -> None:
        encoder = self._encoders[message.camera]
        encoder.set_part(inside(message.x, message.y, message.size))
        self._tell(message.camera, self._view(message.camera))
        self._around.part_changed()

    def _move(self, message: Move) -> Reason | None:
        mover = self._movers.get(message.camera)
        if mover is None:
            return "not-found"
        return None if mover.move(message.pan, message.tilt, message.zoom) else "failed"

    def _take_still(self, channel: Channel, message: TakeStill) -> Reason | None:
        if channel.sends_still:
            return "busy"
        channel.start_still(message.camera, self._send_still(channel, message))
        return None

    async def _send_still(self, channel: Channel, message: TakeStill) -> None:
        self._budget.begin_still()
        try:
            still = await self._encoders[message.camera].take_still()
            gone = self._around.hidden() or message.camera not in channel.visible()
            if gone or len(still.jpeg) > STILL_MAX_BYTES:
                channel.deny(message, "failed")
                return
            await channel.send_still(message, still, self._budget.still_bps)
        except (DeviceError, TimeoutError) as error:
            logger.info("no still of %s: %s", message.camera, error)
            channel.deny(message, "failed")
        except asyncio.CancelledError:
            channel.deny(message, "failed")  # says nothing once the channel is closed
            raise
        finally:
            self._budget.end_still()

    def _view(self, camera: str) -> View:
        x, y, size = self._encoders[camera].part
        return View(camera=camera, x=x, y=y, size=size, movable=camera in self._movers)

    def _tell(self, camera: str, message: ToPage, but: Channel | None = None) -> None:
        """Everybody who may see this camera."""
        for channel in self._channels:
            if channel is not but and camera in channel.visible():
                channel.send(message)
