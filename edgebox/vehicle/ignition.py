"""When the vehicle is parked, the box switches itself off before it has emptied the battery.

`Hold` is pure. `watch` reads the line once a second; systemd is asked to switch off, which polkit
allows this service alone (config/polkit/50-edgebox.rules).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgebox.config import Config
from edgebox.config.vehicle import Ignition
from edgebox.errors import DeviceError
from edgebox.host.gpio import GpioLine
from edgebox.host.program import end_program

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
AGAIN_S = 60.0
"""After a shutdown that systemd refused, or a line that could not be opened."""

Read = Callable[[], bool]


class Hold:
    """How long it runs on."""

    def __init__(self, hold_s: float):
        self._hold_s = hold_s
        self._parked_at: float | None = None

    def is_over(self, *, ignition: bool, live: bool, now_at: float) -> bool:
        """Whether to switch off now. While video is on the time does not begin."""
        if ignition or live:
            self._parked_at = None
            return False
        if self._parked_at is None:
            self._parked_at = now_at
        return now_at - self._parked_at >= self._hold_s


async def watch(config: Config, is_live: Callable[[], bool]) -> None:
    """Until cancelled; returns at once where there is no line."""
    if config.ignition.kind == "none":
        return
    hold = Hold(config.ignition.hold_s)
    while True:
        try:
            with _line(config.ignition) as read:
                await _follow(read, hold, is_live)
        except DeviceError as error:
            logger.warning("ignition counts as on: %s", error)
        await asyncio.sleep(AGAIN_S)


async def _follow(read: Read, hold: Hold, is_live: Callable[[], bool]) -> None:
    """Until the box is switched off. Raises DeviceError."""
    while True:
        if hold.is_over(ignition=read(), live=is_live(), now_at=time.monotonic()):
            break
        await asyncio.sleep(LOOK_EVERY_S)
    logger.info("the ignition is off for long enough: switching off")
    process = await asyncio.create_subprocess_exec("systemctl", "poweroff")
    try:
        code = await process.wait()
    finally:
        # Stopped meanwhile, as everything is then: systemd has been asked.
        await end_program(process)
    if code:
        raise DeviceError(f"systemctl poweroff: code {code}")


@contextlib.contextmanager
def _line(ignition: Ignition) -> Iterator[Read]:
    if ignition.kind == "file":
        yield lambda: _read_file(Path(ignition.source))
        return
    chip, _, number = ignition.source.rpartition(":")
    with GpioLine(Path(chip), int(number)) as line:
        yield line.read


def _read_file(path: Path) -> bool:
    try:
        text = path.read_bytes()[:16].strip()
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}") from error
    if text not in {b"0", b"1"}:
        raise DeviceError(f"{path}: holds neither 0 nor 1")
    return text == b"1"
