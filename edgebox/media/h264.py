"""The little of H.264 that forwarding needs: find NAL units, keyframes, B-pictures, size (no I/O).

ITU-T H.264: byte stream format in annex B, NAL unit types in table 7-1, sequence parameter set in
7.3.2.1.1, slice header in 7.3.3. Bytes come from cameras: any bytes give an answer or
RemoteProtocolError, and nothing else.
"""

from collections.abc import Iterator

from edgebox.errors import RemoteProtocolError

SLICE = 1
IDR = 5
SPS = 7
PPS = 8

FORWARDABLE_PROFILES = frozenset({66, 77, 100})
"""Baseline, main, high: what every browser decodes."""
HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Those whose parameter set tells the chroma format."""


def nal_units(data: bytes) -> Iterator[bytes]:
    """NAL units of an Annex B byte stream, without start codes."""
    start = data.find(b"\x00\x00\x01")
    while start != -1:
        start += 3
        following = data.find(b"\x00\x00\x01", start)
        end = len(data) if following == -1 else following
        unit = data[start:end].rstrip(b"\x00") if following != -1 else data[start:end]
        if unit:
            yield unit
        start = following


def types(data: bytes) -> frozenset[int]:
    """Types of the NAL units in an access unit."""
    return frozenset(unit[0] & 0x1F for unit in nal_units(data))


def is_keyframe(data: bytes) -> bool:
    """True if decoding can start with this access unit, its parameter sets given."""
    return any(unit[0] & 0x1F == IDR for unit in nal_units(data))


def has_b_slice(data: bytes) -> bool:
    """True if the access unit's first slice is bidirectional. Unreadable slices count as not."""
    for unit in nal_units(data):
        if unit[0] & 0x1F in {SLICE, IDR}:
            try:
                bits = _Bits(unit[1:17])
                bits.unsigned()  # first_mb_in_slice
                return bits.unsigned() % 5 == 1  # slice_type, table 7-6
            except RemoteProtocolError:
                return False
    return False


def with_parameter_sets(data: bytes, parameter_sets: bytes) -> bytes:
    """The access unit with SPS and PPS before it, if it is a keyframe that lacks them."""
    found = types(data)
    if IDR in found and SPS not in found:
        return parameter_sets + data
    return data


def parameter_sets(data: bytes) -> bytes:
    """SPS and PPS of a byte stream as a byte stream of their own; empty if one is missing."""
    units = [unit for unit in nal_units(data) if unit[0] & 0x1F in {SPS, PPS}]
    if {unit[0] & 0x1F for unit in units} != {SPS, PPS}:
        return b""
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


def annex_b(extradata: bytes) -> bytes:
    """Parameter sets of an `avcC` box (ISO/IEC 14496-15, 5.3.3.1.2) or of a byte stream."""
    if extradata[:1] != b"\x01":
        return parameter_sets(extradata)
    found, at = b"", 5
    try:
        for mask in (0x1F, 0xFF):
            count, at = extradata[at] & mask, at + 1
            for _ in range(count):
                length = int.from_bytes(extradata[at : at + 2], "big")
                found += b"\x00\x00\x00\x01" + extradata[at + 2 : at + 2 + length]
                at += 2 + length
    except IndexError as error:
        raise RemoteProtocolError("avcC box ends early") from error
    return parameter_sets(found)


class Parameters:
    """What a sequence parameter set says of the pictures."""

    def __init__(self, unit: bytes):
        """`unit`: the NAL unit with its header. Raises RemoteProtocolError."""
        bits = _Bits(unit[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
        self.profile = bits.fixed(8)
        bits.fixed(16)  # constraint flags, level
        bits.unsigned()  # seq_parameter_set_id
        chroma = _skip_chroma(bits) if self.profile in HIGH_PROFILES else 1
        bits.unsigned()  # log2_max_frame_num_minus4
        _skip_picture_order(bits)
        bits.unsigned()  # max_num_ref_frames
        bits.fixed(1)
        columns, rows = bits.unsigned() + 1, bits.unsigned() + 1
        frames_only = bits.fixed(1)
        if not frames_only:
            bits.fixed(1)
        bits.fixed(1)
        crop = [bits.unsigned() for _ in range(4)] if bits.fixed(1) else [0, 0, 0, 0]
        across, down = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}.get(chroma, (1, 1))
        down *= 2 - frames_only
        self.width = columns * 16 - across * (crop[0] + crop[1])
        self.height = rows * 16 * (2 - frames_only) - down * (crop[2] + crop[3])
        if not (0 < self.width <= 8192 and 0 < self.height <= 8192):
            raise RemoteProtocolError(f"picture of {self.width}x{self.height}")


def parameters(data: bytes) -> Parameters | None:
    """Of the first sequence parameter set in a byte stream, if it can be read."""
    for unit in nal_units(data):
        if unit[0] & 0x1F == SPS:
            try:
                return Parameters(unit)
            except RemoteProtocolError:
                return None
    return None


def _skip_chroma(bits: "_Bits") -> int:
    """Read chroma_format_idc, step over what follows up to the scaling lists."""
    chroma = bits.unsigned()
    if chroma == 3:
        bits.fixed(1)
    bits.unsigned()
    bits.unsigned()
    bits.fixed(1)
    if bits.fixed(1):
        for index in range(12 if chroma == 3 else 8):
            if bits.fixed(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: "_Bits", size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: "_Bits") -> None:
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.fixed(1)
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()


class _Bits:
    """Reads a bit string; Exp-Golomb codes as in 9.1. Raises RemoteProtocolError at its end."""

    def __init__(self, data: bytes):
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def fixed(self, count: int) -> int:
        if count > self._left:
            raise RemoteProtocolError("H.264 header ends early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        zeros = 0
        while not self.fixed(1):
            zeros += 1
            if zeros > 31:
                raise RemoteProtocolError("H.264 code too long")
        return (1 << zeros) - 1 + self.fixed(zeros)

    def signed(self) -> int:
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)
