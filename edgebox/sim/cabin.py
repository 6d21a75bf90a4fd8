"""A cabin for tests and benches: what its microphone hears of loudspeaker, speech and engine.

The loudspeaker's sound reaches the microphone by a direct way, some reflections and a tail, after
the delay of both sound devices, and a little distorted as small loudspeakers do. All is seeded.
"""

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
DEVICES_S = 0.055
"""Buffers of loudspeaker and microphone together."""
DIRECT_S = 0.0035
"""1.2 m."""
TAIL_S = 0.15
TAIL_FALLS_DB = 60.0
"""Over the tail: a small room full of cloth and people."""
ECHO_GAIN = 0.35
ENGINE_RMS = 0.004
VOWELS = ((700, 1220, 2600), (300, 2300, 3000), (300, 870, 2250), (500, 1750, 2500))
"""Formants in Hz (Peterson and Barney 1952, rounded)."""

Signal = npt.NDArray[np.float64]


def speech(seconds: float, seed: int, pitch_hz: float = 120.0) -> Signal:
    """Syllables of vowels, hisses between them, and pauses; peaks at 0.5. Not words, but alike."""
    random = np.random.default_rng(seed)
    whole = np.zeros(int(seconds * RATE_HZ))
    at = int(0.1 * RATE_HZ)
    while True:
        count = int(random.uniform(0.12, 0.26) * RATE_HZ)
        if at + count >= len(whole):
            break
        part = _hiss(count, random) if random.random() < 0.2 else _vowel(count, random, pitch_hz)
        whole[at : at + count] += part * np.hanning(count)
        pause_s = random.uniform(0.25, 0.7) if random.random() < 0.15 else 0.02
        at += count + int(pause_s * RATE_HZ)
    return np.asarray(whole / np.abs(whole).max() * 0.5)


def _vowel(count: int, random: np.random.Generator, pitch_hz: float) -> Signal:
    t = np.arange(count) / RATE_HZ
    glide = pitch_hz * random.uniform(0.85, 1.2) * (1 + 0.1 * t * random.uniform(-1, 1) / t[-1])
    phase = 2 * np.pi * np.cumsum(glide) / RATE_HZ
    formants = VOWELS[random.integers(len(VOWELS))]
    sound = np.zeros(count)
    for harmonic in range(1, int(4000 / pitch_hz)):
        hz = harmonic * pitch_hz
        strength = sum(np.exp(-(((hz - formant) / 120) ** 2)) for formant in formants)
        sound += (strength + 0.02) / harmonic**0.5 * np.sin(harmonic * phase)
    return sound


def _hiss(count: int, random: np.random.Generator) -> Signal:
    return np.asarray(np.diff(random.standard_normal(count + 1)) * 0.15)


class Cabin:
    """Streams blocks of any one length."""

    def __init__(self, seed: int):
        random = np.random.default_rng(seed)
        count = int(TAIL_S * RATE_HZ)
        falling = 10 ** (-TAIL_FALLS_DB / 20 * np.arange(count) / count)
        response = random.standard_normal(count) * falling * 0.03
        response[int(DIRECT_S * RATE_HZ)] += 1.0
        for _ in range(6):
            response[random.integers(int(0.005 * RATE_HZ), int(0.03 * RATE_HZ))] += random.uniform(
                -0.3, 0.3
            )
        delay = int(DEVICES_S * RATE_HZ)
        self._response = np.concatenate([np.zeros(delay), response]) * ECHO_GAIN
        self._played = np.zeros(len(self._response))
        self._random = random
        self._rumble = 0.0

    def echo(self, far: Signal) -> Signal:
        """What the microphone hears of the loudspeaker while this block is played; -1 to 1."""
        loud = np.tanh(1.2 * far) / 1.2
        self._played = np.concatenate([self._played, loud])[-len(self._response) - len(far) :]
        size = 1 << (len(self._played) + len(self._response)).bit_length()
        spectrum = np.fft.rfft(self._played, size) * np.fft.rfft(self._response, size)
        heard = np.fft.irfft(spectrum, size)
        return np.asarray(heard[len(self._played) - len(far) : len(self._played)])

    def engine(self, count: int) -> Signal:
        """A low rumble."""
        noise = self._random.standard_normal(count)
        rumble = np.empty(count)
        level = self._rumble
        for place in range(count):
            level = 0.985 * level + noise[place]
            rumble[place] = level
        self._rumble = level
        return rumble * ENGINE_RMS / 5.8


def samples(signal: Signal) -> npt.NDArray[np.int16]:
    """As sound devices deliver it."""
    return np.clip(signal * 32767, -32768, 32767).astype(np.int16)
