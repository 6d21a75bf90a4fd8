"""What goes out when the links cannot carry all: sound, main picture, thumbnails, in this order.

Told the time, no I/O. The bond's target is what pictures may use: sound is taken off before. It is
divided anew each time it is told; how pictures are made (their size, their number) changes only
with the level:

    level        from (main picture's bits)   main picture         the others
    all          BACK[main-only]              as configured        thumbnails
    main-only    under BELOW[main-only]       as configured        none
    few-frames   under BELOW[few-frames]      smaller, few         none
    stills       under BELOW[stills]          one every few s      none
    sound-only   under BELOW[sound-only]      none                 none

A level is left downwards once its rate was too low for FALL_S, upwards once it sufficed for a
better one for RISE_S. The two thresholds of a level lie apart, and a fall soon after a rise makes
the next rise wait longer, so that a rate that swings does not make the picture swing. While a queue
drains the bond may name next to nothing for a moment: pictures pause then, without another level.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgebox.media.pipe import Form
from edgebox.media.share import divide, weigh

Level = Literal["all", "main-only", "few-frames", "stills", "sound-only"]
SendingLevel = Literal[
    "nothing", "full", "reduced", "main-only", "few-frames", "stills", "sound-only"
]
Reason = Literal["", "capacity", "links-down", "hidden", "viewer", "camera"]

LEVELS: tuple[Level, ...] = ("all", "main-only", "few-frames", "stills", "sound-only")
BELOW: dict[Level, int] = {
    "main-only": 450_000,
    "few-frames": 300_000,
    "stills": 90_000,
    "sound-only": 25_000,
}
"""Bit/s of the main picture under which the level begins."""
BACK: dict[Level, int] = {
    "main-only": 550_000,
    "few-frames": 360_000,
    "stills": 120_000,
    "sound-only": 35_000,
}
"""And from which it ends."""
FALL_S: dict[Level, float] = {
    "main-only": 0.0,
    "few-frames": 0.5,
    "stills": 1.0,
    "sound-only": 1.5,
}
"""Another size costs a keyframe at the worst moment: a dip shorter than this goes by without."""
RISE_S, RISE_MAX_S = 0.4, 1.0
STEADY_S = 10.0
"""A fall later than this after a rise was no swing."""

FULL_BITS_PER_PIXEL = 0.045
"""A main picture that has so many cannot use many more."""
FULL_AGAIN = 0.9

THUMBNAIL = Form(width=320, height=180, fps=8.0)
FEW_FRAMES = Form(width=640, height=360, fps=10.0)
STILLS = Form(width=640, height=360, every_s=3.0)
MAIN_FORMS: dict[Level, Form] = {
    "all": Form(),
    "main-only": Form(),
    "few-frames": FEW_FRAMES,
    "stills": STILLS,
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What the ladder goes by."""

    rate_bps: int
    """What all pictures on their way to everybody may use together."""
    mains: tuple[str, ...]
    """The main picture, then those that are the best somebody has a right to see."""
    others: tuple[str, ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)
    """Connections that carry each camera's picture; one that is not named counts as one."""
    full_bps: int = 1_000_000
    """With this the main picture is as good as it gets."""


@dataclass(frozen=True, slots=True)
class Picture:
    """How one camera's pictures are made."""

    form: Form
    bitrate_bps: int
    """0: none for the moment."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows. Cameras that are not in `pictures` are not encoded."""

    level: SendingLevel
    pictures: dict[str, Picture]


class Ladder:
    """Call `update` whenever something changed, and several times a second anyway."""

    def __init__(self) -> None:
        self._place = 0
        self._worse_since: float | None = None
        self._better_since: float | None = None
        self._last_wanted = 0
        self._rose_at = -math.inf
        self._rise_s = RISE_S
        self._full = True

    @property
    def level(self) -> Level:
        """Where it stands."""
        return LEVELS[self._place]

    def update(self, situation: Situation, now: float) -> Plan:
        """What to send from now on."""
        if not situation.mains:
            return Plan("sound-only", {})
        main_bps = int(situation.rate_bps / weigh(situation.mains, situation.copies))
        self._step(main_bps, now)
        level = self.level
        if level == "sound-only":
            return Plan("sound-only", {})
        if main_bps < BELOW["sound-only"]:
            paused = dict.fromkeys(situation.mains, Picture(MAIN_FORMS[level], 0))
            return Plan("reduced" if level == "all" else level, paused)
        others = situation.others if level == "all" else ()
        shares = divide(situation.rate_bps, situation.mains, others, situation.copies)
        form = MAIN_FORMS[level]
        pictures = {
            camera: Picture(form if camera in situation.mains else THUMBNAIL, bitrate_bps)
            for camera, bitrate_bps in shares.items()
        }
        if level != "all":
            return Plan(level, pictures)
        enough_bps = situation.full_bps * (FULL_AGAIN if self._full else 1.0)
        self._full = shares[situation.mains[0]] >= enough_bps
        return Plan("full" if self._full else "reduced", pictures)

    def _step(self, main_bps: int, now: float) -> None:
        wanted = self._wanted(main_bps)
        if wanted > self._place:
            self._better_since = None
            self._worse_since = now if self._worse_since is None else self._worse_since
            self._fall(wanted, now)
        elif wanted < self._place:
            self._worse_since = None
            self._better_since = now if self._better_since is None else self._better_since
            self._rise(max(wanted, self._last_wanted), now)
        else:
            self._worse_since = self._better_since = None
        self._last_wanted = wanted

    def _wanted(self, main_bps: int) -> int:
        place = self._place
        while place + 1 < len(LEVELS) and main_bps < BELOW[LEVELS[place + 1]]:
            place += 1
        while place > 0 and main_bps >= BACK[LEVELS[place]]:
            place -= 1
        return place

    def _fall(self, wanted: int, now: float) -> None:
        lasted_s = now - (now if self._worse_since is None else self._worse_since)
        due = [n for n in range(self._place + 1, wanted + 1) if lasted_s >= FALL_S[LEVELS[n]]]
        if not due:
            return
        self._place = due[-1]
        swings = now - self._rose_at < STEADY_S
        self._rise_s = min(RISE_MAX_S, self._rise_s * 2) if swings else RISE_S

    def _rise(self, wanted: int, now: float) -> None:
        since = now if self._better_since is None else self._better_since
        if now - since >= self._rise_s and wanted < self._place:
            self._place, self._better_since = wanted, None
            self._rose_at = now
