"""The Opus codec (RFC 6716) by libopus of the system, mono at 48 kHz.

Called directly: FFmpeg's wrapper can neither change rate and loss while it runs, nor conceal a lost
packet, nor use the copy of it that the next packet holds (in-band FEC).
"""

import ctypes
import ctypes.util
from ctypes import POINTER, byref, c_char_p, c_int, c_int16, c_int32, c_void_p
from functools import cache

import numpy as np
import numpy.typing as npt

from edgebox.errors import DeviceError, RemoteProtocolError

RATE_HZ = 48_000
FRAME_MAX = 5_760
"""120 ms, the longest packet (RFC 6716, 2.1.4)."""
PACKET_MAX = 1_275
"""Bytes of one Opus frame at most; nobody sends speech in more."""
APPLICATION_VOIP = 2048
SIGNAL_VOICE = 3001
# opus_defines.h
SET_BITRATE, SET_COMPLEXITY, SET_INBAND_FEC, SET_PACKET_LOSS, SET_DTX, SET_SIGNAL = (
    4002,
    4010,
    4012,
    4014,
    4016,
    4024,
)
COMPLEXITY = 5
"""Of 10. Speech is hardly better above, and a small computer has other things to do."""

Samples = npt.NDArray[np.int16]


@cache
def _library() -> ctypes.CDLL:
    """Raises DeviceError when it is not installed."""
    name = ctypes.util.find_library("opus") or "libopus.so.0"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise DeviceError("libopus is missing: install the Debian package libopus0") from error
    pcm = POINTER(c_int16)
    for function, result, arguments in (
        ("opus_encoder_create", c_void_p, [c_int32, c_int, c_int, POINTER(c_int)]),
        ("opus_encoder_destroy", None, [c_void_p]),
        ("opus_encode", c_int32, [c_void_p, pcm, c_int, c_char_p, c_int32]),
        ("opus_decoder_create", c_void_p, [c_int32, c_int, POINTER(c_int)]),
        ("opus_decoder_destroy", None, [c_void_p]),
        ("opus_decode", c_int, [c_void_p, c_char_p, c_int32, pcm, c_int, c_int]),
        ("opus_packet_get_nb_samples", c_int, [c_char_p, c_int32, c_int32]),
    ):
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    library.opus_encoder_ctl.restype = c_int  # variadic: no argument types
    return library


class Encoder:
    """Speech, with in-band error correction and silence suppression."""

    def __init__(self) -> None:
        self._library = _library()
        error = c_int()
        self._state = c_void_p(
            self._library.opus_encoder_create(RATE_HZ, 1, APPLICATION_VOIP, byref(error))
        )
        if error.value:
            raise DeviceError(f"libopus refuses to encode ({error.value})")
        self._bitrate_bps = 0
        self._loss = -1
        self._buffer = ctypes.create_string_buffer(PACKET_MAX)
        self._control(SET_SIGNAL, SIGNAL_VOICE)
        self._control(SET_COMPLEXITY, COMPLEXITY)
        self._control(SET_INBAND_FEC, 1)
        self._control(SET_DTX, 1)

    def tune(self, bitrate_bps: int, loss_percent: int) -> None:
        """From the next packet on. The expected loss says how much goes into error correction."""
        if bitrate_bps != self._bitrate_bps:
            self._bitrate_bps = bitrate_bps
            self._control(SET_BITRATE, bitrate_bps)
        if loss_percent != self._loss:
            self._loss = loss_percent
            self._control(SET_PACKET_LOSS, loss_percent)

    def encode(self, samples: Samples) -> bytes:
        """One packet of 20 to 120 ms. Two bytes or fewer need not be sent (RFC 6716, 2.1.9)."""
        samples = np.ascontiguousarray(samples)
        size = self._library.opus_encode(
            self._state,
            samples.ctypes.data_as(POINTER(c_int16)),
            len(samples),
            self._buffer,
            PACKET_MAX,
        )
        return self._buffer.raw[: max(0, size)]

    def _control(self, request: int, value: int) -> None:
        self._library.opus_encoder_ctl(self._state, c_int(request), c_int32(value))

    def __del__(self) -> None:
        if state := getattr(self, "_state", None):
            self._library.opus_encoder_destroy(state)


class Decoder:
    """Packets of one sender."""

    def __init__(self) -> None:
        self._library = _library()
        error = c_int()
        self._state = c_void_p(self._library.opus_decoder_create(RATE_HZ, 1, byref(error)))
        if error.value:
            raise DeviceError(f"libopus refuses to decode ({error.value})")
        self._pcm = np.zeros(FRAME_MAX, np.int16)
        self._pointer = self._pcm.ctypes.data_as(POINTER(c_int16))

    def decode(self, packet: bytes) -> Samples:
        """Raises RemoteProtocolError for what is not Opus."""
        return self._decoded(
            self._library.opus_decode(self._state, packet, len(packet), self._pointer, FRAME_MAX, 0)
        )

    def recover(self, following: bytes, count: int) -> Samples:
        """`count` samples of the packet before `following`, from the copy that it may hold.

        Raises RemoteProtocolError.
        """
        return self._decoded(
            self._library.opus_decode(
                self._state, following, len(following), self._pointer, count, 1
            )
        )

    def conceal(self, count: int) -> Samples:
        """`count` samples, a multiple of 2.5 ms, in place of a packet that did not come."""
        return self._decoded(
            self._library.opus_decode(self._state, None, 0, self._pointer, count, 0)
        )

    def _decoded(self, count: int) -> Samples:
        if count < 0:
            raise RemoteProtocolError(f"not an Opus packet ({count})")
        return self._pcm[:count].copy()

    def __del__(self) -> None:
        if state := getattr(self, "_state", None):
            self._library.opus_decoder_destroy(state)


def samples_in(packet: bytes) -> int:
    """How many samples a packet holds, without decoding it. Raises RemoteProtocolError."""
    count: int = _library().opus_packet_get_nb_samples(packet, len(packet), RATE_HZ)
    if not 0 < count <= FRAME_MAX:
        raise RemoteProtocolError("not an Opus packet")
    return count
