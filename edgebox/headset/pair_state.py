"""What pairing must not forget: the newest registry and each device's counter.

Two files in `headset.state`, each written whole or not at all and safe from a power cut:

    registry.json    SignedRegistry as it came; its signature is checked again when it is read
    counters.json    device id -> newest lease (pairing.lease.Known)
"""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from edgebox.errors import DeviceError
from edgebox.host.files import write_whole
from edgebox.messages.pairing import SignedRegistry
from edgebox.pairing.lease import Known

T = TypeVar("T")
logger = logging.getLogger(__name__)


class PairState:
    """The files. What is damaged or missing is as if it had never been."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._writing = asyncio.Lock()

    def registry(self) -> SignedRegistry | None:
        """The one on the disk."""
        return _read(self._directory / "registry.json", SignedRegistry)

    def counters(self) -> dict[str, Known]:
        """Those on the disk."""
        return _read(self._directory / "counters.json", dict[str, Known]) or {}

    async def keep_registry(self, signed: SignedRegistry) -> None:
        """Write it."""
        await self._keep("registry.json", msgspec.json.encode(signed))

    async def keep_counters(self, known: Mapping[str, Known]) -> None:
        """Write them. On the disk when this returns."""
        await self._keep("counters.json", msgspec.json.encode(dict(known)))

    async def _keep(self, name: str, data: bytes) -> None:
        async with self._writing:
            try:
                await asyncio.to_thread(write_whole, self._directory / name, data, mode=0o600)
            except DeviceError as error:
                # A full disk must not keep a headset out; after a power cut a copy of its key
                # would be found out later than it could be.
                logger.error("%s", error)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeError) as error:
        logger.error("%s cannot be read: %s", path.name, error)
        return None
