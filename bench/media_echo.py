"""Echo control in a simulated cabin: what a guest hears of themselves, and of the cabin meanwhile.

    python -m bench.media_echo [--device-db DB]

The guest's voice goes through Opus, mixer, loudspeaker, room and microphone and comes back as the
guest would hear it (edgebox/sim/cabin.py, edgebox/media/sound/mixer.py). ERLE is the echo in the
microphone over what is left of it (ITU-T G.168 calls it echo return loss enhancement).
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from bench.report import machine, table
from edgebox.media.sound.device import BLOCK
from edgebox.media.sound.mixer import Mixer
from edgebox.media.sound.opus import RATE_HZ, Decoder, Encoder
from edgebox.media.sound.records import FAR, Orders
from edgebox.sim.cabin import Cabin, Signal, samples, speech

SECONDS = 30
FAR_ALONE, NEAR_ALONE, BOTH = (0, 12), (12, 20), (20, 30)
GUEST = 1
CODEC_LAG = int(0.0065 * RATE_HZ)
DEVICE_LAG = int(0.12 * RATE_HZ)
"""Packets, the access point, the device's buffer against late packets."""


class Run:
    """One conversation."""

    def __init__(self, seed: int, *, engine: bool, device_db: float | None = None):
        """`device_db`: a headset plays the same, so loud beside the cabin's loudspeaker."""
        self._engine = engine
        self._device_db = device_db
        self.far = speech(SECONDS, seed, pitch_hz=130)
        self.near = speech(SECONDS, seed + 1000, pitch_hz=105) * 0.5
        self.far[_span(NEAR_ALONE)] = 0
        self.near[_span(FAR_ALONE)] = 0
        self.echo = np.zeros_like(self.far)
        self.noise = np.zeros_like(self.far)
        self.heard = np.zeros_like(self.far)
        self.cpu_s = 0.0
        self._play(seed)

    def _play(self, seed: int) -> None:
        cabin, mixer = Cabin(seed), Mixer()
        device, on_its_way = Cabin(seed + 1), np.zeros(DEVICE_LAG)
        gain = 0.0 if self._device_db is None else 10 ** (self._device_db / 20)
        mixes = (GUEST,) if self._device_db is None else (GUEST, FAR)
        mixer.obey(Orders(live=True, speaking=(GUEST,), mixes=mixes, bitrate_bps=40_000))
        encoder, decoder = Encoder(), Decoder()
        encoder.tune(40_000, 5)
        far = np.zeros(BLOCK)
        for block in range(SECONDS * 50):
            place = slice(block * BLOCK, (block + 1) * BLOCK)
            self.echo[place] = cabin.echo(far)
            if gain:
                on_its_way = np.concatenate([on_its_way, far])
                self.echo[place] += gain * device.echo(on_its_way[:BLOCK])
                on_its_way = on_its_way[BLOCK:]
            if self._engine:
                self.noise[place] = cabin.engine(BLOCK)
            microphone = samples(self.echo[place] + self.near[place] + self.noise[place])
            now = 100 + block * 0.02
            packet = encoder.encode(samples(self.far[place]))
            mixer.packet(GUEST, block, block * BLOCK, packet, now)
            started = time.process_time()
            played, packets = mixer.step(microphone, now)
            self.cpu_s += time.process_time() - started
            far = played / 32768
            for mixed in (one for one in packets if one.mix == GUEST):
                self.heard[place] = decoder.decode(mixed.data) / 32768

    def erle_db(self, start_s: float, end_s: float) -> float:
        """Of the echo alone, engine included on both sides."""
        where = slice(int(start_s * RATE_HZ), int(end_s * RATE_HZ))
        return _db(self.echo[where] + self.noise[where]) - _db(self.heard[where])

    def near_kept_db(self, span: tuple[int, int]) -> float:
        """Loudness of the cabin's speech as the guest hears it: 0 is as spoken."""
        near = self.near[_span(span)]
        heard = self.heard[_span(span)]
        lag = _lag(near, heard)
        near, heard = near[: len(near) - lag], heard[lag:]
        gain = float(np.dot(near, heard) / np.dot(near, near))
        return 20 * float(np.log10(max(gain, 1e-6)))


def _span(span: tuple[int, int]) -> slice:
    return slice(span[0] * RATE_HZ, span[1] * RATE_HZ)


def _db(signal: Signal) -> float:
    return 10 * float(np.log10(np.mean(signal**2) + 1e-12))


def _lag(first: Signal, second: Signal) -> int:
    """By how many samples the second is later: the best match within 60 ms."""
    size = 1 << (2 * len(first)).bit_length()
    match = np.fft.irfft(np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size)), size)
    return int(np.argmax(match[: RATE_HZ * 60 // 1000]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device-db", type=float, help="a headset's loudness there")
    asked = parser.parse_args()
    seeds = range(1, asked.runs + 1)
    both = [
        [Run(seed, engine=engine, device_db=asked.device_db) for seed in seeds]
        for engine in (False, True)
    ]

    def row(name: str, figure: Callable[[Run], float]) -> list[str]:
        found = [name]
        for runs in both:
            values = [figure(run) for run in runs]
            found.append(f"{np.median(values):.1f} dB ({min(values):.1f})")
        return found

    rows = [
        row("echo taken out, first 2 s", lambda run: run.erle_db(0, 2)),
        row("2 to 5 s", lambda run: run.erle_db(2, 5)),
        row("5 to 12 s", lambda run: run.erle_db(5, 12)),
        row("the cabin's speech, cabin alone", lambda run: run.near_kept_db(NEAR_ALONE)),
        row("the cabin's speech, both talk", lambda run: run.near_kept_db(BOTH)),
    ]
    runs = both[1]
    cpu = np.median([run.cpu_s for run in runs]) / SECONDS
    print(machine())
    print(f"\nSimulated cabin, {len(runs)} conversations of {SECONDS} s: median (worst)\n")
    print(table(["", "engine off", "engine on"], rows))
    print(f"\nMixer with echo control, one guest: {cpu:.1%} of a core")


if __name__ == "__main__":
    main()
