"""Mixes what cabin and guests say, once for each who hears (no I/O, told the time).

Nobody hears themselves: a guest's mix holds the cabin and the other guests, the loudspeaker's mix
all guests but those who are with the crew themselves, with a headset. Remote help hears these
beside the cabin's microphone, which hears the patient better: a headset's leaves out all but its
wearer. Headsets hear what the loudspeaker plays: none of what is said near them comes back to them.
What the microphone picks up of the loudspeaker is taken out by WebRTC's audio processing
(docs/decisions/0003-echo.md), which also suppresses noise.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pywebrtc_audio import AudioProcessor

from edgebox.errors import RemoteProtocolError
from edgebox.media.sound import opus
from edgebox.media.sound.device import BLOCK
from edgebox.media.sound.jitter import JitterBuffer
from edgebox.media.sound.opus import RATE_HZ, Samples
from edgebox.media.sound.records import FAR, Orders

NOISE_LEVEL = 1
"""12 dB: an engine becomes quiet, a rattling breath stays audible."""
VOICE_RMS = 100.0
"""-50 dB of full scale; what is quieter nobody hears in a vehicle."""
VOICE_S = 3.0
"""Pauses between sentences are shorter; each change is told to the hub, over the same links."""
CLOCK_OFF_MAX = RATE_HZ * 40 // 1000
"""Time stamps follow the samples; when the sound card's clock has drifted this far they jump."""

Mix = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Mixed:
    """One packet for a mix's listeners."""

    mix: int
    pts: int
    data: bytes


@dataclass(slots=True)
class _Outgoing:
    """One mix on its way into packets."""

    encoder: opus.Encoder = field(default_factory=opus.Encoder)
    waiting: list[Samples] = field(default_factory=list)
    pts: int = 0


class _Guest:
    """What comes in from one person."""

    def __init__(self) -> None:
        self.jitter = JitterBuffer(opus.samples_in)
        self._decoder = opus.Decoder()
        self._decoded: deque[Samples] = deque()
        self._count = 0
        self._voice_at = float("-inf")
        self._echo: AudioProcessor | None = None

    def block(self, now: float) -> Samples | None:
        """The next BLOCK samples; None if there is nothing to hear."""
        if self._count < BLOCK:
            for step in self.jitter.take(now):
                self._decode(step.kind, step.packet, skipped=step.skipped)
        if not self._count:
            return None
        waiting = np.concatenate(list(self._decoded))
        block, rest = waiting[:BLOCK], waiting[BLOCK:]
        self._decoded.clear()
        self._count = len(rest)
        if self._count:
            self._decoded.append(rest)
        if len(block) < BLOCK:
            block = np.concatenate([block, np.zeros(BLOCK - len(block), np.int16)])
        if float(np.sqrt(np.mean(np.square(block, dtype=np.float32)))) > VOICE_RMS:
            self._voice_at = now
        return block

    def without_echo(self, block: Samples, played: Samples) -> Samples:
        """For one in the cabin, whose microphone hears the loudspeaker, too."""
        if self._echo is None:
            self._echo = AudioProcessor(sample_rate=RATE_HZ, echo_cancellation=True)
        cleaned: Samples = self._echo.process(block, played)
        return cleaned

    def has_voice(self, now: float) -> bool:
        """Did sound come lately that is not silence?"""
        return now - self._voice_at < VOICE_S

    def _decode(self, kind: str, packet: bytes, *, skipped: bool) -> None:
        try:
            match kind:
                case "packet":
                    samples = self._decoder.decode(packet)
                case "recover":
                    samples = self._decoder.recover(packet, BLOCK)
                case "conceal":
                    samples = self._decoder.conceal(BLOCK)
                case _:
                    samples = np.zeros(BLOCK, np.int16)
        except RemoteProtocolError:
            self.jitter.refused += 1
            samples = np.zeros(BLOCK, np.int16)
        if not skipped:
            self._decoded.append(samples)
            self._count += len(samples)


class Mixer:
    """One step every 20 ms."""

    def __init__(self) -> None:
        self._orders = Orders()
        self._guests: dict[int, _Guest] = {}
        self._outgoing: dict[int, _Outgoing] = {}
        self._echo = AudioProcessor(
            sample_rate=RATE_HZ,
            echo_cancellation=True,
            noise_suppression=True,
            ns_level=NOISE_LEVEL,
        )
        self._later_echo: AudioProcessor | None = None
        self._clock = 0
        self._gone_late = self._gone_lost = self._gone_refused = 0

    @property
    def orders(self) -> Orders:
        """Those obeyed now."""
        return self._orders

    def obey(self, orders: Orders) -> None:
        """From the next step on."""
        self._orders = orders
        for guest in set(self._guests) - set(orders.speaking):
            self._forget(guest)
        wanted = {*orders.mixes, orders.caller} if orders.talk else set(orders.mixes)
        for mix in set(self._outgoing) - wanted:
            del self._outgoing[mix]
        if FAR not in orders.mixes:
            self._later_echo = None
        elif self._later_echo is None:
            self._later_echo = AudioProcessor(sample_rate=RATE_HZ, echo_cancellation=True)

    def packet(self, guest: int, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """A packet of a guest; of one who may not be heard it is dropped."""
        if guest not in self._orders.speaking:
            return
        if guest not in self._guests:
            self._guests[guest] = _Guest()
        self._guests[guest].jitter.put(sequence, timestamp, payload, now)

    def step(self, near: Samples | None, now: float) -> tuple[Samples, list[Mixed]]:
        """What the loudspeaker plays next, and packets. `near`: BLOCK samples heard until `now`."""
        guests = {number: guest.block(now) for number, guest in self._guests.items()}
        heard = {number: block for number, block in guests.items() if block is not None}
        near_by = self._orders.near
        far = np.zeros(BLOCK, np.int32)
        for number, block in heard.items():
            if number not in near_by:
                far += block
        played = _clipped(far)
        self._advance(now)
        packets: list[Mixed] = []
        if self._orders.live:
            if near is not None:
                near = self._without_echo(near, played)
            cabin = None if self._orders.muted else near
            if FAR in self._orders.mixes:
                is_heard = any(number not in near_by for number in heard)
                packets += self._packed(FAR, played if is_heard else None)
            if self._orders.muted:
                heard = {number: block for number, block in heard.items() if number not in near_by}
            else:
                for number in near_by:
                    if number in heard:
                        heard[number] = self._guests[number].without_echo(heard[number], played)
                        far = far + heard[number]
            for mix in self._orders.mixes:
                if mix != FAR:
                    packets += self._packed(mix, _mix_of(mix, cabin, far, heard))
        elif self._orders.caller and near is not None:
            # All through the call, so that the echo is known when the crew talks.
            near = self._without_echo(near, played)
            if self._orders.talk and not self._orders.muted:
                packets = self._packed(self._orders.caller, near)
        return played, packets

    def voices(self, now: float) -> tuple[int, ...]:
        """Guests from whom sound came lately."""
        return tuple(sorted(n for n, guest in self._guests.items() if guest.has_voice(now)))

    @property
    def counters(self) -> tuple[int, int, int]:
        """Packets of guests since the start: late, lost, refused."""
        buffers = [guest.jitter for guest in self._guests.values()]
        return (
            self._gone_late + sum(buffer.late for buffer in buffers),
            self._gone_lost + sum(buffer.lost for buffer in buffers),
            self._gone_refused + sum(buffer.refused for buffer in buffers),
        )

    def _without_echo(self, near: Samples, played: Samples) -> Samples:
        """Headsets play the same later: a processor knows one way from a loudspeaker to here."""
        cleaned: Samples = self._echo.process(near, played)
        if self._later_echo is not None:
            cleaned = self._later_echo.process(cleaned, played)
        return cleaned

    def _packed(self, mix: int, block: Samples | None) -> list[Mixed]:
        """A packet, once its blocks are together. `block`: None when there is nothing to hear."""
        outgoing = self._outgoing.get(mix)
        if block is None:
            if outgoing is not None:
                outgoing.waiting.clear()
            return []
        if outgoing is None:
            outgoing = self._outgoing[mix] = _Outgoing()
        if not outgoing.waiting:
            outgoing.pts = self._clock
        outgoing.waiting.append(block)
        if len(outgoing.waiting) * 20 < self._orders.packet_ms:
            return []
        outgoing.encoder.tune(self._orders.bitrate_bps, self._orders.loss_percent)
        samples = np.concatenate(outgoing.waiting)
        outgoing.waiting.clear()
        data = outgoing.encoder.encode(samples)
        return [Mixed(mix, outgoing.pts, data)] if len(data) > 2 else []

    def _advance(self, now: float) -> None:
        """Time stamp of the block that ends `now`."""
        right = int(now * RATE_HZ) - BLOCK
        self._clock += BLOCK
        if abs(self._clock - right) > CLOCK_OFF_MAX:
            self._clock = right

    def _forget(self, guest: int) -> None:
        jitter = self._guests.pop(guest).jitter
        self._gone_late += jitter.late
        self._gone_lost += jitter.lost
        self._gone_refused += jitter.refused


def _mix_of(mix: int, cabin: Samples | None, far: Mix, heard: dict[int, Samples]) -> Samples | None:
    """What this guest hears; None when there is nothing."""
    if cabin is None and not any(number != mix for number in heard):
        return None
    total = far.copy()
    if mix in heard:
        total -= heard[mix]
    if cabin is not None:
        total += cabin
    return _clipped(total)


def _clipped(total: Mix) -> Samples:
    return np.clip(total, -32768, 32767).astype(np.int16)
