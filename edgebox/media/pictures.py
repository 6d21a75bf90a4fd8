"""Which pictures are made, and how: from session, bond and viewers to orders for the encoders."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from edgebox.config.media import Media
from edgebox.media.encoder import Encoder
from edgebox.media.ladder import FULL_BITS_PER_PIXEL, Ladder, Plan, Reason, SendingLevel, Situation
from edgebox.media.session import Session
from edgebox.media.share import weigh
from edgebox.messages.bond import BondStatus
from edgebox.messages.session import Sending

STILLS_SHARE, STILLS_MAX_BPS, STILL_MIN_BPS = 0.4, 2_000_000, 16_000
"""Of all that may be sent, as long as stills in full resolution are on their way."""


class Pictures:
    """Call `apply` whenever session, bond or viewers changed, and about once a second."""

    def __init__(self, media: Media, encoders: Mapping[str, Encoder], changed: Callable[[], None]):
        """`changed`: `sending` says something new."""
        self._encoders = encoders
        self._changed = changed
        self._most_bps = media.bitrate_max_bps
        self._target_bps = media.bitrate_max_bps
        self._bond_up = True
        self._ladder = Ladder()
        self._plan = Plan("sound-only", {})
        self.sending = Sending()
        """What is true since the last `apply`."""
        self.has_sound = False
        """Sound of the cabin goes out."""
        self.vitals_bps = 0
        """What values and waves of the monitors take."""
        self._rate_bps = 0
        self._stills = 0

    @property
    def flowing(self) -> frozenset[str]:
        """Cameras whose pictures are made now."""
        return frozenset(self._plan.pictures)

    def take_bond(self, status: BondStatus) -> None:
        """A bond that is away leaves the last target standing; call `apply` then."""
        was_up, self._bond_up = self._bond_up, status.state == "up"
        if self._bond_up:
            self._target_bps = status.target_bps
            if not was_up:
                for camera in self.flowing:
                    self._encoders[camera].request_keyframe()

    @property
    def offered_bps(self) -> int:
        """What the links carry, to everybody together."""
        return min(self._target_bps, self._most_bps)

    def apply(
        self, session: Session, carried: Sequence[Sequence[str]], each_bps: float, now: float
    ) -> None:
        """`carried`: cameras each viewer's connection carries. `each_bps`: what it can take."""
        situation = self._situation(session.shown, carried)
        cap_bps = each_bps * weigh(situation.mains, situation.copies)
        self._rate_bps = (
            int(min(self.offered_bps, cap_bps)) if situation.mains else self.offered_bps
        )
        taken_bps = self.vitals_bps + self._stills * self.still_bps()
        situation = replace(situation, rate_bps=max(0, self._rate_bps - taken_bps))
        plan = self._ladder.update(situation, now) if session.shown else Plan("sound-only", {})
        self._plan = plan
        for camera, encoder in self._encoders.items():
            picture = plan.pictures.get(camera)
            if picture is None:
                encoder.encode(False)
            else:
                encoder.make(picture.form, picture.bitrate_bps)
        is_cap = self._rate_bps < self.offered_bps
        level, reason = self._said(session, carried, is_cap=is_cap)
        self._say(level, reason)

    def _situation(self, shown: Sequence[str], carried: Sequence[Sequence[str]]) -> Situation:
        best = [next((one for one in shown if one in cameras), "") for cameras in carried]
        mains = tuple(one for one in shown if one in best) or tuple(shown[:1])
        copies = {one: sum(one in cameras for cameras in carried) for one in shown if carried}
        others = tuple(one for one in shown if one not in mains)
        full_bps = self._full_bps(mains[0]) if mains else 0
        return Situation(0, mains, others, copies, full_bps)

    def _full_bps(self, camera_id: str) -> int:
        camera = self._encoders[camera_id].camera
        width, height = min(camera.width, camera.send_width), min(camera.height, camera.send_height)
        return int(width * height * camera.fps * FULL_BITS_PER_PIXEL)

    def _said(
        self, session: Session, carried: Sequence[Sequence[str]], *, is_cap: bool
    ) -> tuple[SendingLevel, Reason]:
        if session.state == "idle" or not carried:
            return "nothing", ""
        if not self._bond_up:
            return "nothing", "links-down"
        silence: SendingLevel = "sound-only" if self.has_sound else "nothing"
        if session.hidden:
            return silence, "hidden"
        if not any(carried):
            return silence, ""
        states = [self._encoders[camera].report.state for camera in self.flowing]
        if states and all(state in {"absent", "failed"} for state in states):
            return silence, "camera"
        level = silence if self._plan.level == "sound-only" else self._plan.level
        if level == "full":
            return level, ""
        return level, "viewer" if is_cap else "capacity"

    def begin_still(self) -> None:
        """One more still is on its way."""
        self._stills += 1

    def end_still(self) -> None:
        """One fewer."""
        self._stills -= 1

    def still_bps(self) -> int:
        """What each still may use; live pictures get the rest."""
        share_bps = min(STILLS_MAX_BPS, int(self._rate_bps * STILLS_SHARE))
        return max(STILL_MIN_BPS, share_bps // max(1, self._stills))

    def _say(self, level: SendingLevel, reason: Reason) -> None:
        old = self.sending
        since_utc = old.since_utc
        if (level, reason) != (old.level, old.reason):
            since_utc = time.time()
        self.sending = Sending(
            level=level, reason=reason, since_utc=since_utc, total_bps=self._rate_bps
        )
        if old != msgspec.structs.replace(self.sending, total_bps=old.total_bps):
            self._changed()
