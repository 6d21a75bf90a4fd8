"""One person's connection: whose it is, what flows over it, what it can take."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from edgebox.media.channel import Channel, Wire
from edgebox.media.data_messages import LABEL
from edgebox.media.encoder import Encoder
from edgebox.media.flood import Flood
from edgebox.media.guest import GuestPicture
from edgebox.media.moments import moments_of
from edgebox.media.publisher import Call, Connection
from edgebox.media.share import ViewerLimit
from edgebox.media.sound.cabin import Voice
from edgebox.messages.session import Admitted


class Viewer:
    """One of Watchers'."""

    def __init__(
        self,
        guest: Admitted,
        cameras: Sequence[Encoder],
        changed: Callable[[], None],
        voice: Voice | None,
        picture: GuestPicture | None,
        join: Callable[["Viewer"], Channel],
        greet: Callable[[Channel], None],
    ):
        """`join` makes this person's end of the data channel, `greet` begins it."""
        self.guest = guest
        self._greet = greet
        self.voice = voice
        self.picture = picture
        self.channel = join(self)
        call = Call(voice, picture, opened=self._opened)
        self.connection = Connection(cameras, changed, self._rate_limited, call)
        self.channel.unsend = self.connection.drop_still
        self.since_utc = time.time()
        self.state: Literal["connecting", "connected", "lost"] = "connecting"
        self.limit = ViewerLimit()
        self.single = ""
        """The camera they get single pictures of, and nothing else; empty: they get all."""
        self._flood = Flood()

    @property
    def cameras(self) -> tuple[str, ...]:
        """Those that the connection carries, or will when it has come about."""
        return tuple(track.encoder.camera.id for track in self.connection.tracks.values())

    def best(self, shown: Sequence[str]) -> str:
        """The most important of these that they have a right to see; empty: none."""
        return next((camera for camera in shown if camera in self.cameras), "")

    def sees(self, flowing: Collection[str]) -> tuple[str, ...]:
        """Cameras whose pictures this person is sent now."""
        if self.state != "connected":
            return ()
        sent = [self.single] if self.single else self.cameras
        return tuple(camera for camera in sent if camera in flowing)

    def thin(self, single: str, now: float) -> bool:
        """Single pictures of this camera, or everything (empty); True if that is new."""
        was, self.single = self.single, single
        if was or single:
            self.connection.thin(single or None, self.limit.cap_bps(now))
        return was != single

    @property
    def hears(self) -> bool:
        """Is this person sent what is said?"""
        return self.state == "connected" and self.voice is not None and self.voice.is_sent_sound

    @property
    def speaks(self) -> bool:
        """Does sound come from them?"""
        return self.state == "connected" and self.voice is not None and self.voice.is_heard

    @property
    def shows(self) -> bool:
        """Does their own camera's picture come in?"""
        picture = self.picture if self.state == "connected" else None
        return picture is not None and picture.shows(time.monotonic())

    def say_moments(self, now: float, now_utc: float) -> None:
        """To who is sent waves: when the pictures were taken. Call about once a second."""
        if self.state != "connected" or not self.channel.sent_wave:
            return
        self.channel.sent_wave = False
        for moment in moments_of(self.connection.senders, now, now_utc):
            self.channel.send_vitals(moment)

    def _opened(self, wire: Wire) -> None:
        if self.channel.open(wire) and wire.label == LABEL:
            self._greet(self.channel)

    @property
    def refused(self) -> int:
        """Packets that this person may not send, were too many, too large or of no use."""
        parts = (self.connection.strays, self.voice, self.picture)
        return sum(part if isinstance(part, int) else part.dropped for part in parts if part)

    def is_flood(self, now: float) -> bool:
        """Call about once a second."""
        return self._flood.goes_on(self.refused, now)

    def _rate_limited(self, estimate_bps: int) -> None:
        if self.single:
            return  # their connection has little to say of what they are not sent
        sent_bps = sum(track.encoder.bitrate_bps for track in self.connection.tracks.values())
        self.limit.reported(estimate_bps, sent_bps, time.monotonic())
