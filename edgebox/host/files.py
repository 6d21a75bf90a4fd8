"""Files that are there whole or not at all."""

import contextlib
import os
from pathlib import Path

from edgebox.errors import DeviceError


def write_whole(path: Path, data: bytes, *, mode: int) -> None:
    """On the disk when it returns, and never readable by others in between.

    A power cut leaves the file that was there before. Makes directories that are missing, for
    their owner alone. Blocks on the disk. Raises DeviceError.
    """
    new = path.with_name(f".{path.name}.writing")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)  # whatever the umask is: units have 077
            os.fsync(file.fileno())
        new.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise DeviceError(f"{path}: cannot be written: {error.strerror}") from error


def sync_directory(directory: Path) -> None:
    """So that a name survives a power cut as well. Raises OSError."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
