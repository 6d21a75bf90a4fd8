"""What microphones and loudspeakers look like to the sound process, and those that are no hardware.

Both work in blocks of 20 ms: mono, 16 bit, 48 kHz. A device that goes away raises SoundGoneError;
it is closed and opened anew until it is back.
"""

import math
import time
from collections.abc import Generator
from pathlib import Path
from typing import Protocol

import av
import numpy as np

from edgebox.errors import DeviceError
from edgebox.media.sound.opus import RATE_HZ, Samples

BLOCK = RATE_HZ // 50
BEHIND_MAX_S = 0.04
"""A sound card keeps little of what nobody fetched, either."""
AHEAD_MAX = RATE_HZ * 80 // 1000
HEADER = "edgebox sound s16le 48000 mono at_utc={:017.6f}\n"
"""First line of a file that a loudspeaker of kind `file` writes; samples follow without a gap."""

BEEP_HZ = 1000.0
BEEP = BLOCK * 2
SPEECH_HZ = (210.0, 330.0, 470.0)


class SoundGoneError(DeviceError):
    """The device is not there, or not any more; the text says what to plug."""


class Microphone(Protocol):
    """An opened source of sound."""

    def read(self) -> Samples | None:
        """The next BLOCK samples; waits for them, None if in vain. Raises SoundGoneError."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class Loudspeaker(Protocol):
    """An opened sink of sound."""

    def write(self, samples: Samples) -> None:
        """BLOCK samples; does not wait. Raises SoundGoneError."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class Pace:
    """Lets one block pass every 20 ms."""

    def __init__(self) -> None:
        self._next_at = time.monotonic()

    def wait(self) -> None:
        """Until the next block is due. Catches up after a delay, but not for ever."""
        self._next_at = max(self._next_at, time.monotonic() - BEHIND_MAX_S) + BLOCK / RATE_HZ
        time.sleep(max(0.0, self._next_at - time.monotonic()))


class ToneMicrophone:
    """Murmurs, and beeps for 40 ms at each full second of the wall clock.

    Benchmarks find the beeps at the other end: how late one is is the time from mouth to ear.
    """

    def __init__(self) -> None:
        self._pace = Pace()
        self._at = 0

    def read(self) -> Samples:
        self._pace.wait()
        start_s = time.time() - BLOCK / RATE_HZ
        samples = murmur(self._at, BLOCK) + beep(start_s, BLOCK)
        self._at += BLOCK
        return np.clip(samples, -32768, 32767).astype(np.int16)

    def close(self) -> None:
        """Nothing is held."""


class FileMicrophone:
    """Plays a sound file in a loop."""

    def __init__(self, path: Path):
        self._path = path
        self._pace = Pace()
        self._rest = np.zeros(0, np.int16)
        self._parts = self._decoded()

    def read(self) -> Samples:
        self._pace.wait()
        while len(self._rest) < BLOCK:
            self._rest = np.concatenate([self._rest, next(self._parts)])
        block, self._rest = self._rest[:BLOCK], self._rest[BLOCK:]
        return block

    def close(self) -> None:
        self._parts.close()

    def _decoded(self) -> Generator[Samples, None, None]:
        while True:
            heard = 0
            try:
                with av.open(str(self._path)) as container:
                    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
                    for frame in container.decode(audio=0):
                        for part in resampler.resample(frame):
                            heard += part.samples
                            yield part.to_ndarray().reshape(-1).astype(np.int16)
            except (av.FFmpegError, OSError, IndexError) as error:
                raise SoundGoneError(f"no sound in {self._path}: {error}") from error
            if not heard:
                raise SoundGoneError(f"no sound in {self._path}")


class Meter:
    """A loudspeaker nobody hears; for machines without one."""

    def write(self, samples: Samples) -> None:
        """It is heard by nobody."""

    def close(self) -> None:
        """Nothing is held."""


class FileLoudspeaker:
    """Writes what would be heard, with the time of the first sample in front."""

    def __init__(self, path: Path):
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise SoundGoneError(f"{path} cannot be written: {error.strerror}") from error
        self._started_at: float | None = None
        self._written = 0

    def write(self, samples: Samples) -> None:
        now = time.monotonic()
        if self._started_at is None:
            self._started_at = now
            self._file.write(HEADER.format(time.time()).encode())
        # As a sound card does: silence where nothing came, and what comes too fast is left out.
        missing = int((now - self._started_at) * RATE_HZ) - self._written
        if missing > 2 * BLOCK:
            samples = np.concatenate([np.zeros(missing, np.int16), samples])
        elif missing < -AHEAD_MAX:
            return
        self._file.write(samples.tobytes())
        self._written += len(samples)

    def close(self) -> None:
        self._file.close()


def murmur(start: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Syllables of a hum, quiet beside the beep."""
    t = (start + np.arange(count)) / RATE_HZ
    syllable = np.clip(np.sin(2 * math.pi * 2.7 * t), 0, 1)
    hum = sum(np.sin(2 * math.pi * hz * t) for hz in SPEECH_HZ)
    return np.asarray(800.0 * syllable * hum, np.float64)


def beep(start_utc: float, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """That part of the beeps at full seconds which falls into these samples."""
    into = np.round((start_utc % 1.0) * RATE_HZ) + np.arange(count)
    into %= RATE_HZ
    tone = 12_000.0 * np.sin(2 * math.pi * BEEP_HZ * into / RATE_HZ)
    return np.asarray(np.where(into < BEEP, tone, 0.0), np.float64)
