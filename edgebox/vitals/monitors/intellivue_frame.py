"""IntelliVue messages on a serial line (guide 4535 642 59271, LAN and MIB/RS232 interface).

    C0 | 11 (protocol) 01 (type) length16 | message | CRC-16/X.25 little-endian | C1

Between C0 and C1 the bytes C0, C1 and 7D are sent as 7D and the byte xor 20; 7D C1 aborts a frame.
The CRC is of everything between C0 and itself, unescaped (RFC 1662, appendix C).
"""

import binascii

BEGIN, END, ESCAPE, FLIP = 0xC0, 0xC1, 0x7D, 0x20
FRAME_MAX_BYTES = 4096
"""The guide's MTU is 1364 over a line."""

_REVERSED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def crc16_x25(data: bytes) -> int:
    """Polynomial 1021 reflected, from FFFF, complemented. Check value of `123456789`: 906E."""
    # binascii knows the same polynomial unreflected: turn the bits around, before and after.
    plain = binascii.crc_hqx(data.translate(_REVERSED), 0xFFFF)
    return int(f"{plain:016b}"[::-1], 2) ^ 0xFFFF


def write_frame(message: bytes) -> bytes:
    """A message as it goes over the line."""
    body = b"\x11\x01" + len(message).to_bytes(2, "big") + message
    body += crc16_x25(body).to_bytes(2, "little")
    escaped = bytearray([BEGIN])
    for byte in body:
        if byte in {BEGIN, END, ESCAPE}:
            escaped += bytes([ESCAPE, byte ^ FLIP])
        else:
            escaped.append(byte)
    escaped.append(END)
    return bytes(escaped)


class Deframer:
    """Finds whole, undamaged messages in the stream."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None
        self.damaged = 0

    def receive(self, data: bytes) -> list[bytes]:
        """Messages that are complete by now."""
        found: list[bytes] = []
        for piece in _pieces(data):
            if piece[0] == BEGIN:
                self._drop()
                self._frame = bytearray()
            elif piece[0] == END:
                self._finish(found)
            elif self._frame is not None:
                self._frame += piece
                if len(self._frame) > 2 * FRAME_MAX_BYTES:
                    self._drop()
        return found

    def _drop(self) -> None:
        if self._frame:
            self.damaged += 1
        self._frame = None

    def _finish(self, found: list[bytes]) -> None:
        frame, self._frame = self._frame, None
        if not frame:
            return
        message = None if frame[-1] == ESCAPE else _open(_unescape(bytes(frame)))
        if message is None:
            self.damaged += frame[-1] != ESCAPE  # 7D C1 is the monitor's own abort
        else:
            found.append(message)


def _pieces(data: bytes) -> list[bytes]:
    """Runs without marks, and each mark alone."""
    pieces: list[bytes] = []
    start = 0
    for at, byte in enumerate(data):
        if byte in {BEGIN, END}:
            if at > start:
                pieces.append(data[start:at])
            pieces.append(data[at : at + 1])
            start = at + 1
    if start < len(data):
        pieces.append(data[start:])
    return pieces


def _unescape(frame: bytes) -> bytes:
    first, *others = frame.split(bytes([ESCAPE]))
    return first + b"".join(
        bytes([other[0] ^ FLIP]) + other[1:] if other else b"" for other in others
    )


def _open(body: bytes) -> bytes | None:
    """The message of a frame whose CRC and length fit."""
    if len(body) < 6 or body[:2] != b"\x11\x01":
        return None
    if int.from_bytes(body[-2:], "little") != crc16_x25(body[:-2]):
        return None
    message = body[4:-2]
    return message if int.from_bytes(body[2:4], "big") == len(message) else None
