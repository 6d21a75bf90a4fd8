"""What checks and bundle are given to look around with: the box's files, its programs, its bus.

Everything read comes from below `root`, so that a test can put a whole machine into a directory.
Programs get a search path of their own for the same reason. What is read is limited in size and
time: a file that has no end or a program that hangs costs one check, not the process.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.host.daemons import SYSTEM_DIRECTORIES
from edgebox.host.program import end_program
from edgebox.support.heard import Heard

FILE_MAX = 256 * 1024
OUTPUT_MAX = 8 * 1024 * 1024
PROGRAM_S = 4.0


@dataclass(frozen=True)
class Said:
    """What a program said. `cut`: there was more than was wanted."""

    code: int
    output: bytes
    cut: bool = False

    @property
    def text(self) -> str:
        """What it wrote, bytes that are no UTF-8 replaced."""
        return self.output.decode(errors="replace")


@dataclass(frozen=True)
class Surroundings:
    """`search`: where programs are looked for; empty: where everyone does."""

    config: Config
    bus: Bus
    heard: Heard
    root: Path = Path("/")
    search: str = ""

    def path(self, name: str) -> Path:
        """Where the absolute path `name` lies."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """A small text file, stripped; None if it cannot be read."""
        try:
            with self.path(name).open("rb") as file:
                return file.read(FILE_MAX).decode(errors="replace").strip()
        except OSError:
            return None

    def read_number(self, name: str, base: int = 10) -> int | None:
        """The number a file holds; None if there is none."""
        text = self.read(name)
        try:
            return None if text is None else int(text, base)
        except ValueError:
            return None

    def glob(self, pattern: str) -> Iterator[str]:
        """Absolute names below `root` that match."""
        for path in sorted(self.root.glob(pattern.lstrip("/"))):
            yield "/" + str(path.relative_to(self.root))

    def find(self, program: str) -> str | None:
        """Full path of a program, if it is installed."""
        if self.search:
            return shutil.which(program, path=self.search)
        return shutil.which(program) or shutil.which(program, path=SYSTEM_DIRECTORIES)

    async def run(
        self, program: str, *words: str, limit_s: float = PROGRAM_S, most: int = OUTPUT_MAX
    ) -> Said | None:
        """What `program` writes, up to `most` bytes; None if it is not there or too slow."""
        path = self.find(program)
        if path is None:
            return None
        process = await asyncio.create_subprocess_exec(
            path,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
        )
        try:
            async with asyncio.timeout(limit_s):
                output, cut = await _read(process, most)
                code = -1 if cut else await process.wait()
        except TimeoutError:
            return None
        finally:
            await end_program(process)
        return Said(code, output, cut)


async def _read(process: asyncio.subprocess.Process, most: int) -> tuple[bytes, bool]:
    assert process.stdout is not None  # noqa: S101 - asked for a pipe
    found = bytearray()
    while chunk := await process.stdout.read(65_536):
        found += chunk
        if len(found) > most:
            return bytes(found[:most]), True
    return bytes(found), False
