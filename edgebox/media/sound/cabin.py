"""The sound process as its owner sees it: who hears, who speaks, a new process when it dies.

It runs from the start of the service, like the encoders, so that a call begins with sound. Each
person with a right to sound is a Voice here: what they say is passed in, what they hear comes out.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

import msgspec

from edgebox.config.media import Media
from edgebox.media import child
from edgebox.media.sound import records
from edgebox.media.sound.opus import PACKET_MAX
from edgebox.media.sound.rate import Loss, Rate
from edgebox.messages.session import SoundStatus

logger = logging.getLogger(__name__)

UNRESPONSIVE_S = 3.0
"""A process that takes no step for this long is killed."""
BITRATE_WINDOW_S = 1.0
PACKETS_PER_S = 120
"""Browsers send 50 packets a second; what is far above is dropped before it costs anything."""
BACKLOG_MAX = 256 * 1024
"""Bytes that wait for a process that does not read."""

Sink = Callable[[records.Sound], None]


class Voice:
    """One person's sound, both ways. `leave` ends it."""

    def __init__(self, cabin: "Cabin", number: int, *, hears: bool, speaks: bool, near: bool):
        self.near = near
        self._cabin = cabin
        self._budget, self._budget_at = float(PACKETS_PER_S), 0.0
        self.number = number
        self.hears = hears
        self.speaks = speaks
        self.silenced = False
        self.sink: Sink | None = None
        """Gets each packet this person is to hear; must not block."""
        self.dropped = 0
        """Packets that came though they may not, were too long or too many."""

    @property
    def mix(self) -> int:
        """Which mix they hear: one without themselves, and without the room they are in."""
        if self.near:
            return records.FAR
        return self.number if self.speaks else records.EVERYBODY

    @property
    def is_heard(self) -> bool:
        """Sound that is not silence comes from them."""
        return not self.silenced and self.number in self._cabin.voices

    @property
    def is_sent_sound(self) -> bool:
        """Does anything reach them that they could hear?"""
        return self.hears and self.sink is not None and self._cabin.is_audible_to(self)

    def take(self, sequence: int, timestamp: int, payload: bytes) -> None:
        """An Opus packet came from them. One that may not be heard is dropped and counted."""
        now = time.monotonic()
        passed = (now - self._budget_at) * PACKETS_PER_S
        self._budget, self._budget_at = min(PACKETS_PER_S, self._budget + passed), now
        if not self.speaks or self._budget < 1 or not 0 < len(payload) <= PACKET_MAX:
            self.dropped += 1
            return
        self._budget -= 1
        if not self.silenced:
            self._cabin.pass_in(self.number, sequence, timestamp, payload)

    def silence(self, silenced: bool) -> None:
        """Let nobody hear them, or everybody again."""
        if silenced != self.silenced:
            self.silenced = silenced
            self._cabin.arrange()

    def lost(self, fraction: float) -> None:
        """The share of packets (0 to 1) that did not reach them lately."""
        self._cabin.loss.reported(fraction, time.monotonic())

    def leave(self) -> None:
        """They hear and say nothing any more."""
        self.sink = None
        self._cabin.remove(self)


class Cabin:
    """Use as a task running `run`. `changed` is called when `status` or somebody's voice does."""

    def __init__(self, media: Media, directory: str, changed: Callable[[], None]):
        self._start = records.Start(media.microphone, media.loudspeaker, directory)
        self._changed = changed
        self._orders = records.Orders()
        self._obeyed_from = 0
        self._voices: dict[int, Voice] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._report = records.Report()
        self._step_at = 0.0
        self._sent: deque[tuple[float, int]] = deque()
        self._rate = Rate()
        self.loss = Loss()

    # What others ask for

    def join(self, *, hears: bool, speaks: bool, near: bool = False) -> Voice | None:
        """A person who may hear or speak; None when there are too many.

        `near`: with the crew. They hear only those who are not; the loudspeaker does not repeat
        them.
        """
        free = set(range(1, records.GUESTS_MAX + 1)) - set(self._voices)
        if not free:
            return None
        # Not one that was just given back: packets of its last owner may be on their way.
        later = [number for number in free if number > max(self._voices, default=0)]
        voice = Voice(self, min(later or free), hears=hears, speaks=speaks, near=near)
        self._voices[voice.number] = voice
        self.arrange()
        return voice

    def remove(self, voice: Voice) -> None:
        """Never mind if it is not there."""
        if self._voices.get(voice.number) is voice:
            del self._voices[voice.number]
            if voice.number == self._orders.caller:
                self._cut(caller=0, talk=False)
            self.arrange()

    def arrange(self) -> None:
        """Who is heard and who hears has changed."""
        voices = self._voices.values()
        self._order(
            speaking=tuple(v.number for v in voices if v.speaks and not v.silenced),
            near=tuple(v.number for v in voices if v.near),
            mixes=tuple(sorted({v.mix for v in voices if v.hears})),
        )

    def set_live(self, live: bool) -> None:
        """Send sound, or none at all."""
        if live != self._orders.live:
            self._cut(live=live, talk=False)

    def mute(self, muted: bool) -> None:
        """Nothing of the cabin leaves from this moment on, or it does again."""
        if muted != self._orders.muted:
            self._cut(muted=muted)

    def expect_talk(self, caller: Voice) -> None:
        """This person is heard in the cabin while nothing is live, and may be talked to."""
        self._cut(caller=caller.number, talk=False)

    def talk(self, caller: Voice | None) -> None:
        """The cabin's microphone goes to this person, who was expected; None: to nobody."""
        wanted = caller is not None and caller.number == self._orders.caller
        talk = wanted and not self._orders.live
        if talk != self._orders.talk:
            self._cut(talk=talk)

    def set_target(self, target_bps: int) -> None:
        """What the bond offers for pictures; sound goes with it."""
        level = self._rate.target(target_bps)
        loss_percent = self.loss.percent(time.monotonic())
        now = self._orders
        new = (level.bitrate_bps, level.packet_ms, loss_percent)
        if new != (now.bitrate_bps, now.packet_ms, now.loss_percent):
            self._order(
                bitrate_bps=level.bitrate_bps,
                packet_ms=level.packet_ms,
                loss_percent=loss_percent,
            )

    def pass_in(self, guest: int, sequence: int, timestamp: int, payload: bytes) -> None:
        """A packet of a guest, for the mixer."""
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() < BACKLOG_MAX:
            writer.write(records.packet(guest, sequence, timestamp, payload))

    # What it tells

    def is_audible_to(self, listener: Voice) -> bool:
        """Could the cabin, or somebody else, be heard by this person now?"""
        if not self._orders.live:
            return False
        if listener.near:
            return any(v.speaks and not v.silenced and not v.near for v in self._voices.values())
        if self._report.microphone == "ready" and not self._orders.muted:
            return True
        others = (voice for voice in self._voices.values() if voice is not listener)
        return any(
            voice.speaks and not voice.silenced and not (voice.near and self._orders.muted)
            for voice in others
        )

    @property
    def voices(self) -> tuple[int, ...]:
        """Numbers of those from whom sound comes that is not silence."""
        return self._report.voices

    @property
    def report(self) -> records.Report:
        """The process's newest."""
        return self._report

    @property
    def status(self) -> SoundStatus:
        """For the bus."""
        live, muted = self._orders.live, self._orders.muted
        microphone, loudspeaker = self._report.microphone, self._report.loudspeaker
        return SoundStatus(
            microphone="live" if live and not muted and microphone == "ready" else microphone,
            loudspeaker="live" if live and loudspeaker == "ready" else loudspeaker,
            muted=muted,
            detail=self._report.detail,
            bitrate_bps=self.bitrate_bps,
        )

    @property
    def bitrate_bps(self) -> int:
        """What one listener was sent during the last second at most."""
        now = time.monotonic()
        while self._sent and now - self._sent[0][0] > BITRATE_WINDOW_S:
            self._sent.popleft()
        mixes = max(1, len(self._orders.mixes))
        return int(sum(size for _, size in self._sent) * 8 / BITRATE_WINDOW_S / mixes)

    # The process

    async def run(self) -> None:
        """Keep a process running until cancelled."""
        await child.keep("edgebox.media.sound.process", self)

    def begun(self, writer: asyncio.StreamWriter) -> None:
        """For child.keep."""
        writer.write(records.record(records.ORDER, self._start))
        writer.write(records.record(records.ORDER, self._orders))
        self._writer = writer
        self._step_at = time.monotonic() + UNRESPONSIVE_S

    def ended(self, how: str) -> None:
        """For child.keep."""
        self._writer = None
        logger.warning("sound process ended (%s)", how)
        detail = f"the sound process ended ({how}) and starts anew"
        self._take_report(records.Report(detail=detail))

    def is_hung(self, now: float) -> bool:
        """For child.keep: it takes no step."""
        return now - self._step_at > UNRESPONSIVE_S

    async def read(self, reader: asyncio.StreamReader) -> None:
        """For child.keep."""
        decoder = msgspec.json.Decoder(records.Report)
        while True:
            header = await reader.readexactly(records.HEADER.size)
            kind, mix, order, length, pts = records.HEADER.unpack(header)
            body = await reader.readexactly(length)
            if kind == records.SOUND:
                self._give(mix, order, records.Sound(body, pts))
            else:
                self._take_report(decoder.decode(body))

    def _give(self, mix: int, order: int, sound: records.Sound) -> None:
        newer = (order - self._obeyed_from) % records.NUMBERS
        if newer >= records.NUMBERS // 2:
            return  # was on its way when the crew muted or stopped
        if not self._orders.live:
            self._give_caller(mix, sound)
            return
        self._sent.append((time.monotonic(), len(sound.data)))
        for voice in list(self._voices.values()):
            if voice.sink is not None and voice.hears and voice.mix == mix:
                voice.sink(sound)

    def _give_caller(self, mix: int, sound: records.Sound) -> None:
        caller = self._voices.get(self._orders.caller)
        if caller is not None and self._orders.talk and mix == caller.number and caller.sink:
            caller.sink(sound)

    def _take_report(self, report: records.Report) -> None:
        old, self._report = self._report, report
        if report.steps != old.steps:
            self._step_at = time.monotonic()
        if (old.microphone, old.loudspeaker, old.detail, old.voices) != (
            report.microphone,
            report.loudspeaker,
            report.detail,
            report.voices,
        ):
            self._changed()

    def _cut(self, **changes: bool | int) -> None:
        """An order after which nothing made under an earlier one is sent."""
        self._order(**changes)
        self._obeyed_from = self._orders.number
        self._sent.clear()
        self._changed()

    def _order(self, **changes: object) -> None:
        number = (self._orders.number + 1) % records.NUMBERS
        self._orders = msgspec.structs.replace(self._orders, number=number, **changes)
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(records.record(records.ORDER, self._orders))
