"""The deeds that take their time: fetch, check, install. One at a time, beside the looking.

A download can be stopped at any moment and goes on later; a check and an installation run to their
end. Each says by an Outcome what came of it; the plan makes of it what it wants.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgebox.config.bond import Link
from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.host.rauc import Rauc
from edgebox.messages.update import Reason, Release
from edgebox.update import bundle

logger = logging.getLogger(__name__)

Kind = Literal["download", "check", "install"]


@dataclass(frozen=True)
class Outcome:
    """`done`: it was carried out. `refused`: why a checked bundle is not one for this box."""

    kind: Kind
    release: Release
    done: bool
    refused: Reason = ""


class Work:
    """In the directory `place`, which is this service's own."""

    def __init__(self, rauc: Rauc, place: Path):
        self._rauc = rauc
        self._place = place
        self._task: asyncio.Task[Outcome] | None = None
        self.kind: Kind | None = None
        self.percent = 0

    def path(self, release: Release) -> Path:
        """Where its bundle lies, whole or not."""
        return self._place / f"{release.sha256[:32]}.raucb"

    def have(self, release: Release) -> int:
        """Bytes of it that are there."""
        try:
            return self.path(release).stat().st_size
        except FileNotFoundError:
            return 0

    def begin_download(self, release: Release, link: Link | None) -> None:
        """By this link. Bundles of other releases are removed."""
        self._begin("download", self._download(release, link))

    def begin_check(self, release: Release, running: str, compatible: str) -> None:
        """`running`: the version that it must be newer than."""
        self._begin("check", self._check(release, running, compatible))

    def begin_install(self, release: Release) -> None:
        """The bundle is removed afterwards, installed or not."""
        self._begin("install", self._install(release))

    def outcome(self) -> Outcome | None:
        """Of what has just ended; None: nothing has."""
        task = self._task
        if task is None or not task.done():
            return None
        self._task = self.kind = None
        return task.result()

    async def stop(self) -> None:
        """What was fetched stays. An installation is RAUC's and goes on there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task = self.kind = None

    def _begin(self, kind: Kind, work: Coroutine[None, None, Outcome]) -> None:
        self.kind, self.percent = kind, 0
        self._task = asyncio.create_task(work, name=f"update {kind}")

    async def _download(self, release: Release, link: Link | None) -> Outcome:
        path = self.path(release)

        def progress(have: int) -> None:
            self.percent = 100 * have // release.size_bytes

        try:
            self._clear(but=path)
            # An HTTP client is worth its memory only to a box that fetches something.
            from edgebox.update.download import download

            await download(release, path, link, progress)
        except (DeviceError, RemoteProtocolError, OSError) as error:
            logger.info("release %s: %s", release.version, error)
            return Outcome("download", release, done=False)
        return Outcome("download", release, done=True)

    async def _check(self, release: Release, running: str, compatible: str) -> Outcome:
        path = self.path(release)
        try:
            refused = await bundle.check(
                self._rauc, path, release, running=running, compatible=compatible
            )
        except DeviceError as error:
            logger.warning("release %s: %s", release.version, error)
            return Outcome("check", release, done=False)
        if refused:
            logger.warning("release %s is refused: %s", release.version, refused)
            path.unlink(missing_ok=True)
        return Outcome("check", release, done=True, refused=refused)

    async def _install(self, release: Release) -> Outcome:
        logger.info("release %s: installing", release.version)
        path = self.path(release)

        def progress(percent: int) -> None:
            self.percent = percent

        try:
            wrong = await self._rauc.install(path, progress)
        except DeviceError as error:
            wrong = str(error)
        if wrong:
            logger.error("release %s: not installed: %s", release.version, wrong)
        path.unlink(missing_ok=True)
        return Outcome("install", release, done=not wrong)

    def _clear(self, but: Path) -> None:
        for other in self._place.glob("*.raucb"):
            if other != but:
                other.unlink(missing_ok=True)
