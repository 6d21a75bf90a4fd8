"""What a patient monitor said: values, waves, its own alarm texts, and what became of it.

Everything here is relayed, nothing is worked out. No value is without its validity, and one that
is not valid for a patient (`invalid`, `unavailable`) has no number at all. `source_utc` is what the
monitor's own clock said and may be wrong by any amount; `received_utc` is the box's clock.

A batch of them travels and is stored as bytes: zlib of a MessagePack array. Wave samples in it are
differences in zigzag varints (the encoding of Protocol Buffers' sint32): ECG takes about a byte for
each sample, before zlib.
"""

import itertools
import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edgebox.errors import RemoteProtocolError

Validity = Literal["valid", "questionable", "calibrating", "test", "demo", "invalid", "unavailable"]
"""Worst wins when a monitor says several. `demo`, `test`: not of a patient, whatever it looks like.
`invalid`: measured, but the monitor says it must not be used. `unavailable`: not measured."""
WITHOUT_VALUE: frozenset[Validity] = frozenset({"invalid", "unavailable"})
VALIDITIES: tuple[Validity, ...] = (
    "valid",
    "questionable",
    "calibrating",
    "test",
    "demo",
    "invalid",
    "unavailable",
)
"""From good to bad."""

Label = Annotated[str, Meta(max_length=64)]
Words = Annotated[str, Meta(max_length=500)]
BATCH_MAX_BYTES = 4 * 1024 * 1024
"""Unpacked. A batch holds a tenth of a second, a backlog from one monitor a few seconds."""
SAMPLES_MAX = 20_000
"""In one Wave: with five bytes each it still fits into a message of the bus."""
RATE_MAX_HZ = 100_000.0
TIME_MAX_UTC = float(2**33)
"""In the year 2242: what is beyond is no time of a monitor, and some systems cannot write it."""
GAP = None


class _Observation(Struct, frozen=True, tag=True, array_like=True, kw_only=True):
    """Base of all; positions are the format: new fields go last and have a default."""

    device: Label
    """The monitor's id in the configuration."""
    received_utc: float
    """When the last byte of it came in, by the box's clock."""
    source_utc: float | None
    """When it was measured, by the monitor's clock; None: it gives no time."""

    def __post_init__(self) -> None:
        if not _is_time(self.received_utc):
            raise ValueError("a time of receipt must be one")
        if self.source_utc is not None and not _is_time(self.source_utc):
            raise ValueError("a monitor's time must be one")


class Numeric(_Observation, frozen=True):
    """One value. `value` is None exactly when `validity` is `invalid` or `unavailable`."""

    code: int
    """ISO/IEEE 11073-10101: partition * 65536 + term."""
    name: Label
    """Its reference id, such as MDC_PULS_OXIM_SAT_O2; the monitor's own word if it has none."""
    unit: Label
    """UCUM; empty: the monitor gave none, or one that is not known."""
    value: float | None
    validity: Validity
    loinc: Label = ""
    label: Label = ""
    """What the monitor itself calls it."""
    channel: Label = ""
    """Tells values of the same code apart, such as two temperatures."""
    episodic: bool = False
    """Measured once, such as a cuff pressure: it does not go stale, it has a time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.value is None) != (self.validity in WITHOUT_VALUE):
            raise ValueError(f"a value {self.value} cannot be {self.validity}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("a value must be a finite number")


class Wave(_Observation, frozen=True):
    """Consecutive samples; `source_utc` is of the first one. Value = raw * scale + offset."""

    code: int
    name: Label
    unit: Label
    rate_hz: float
    scale: float
    offset: float
    first: int
    """Number of the first sample since the wave began: a jump is a gap nobody knows more about."""
    samples: bytes
    """`pack_samples`; missing ones are in it as gaps."""
    validity: Validity
    label: Label = ""
    channel: Label = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.01 <= self.rate_hz <= RATE_MAX_HZ:
            raise ValueError(f"a wave of {self.rate_hz} samples a second cannot be")
        if not 0.0 < abs(self.scale) < 1e12 or not abs(self.offset) < 1e12:
            raise ValueError("a wave's scale and offset must be numbers")


class Alarm(_Observation, frozen=True):
    """An alarm of the monitor, in its own words. Relayed, never judged."""

    text: Words
    priority: Label = ""
    """As the monitor says it."""
    state: Label = ""
    """As the monitor says it: start, continue, end, latched, ..."""
    alarm: Label = ""
    """The monitor's id of it."""
    origin: Label = ""
    """What it is about, in the monitor's own word."""


class Incident(_Observation, frozen=True):
    """What happened to the connection: said, so that a hole in the data has its reason."""

    what: Literal[
        "connected",
        "silent",
        "gone",
        "damaged",
        "restarted",
        "clock-jumped",
        "two-on-one-line",
        "wrong-speed",
        "refused",
        "dropped",
    ]
    """`silent`: nothing comes. `gone`: unplugged or closed. `damaged`: `count` frames were not
    readable. `dropped`: the box had no room, `count` batches of waves are lost."""
    count: int = 0
    text: Words = ""
    """In English, for the technician."""


Observation = Numeric | Wave | Alarm | Incident

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Observation]] = msgspec.msgpack.Decoder(list[Observation])


def known_time(at_utc: float) -> float | None:
    """A time that can be one; None for what a damaged clock says."""
    return at_utc if _is_time(at_utc) else None


def _is_time(at_utc: float) -> bool:
    return 0.0 <= at_utc <= TIME_MAX_UTC  # not so for NaN


def clean(text: str, limit: int = 64) -> str:
    """A monitor's text without control characters and no longer than a field takes."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:limit]


def worst(validities: Iterable[Validity]) -> Validity:
    """The one that says most against using the value."""
    return max(validities, key=VALIDITIES.index, default="valid")


def pack(observations: Sequence[Observation]) -> bytes:
    """A batch as bytes."""
    return zlib.compress(_encoder.encode(observations), 1)


def unpack(content: bytes) -> list[Observation]:
    """The batch again. Raises RemoteProtocolError for anything that `pack` does not make."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(content, BATCH_MAX_BYTES)
        if not inflate.eof or inflate.unused_data:
            raise RemoteProtocolError("a batch is cut off or too large")
        return _decoder.decode(plain)
    except (zlib.error, msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"not a batch of observations: {error}") from error


def pack_samples(samples: Iterable[int | None]) -> bytes:
    """Raw samples, None for a missing one. Runs: varint count * 2 + (1 if missing), then values.

    Values are differences to the last value before, across runs; the first to 0.
    """
    out = bytearray()
    last = 0
    for missing, run in itertools.groupby(samples, lambda sample: sample is None):
        values = list(run)
        _write_varint(out, len(values) << 1 | missing)
        for value in values:
            if value is None:
                break
            step, last = value - last, value
            _write_varint(out, step << 1 if step >= 0 else ~(step << 1))
    return bytes(out)


def unpack_samples(packed: bytes) -> list[int | None]:
    """The samples again. Raises RemoteProtocolError."""
    samples: list[int | None] = []
    at, last = 0, 0
    while at < len(packed):
        run, at = _read_varint(packed, at)
        count = run >> 1
        if not 0 < count <= SAMPLES_MAX - len(samples):
            raise RemoteProtocolError("a run of samples is empty or too long")
        if run & 1:
            samples += [GAP] * count
            continue
        for _ in range(count):
            step, at = _read_varint(packed, at)
            last += step >> 1 if step & 1 == 0 else ~(step >> 1)
            samples.append(last)
    return samples


def count_samples(packed: bytes) -> int:
    """How many there are, missing ones included. Raises RemoteProtocolError."""
    return len(unpack_samples(packed))


def _write_varint(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        if at >= len(data) or shift > 35:
            raise RemoteProtocolError("samples are cut off")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
