"""A line of a GPIO chip, read by the kernel's character device (linux/gpio.h, version 2).

gpio_v2_line_request   offsets[64] u32, consumer[32], config (272 bytes: flags u64, then
                       attributes, none here), num_lines u32, event_buffer_size u32,
                       padding[5] u32, fd s32: 592 bytes
gpio_v2_line_values    bits u64, mask u64
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import Self

from edgebox.errors import DeviceError

REQUEST = struct.Struct("=64I32sQ264xII20xi")
VALUES = struct.Struct("=QQ")
GET_LINE = 0xC250B407
GET_VALUES = 0xC010B40E
INPUT = 1 << 2
CONSUMER = b"edgebox ignition"


class GpioLine:
    """One input, held for as long as this is: nobody else can make it an output meanwhile."""

    def __init__(self, chip: Path, line: int):
        """Raises DeviceError."""
        self._name = f"{chip}:{line}"
        asked = bytearray(REQUEST.pack(line, *([0] * 63), CONSUMER, INPUT, 1, 0, -1))
        try:
            number = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(number, GET_LINE, asked)
            finally:
                os.close(number)
        except OSError as error:
            raise DeviceError(f"{self._name}: {error.strerror}") from error
        self._fd: int = REQUEST.unpack(asked)[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._fd)

    def read(self) -> bool:
        """Whether it is high. Raises DeviceError."""
        values = bytearray(VALUES.pack(0, 1))
        try:
            fcntl.ioctl(self._fd, GET_VALUES, values)
        except OSError as error:
            raise DeviceError(f"{self._name}: {error.strerror}") from error
        return bool(VALUES.unpack(values)[0] & 1)
