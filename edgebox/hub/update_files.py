"""Bundles on the hub's disk: `edgebox update publish` puts them there, the web process finds them.

<directory>/<sha256>.raucb    the bundle
<directory>/<sha256>.json     Published; written last: a bundle without it is not there

Who may publish is who may write to the directory: the server's administrator as the web side's
user. What may be published is what the fleet's update key signed. A database knows nothing of it.
"""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from edgebox.config import Config
from edgebox.errors import ConfigError, DeviceError, RemoteProtocolError
from edgebox.host.files import write_whole
from edgebox.host.rauc import Manifest, Rauc
from edgebox.messages.update import SIZE_MAX, Sha256, Version
from edgebox.update.version import key

BLOCK = 1024 * 1024
NOTE_MAX = 4096
RELEASES_MAX = 200


class Published(Struct, frozen=True, kw_only=True):
    """One release that can be offered."""

    sha256: Sha256
    version: Version
    compatible: str
    size_bytes: int
    published_utc: float


def directory_of(config: Config) -> Path:
    """Where they lie."""
    return Path(config.directory) / config.hub.update_directory


def bundle_path(directory: Path, sha256: str) -> Path:
    """`sha256`: checked hex, never a path."""
    return directory / f"{sha256}.raucb"


def listed(directory: Path) -> list[Published]:
    """Newest version first. What is damaged, or has no bundle, is left out."""
    found = []
    for note in sorted(directory.glob("*.json"))[:RELEASES_MAX]:
        try:
            with note.open("rb") as file:
                one = msgspec.json.decode(file.read(NOTE_MAX), type=Published)
        except (OSError, msgspec.DecodeError, UnicodeError):
            continue
        bundle = bundle_path(directory, one.sha256)
        if note.stem == one.sha256 and bundle.is_file():
            found.append(one)
    return sorted(found, key=lambda one: key(one.version), reverse=True)


async def publish(config: Config, bundle: Path) -> Published:
    """Check the signature and take it up. Raises ConfigError or DeviceError saying why not."""
    keyring = Path(config.directory) / config.hub.update_keyring
    if not keyring.is_file():
        raise ConfigError(f"hub.update_keyring {keyring}: not there; who may sign updates?")
    manifest = await _manifest(Rauc(arguments=("--keyring", str(keyring))), bundle)
    directory = directory_of(config)
    for other in await asyncio.to_thread(listed, directory):
        if (other.version, other.compatible) == (manifest.version, manifest.compatible):
            raise ConfigError(f"{manifest.version} for {manifest.compatible} is published already")
    return await asyncio.to_thread(_take_up, directory, bundle, manifest)


async def _manifest(rauc: Rauc, bundle: Path) -> Manifest:
    try:
        manifest = await rauc.manifest(bundle)
        if manifest is None:
            raise ConfigError(f"{bundle}: no bundle, or not signed by who may sign updates")
        key(manifest.version)
    except RemoteProtocolError as error:
        raise ConfigError(f"{bundle}: {error}") from error
    return manifest


def _take_up(directory: Path, bundle: Path, manifest: Manifest) -> Published:
    new = directory / ".writing"
    digest, size = hashlib.sha256(), 0
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with bundle.open("rb") as source, new.open("wb") as target:
            while block := source.read(BLOCK):
                digest.update(block)
                size += len(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        if not 0 < size <= SIZE_MAX:
            raise ConfigError(f"{bundle}: {size} bytes; boxes take {SIZE_MAX} at most")
        made = Published(
            sha256=digest.hexdigest(),
            version=manifest.version,
            compatible=manifest.compatible,
            size_bytes=size,
            published_utc=time.time(),
        )
        new.replace(bundle_path(directory, made.sha256))
    except OSError as error:
        raise DeviceError(f"{directory}: {error.strerror}") from error
    finally:
        new.unlink(missing_ok=True)
    write_whole(directory / f"{made.sha256}.json", msgspec.json.encode(made), mode=0o600)
    return made


def remove(config: Config, version: str) -> list[Published]:
    """Take every bundle of this version away. Boxes that fetch it now get no more of it."""
    directory = directory_of(config)
    gone = [one for one in listed(directory) if one.version == version]
    if not gone:
        raise ConfigError(f"{version} is not published")
    for one in gone:
        (directory / f"{one.sha256}.json").unlink(missing_ok=True)
        bundle_path(directory, one.sha256).unlink(missing_ok=True)
    return gone
