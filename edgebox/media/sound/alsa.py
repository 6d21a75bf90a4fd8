"""Microphones and loudspeakers by libasound of the system: mono, 16 bit, 48 kHz.

Called directly (alsa-lib, pcm.h): FFmpeg's ALSA output buffers up to 2.7 s and cannot say how much
is on its way, and the libasound in PyAV's wheels does not find the system's /usr/share/alsa.

Nothing here blocks for longer than WAIT_MS, except opening.
"""

import ctypes
import errno
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_long, c_uint, c_ulong, c_void_p
from functools import cache

import numpy as np

from edgebox.errors import DeviceError
from edgebox.media.sound.device import SoundGoneError
from edgebox.media.sound.opus import RATE_HZ, Samples

PLAYBACK, CAPTURE = 0, 1
NONBLOCK = 1
S16_LE = 2
INTERLEAVED = 3
CAPTURE_BUFFER_US = 80_000
PLAYBACK_BUFFER_US = 120_000
FIRST_MS = 1000
"""Some devices take their time until the first sound."""
WAIT_MS = 40
"""What else shall be heard does not wait longer."""
SILENT_MAX = 12
"""A device that gives nothing after so many waits is stuck or gone."""
AHEAD = RATE_HZ * 30 // 1000
"""Samples of silence in front after a start: what scheduling may delay the next ones."""
DELAY_MAX = RATE_HZ * 70 // 1000
"""More than this on its way to the loudspeaker: clocks drifted apart, leave a block out."""

_ErrorHandler = CFUNCTYPE(None, c_char_p, c_int, c_char_p, c_int, c_char_p)
_silent = _ErrorHandler(lambda *what: None)


@cache
def _library() -> ctypes.CDLL:
    """Raises DeviceError when it is not installed."""
    try:
        library = ctypes.CDLL("libasound.so.2")
    except OSError as error:
        raise DeviceError("libasound is missing: install the Debian package libasound2") from error
    for function, result, arguments in (
        ("snd_pcm_open", c_int, [POINTER(c_void_p), c_char_p, c_int, c_int]),
        ("snd_pcm_close", c_int, [c_void_p]),
        (
            "snd_pcm_set_params",
            c_int,
            [c_void_p, c_int, c_int, c_uint, c_uint, c_int, c_uint],
        ),
        ("snd_pcm_readi", c_long, [c_void_p, c_void_p, c_ulong]),
        ("snd_pcm_writei", c_long, [c_void_p, c_void_p, c_ulong]),
        ("snd_pcm_wait", c_int, [c_void_p, c_int]),
        ("snd_pcm_start", c_int, [c_void_p]),
        ("snd_pcm_recover", c_int, [c_void_p, c_int, c_int]),
        ("snd_pcm_delay", c_int, [c_void_p, POINTER(c_long)]),
        ("snd_strerror", c_char_p, [c_int]),
        ("snd_config_update_free_global", c_int, []),
    ):
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    library.snd_lib_error_set_handler(_silent)
    return library


class _Pcm:
    """An opened device."""

    def __init__(self, name: str, stream: int, buffer_us: int):
        """Raises SoundGoneError, or DeviceError if it can never work."""
        self._library = _library()
        self._what = "microphone" if stream == CAPTURE else "loudspeaker"
        self._name = name
        # Names of cards are looked up anew: one may have been plugged in since.
        self._library.snd_config_update_free_global()
        handle = c_void_p()
        self._handle: c_void_p | None = None
        self._check(self._library.snd_pcm_open(byref(handle), name.encode(), stream, NONBLOCK))
        self._handle = handle
        try:
            self._check(
                self._library.snd_pcm_set_params(
                    handle, S16_LE, INTERLEAVED, 1, RATE_HZ, 1, buffer_us
                )
            )
        except DeviceError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the device."""
        if self._handle is not None:
            self._library.snd_pcm_close(self._handle)
            self._handle = None

    def _recover(self, code: int) -> None:
        """After an overrun, underrun or suspension. Raises SoundGoneError for anything else."""
        self._check(self._library.snd_pcm_recover(self._handle, code, 1))

    def _check(self, code: int) -> None:
        if code >= 0:
            return
        number = -code
        if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}:
            raise SoundGoneError(f"no {self._what} at {self._name}: plug it in")
        if number in {errno.EACCES, errno.EPERM}:
            raise DeviceError(
                f"no permission for {self._what} {self._name}: add this user to the group `audio`"
            )
        if number == errno.EBUSY:
            raise SoundGoneError(
                f"{self._what} {self._name} is in use by another program: end that one"
            )
        why = self._library.snd_strerror(code).decode(errors="replace")
        raise SoundGoneError(f"{self._what} {self._name} does not work ({why}): plug it in anew")


class AlsaMicrophone(_Pcm):
    """Captures from an ALSA PCM, such as `plughw:CARD=Speaker` or `default`."""

    def __init__(self, name: str):
        super().__init__(name, CAPTURE, CAPTURE_BUFFER_US)
        self._block = np.zeros(RATE_HZ // 50, np.int16)
        self._filled = 0
        self._silent = 0
        self._check(self._library.snd_pcm_start(self._handle))
        if self._library.snd_pcm_wait(self._handle, FIRST_MS) == 0:
            self.close()
            raise SoundGoneError(f"microphone {name} stays silent: plug it in anew")

    def read(self) -> Samples | None:
        """The next 20 ms; waits for them, but not long. Raises SoundGoneError."""
        while self._filled < len(self._block):
            rest = self._block[self._filled :]
            got = self._library.snd_pcm_readi(self._handle, rest.ctypes.data, len(rest))
            if got == -errno.EAGAIN:
                waited = self._library.snd_pcm_wait(self._handle, WAIT_MS)
                if waited == 0:
                    self._count_silence()
                    return None
                if waited < 0:
                    self._restart(waited)
            elif got < 0:
                self._restart(int(got))
            else:
                self._filled += int(got)
        self._filled = self._silent = 0
        return self._block.copy()

    def _count_silence(self) -> None:
        self._silent += 1
        if self._silent > SILENT_MAX:
            raise SoundGoneError(f"microphone {self._name} fell silent: plug it in anew")

    def _restart(self, code: int) -> None:
        self._recover(code)
        self._check(self._library.snd_pcm_start(self._handle))


class AlsaLoudspeaker(_Pcm):
    """Plays on an ALSA PCM."""

    def __init__(self, name: str):
        super().__init__(name, PLAYBACK, PLAYBACK_BUFFER_US)
        self.left_out = 0
        self._begin(np.zeros(0, np.int16))

    def write(self, samples: Samples) -> None:
        """Never waits: what there is no room for is left out. Raises SoundGoneError."""
        if self.delay() > DELAY_MAX:
            self.left_out += 1
            return
        self._put(samples)

    def delay(self) -> int:
        """Samples on their way to the ear."""
        found = c_long()
        code = self._library.snd_pcm_delay(self._handle, byref(found))
        return max(0, found.value) if code >= 0 else 0

    def _put(self, samples: Samples) -> None:
        samples = np.ascontiguousarray(samples)
        count = self._library.snd_pcm_writei(self._handle, samples.ctypes.data, len(samples))
        if count == -errno.EAGAIN:
            self.left_out += 1
        elif count < 0:
            self._recover(int(count))
            self._begin(samples)

    def _begin(self, samples: Samples) -> None:
        """Play on after a silence. Of itself the device would wait until its buffer is full."""
        samples = np.concatenate([np.zeros(AHEAD, np.int16), samples])
        self._library.snd_pcm_writei(self._handle, samples.ctypes.data, len(samples))
        self._check(self._library.snd_pcm_start(self._handle))
