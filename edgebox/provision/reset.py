"""`edgebox factory-reset`: the box forgets its vehicle, its fleet and everything it kept."""

import shutil
from pathlib import Path

from edgebox.errors import DeviceError
from edgebox.host.files import sync_directory
from edgebox.provision.place import Place

STATE = Path("/var/lib/edgebox")


def reset(place: Place, state: Path = STATE) -> list[Path]:
    """Remove identity and state; gives what was removed. Raises DeviceError.

    The identity goes first: a reset that is cut short leaves a box without identity, never a
    stranger with its state. Links and cameras in edgebox.toml stay: they are the vehicle's wiring.
    """
    identity = [place.identity, place.next_key, place.authority]
    kept = sorted(state.iterdir()) if state.is_dir() else []
    removed: list[Path] = []
    for path in [*identity, *kept]:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.exists() or path.is_symlink():
                path.unlink()
            else:
                continue
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}; removed before it: {removed}") from error
        removed.append(path)
    if place.credentials.is_dir():
        sync_directory(place.credentials)
    return removed
