"""Is the file that was fetched the release that was offered, and one for this box?

In this order: the hash the hub gave (what came over the links is whole), RAUC's look at the
signature (who made it is believed), and then what the signed manifest says of itself: for these
machines, the version that was offered, newer than what runs. While it installs, RAUC checks every
block against the signed hash tree (dm-verity) once more.
"""

import asyncio
import hashlib
from pathlib import Path

from edgebox.errors import RemoteProtocolError
from edgebox.host.rauc import Manifest, Rauc
from edgebox.messages.update import Reason, Release
from edgebox.update.version import is_newer

BLOCK = 1024 * 1024


async def check(
    rauc: Rauc, path: Path, release: Release, *, running: str, compatible: str
) -> Reason:
    """Why it is refused; empty: it is good. Raises DeviceError: it could not be looked at."""
    if await asyncio.to_thread(sha256_of, path) != release.sha256:
        return "content"
    try:
        manifest = await rauc.manifest(path)
    except RemoteProtocolError:
        manifest = None
    if manifest is None:
        return "signature"
    return judge(manifest, release, running=running, compatible=compatible)


def judge(manifest: Manifest, release: Release, *, running: str, compatible: str) -> Reason:
    """What the signed manifest says counts, never what the hub says."""
    if manifest.compatible != compatible:
        return "compatible"
    if manifest.version != release.version:
        return "version"
    try:
        newer = is_newer(manifest.version, running)
    except RemoteProtocolError:
        return "version"
    return "" if newer else "version"


def sha256_of(path: Path) -> str:
    """In hex; empty for a file that cannot be read. Blocks."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()
