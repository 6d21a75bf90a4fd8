"""The video session: idle or live, which cameras are sent, hidden or not, its name (no I/O).

The name belongs to the current session, or while idle to the next one: the hub makes a room for it
so that the crew can invite before starting. Every stop gives a new name, which ends all invitations
and permissions of the old one.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from edgebox.messages.base import Fault
from edgebox.messages.session import MediaSession


class Session:
    """What START_VIDEO, STOP_VIDEO, SELECT_CAMERAS, HIDE_PICTURES and a Focus change."""

    def __init__(self, cameras: Sequence[str], new_id: Callable[[], str], now_utc: float):
        """`cameras`: those configured, in order. `new_id`: at least 128 random bits each time."""
        self._cameras = tuple(cameras)
        self._new_id = new_id
        self.id = new_id()
        self.state: Literal["idle", "live"] = "idle"
        self.since_utc = now_utc
        self.selected = self._cameras
        """Main picture first; sent while live."""
        self.hidden = False
        """The crew hid the pictures; sound goes on."""
        self.focus_by = ""
        """Name of the person who chose the main picture; empty: the crew."""

    @property
    def shown(self) -> tuple[str, ...]:
        """Cameras whose pictures may leave the box now."""
        return () if self.hidden else self.sent

    @property
    def sent(self) -> tuple[str, ...]:
        """Cameras of the live session, hidden or not."""
        return self.selected if self.state == "live" else ()

    def resume(self, last: MediaSession) -> None:
        """Go on where an earlier process of this service was stopped."""
        self.id, self.state, self.since_utc = last.id, last.state, last.since_utc
        known = tuple(camera for camera in last.sent if camera in self._cameras)
        self.selected = known or self._cameras
        self.hidden = last.hidden
        self.focus_by = last.focus_by
        if not self._cameras:
            self.state = "idle"

    def add(self, camera: str) -> None:
        """A camera that was not configured is there now: it is sent after the others."""
        if camera not in self._cameras:
            self._cameras += (camera,)
            self.selected += (camera,)

    def remove(self, camera: str) -> None:
        """It is no camera of this vehicle any more."""
        self._cameras = tuple(one for one in self._cameras if one != camera)
        self.selected = tuple(one for one in self.selected if one != camera) or self._cameras

    def start(self, cameras: Sequence[str], now_utc: float) -> Fault | None:
        """Go live with these cameras; none means as last time. Live already: only select."""
        if not self._cameras:
            return Fault(reason="not-found", text="no camera is configured")
        fault = self.select(cameras) if cameras else None
        if fault is None and self.state == "idle":
            self.state, self.since_utc = "live", now_utc
        return fault

    def stop(self, now_utc: float) -> None:
        """End it; the next one has a new name and hides nothing."""
        if self.state == "live":
            self.state, self.since_utc, self.id = "idle", now_utc, self._new_id()
            self.hidden, self.focus_by = False, ""

    def select(self, cameras: Sequence[str]) -> Fault | None:
        """Choose what is sent, main picture first."""
        wanted = tuple(dict.fromkeys(cameras))
        if not wanted:
            return Fault(reason="invalid", text="at least one camera")
        unknown = [camera for camera in wanted if camera not in self._cameras]
        if unknown:
            return Fault(reason="not-found", text=f"no camera {', '.join(unknown)}"[:200])
        if wanted[0] != next(iter(self.selected), ""):
            self.focus_by = ""
        self.selected = wanted
        return None

    def focus(self, camera: str, name: str) -> Fault | None:
        """Somebody called `name` makes a camera that is sent the main picture."""
        if camera not in self.selected:
            return Fault(reason="not-found", text=f"camera {camera} is not sent"[:200])
        if camera != self.selected[0]:
            others = tuple(one for one in self.selected if one != camera)
            self.selected, self.focus_by = (camera, *others), name
        return None
