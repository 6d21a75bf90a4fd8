"""RAUC: which systems there are, what is in a bundle, put one onto the system that does not run.

By its program, which speaks to its service over D-Bus; both are of Debian. rauc(1), and for the
JSON forms https://rauc.readthedocs.io, "Command line tool".
"""

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.host.program import end_program

SLOTS_MAX = 16
OUTPUT_MAX = 256 * 1024
ANSWER_S = 30.0
INSTALL_S = 3600.0
_PERCENT = re.compile(rb"^\s*(\d{1,3})%")


@dataclass(frozen=True)
class Slot:
    """One system that can be booted. `boot_status`: good or bad, by the boot loader."""

    name: str
    bootname: str
    booted: bool
    boot_status: str


@dataclass(frozen=True)
class Status:
    """`primary`: name of the slot that is booted next."""

    slots: tuple[Slot, ...]
    primary: str = ""

    @property
    def confirmed(self) -> bool | None:
        """Whether the running system is one the boot loader calls good; None: none runs."""
        booted = next((slot for slot in self.slots if slot.booted), None)
        return None if booted is None else booted.boot_status == "good"


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself; its signature was checked."""

    compatible: str
    version: str


class Rauc:
    """`arguments`: put before every command, such as --conf."""

    def __init__(self, program: str = "rauc", arguments: Sequence[str] = ()):
        self._program = program
        self._arguments = tuple(arguments)

    async def status(self) -> Status | None:
        """None: there is no RAUC here, or it does not answer."""
        try:
            code, output, _ = await self._run("status", "--output-format=json")
        except DeviceError:
            return None
        return parse_status(output) if code == 0 else None

    async def manifest(self, bundle: Path) -> Manifest | None:
        """None: not a bundle, or not signed by who is believed. Raises DeviceError without RAUC."""
        code, output, _ = await self._run("info", "--output-format=json", str(bundle))
        return parse_manifest(output) if code == 0 else None

    async def install(self, bundle: Path, progress: Callable[[int], None]) -> str:
        """Write it; `progress` gets percents. What went wrong, as RAUC says it; empty: nothing."""
        process = await self._start("install", str(bundle))
        assert process.stdout is not None  # noqa: S101 - asked for a pipe
        said = b""
        try:
            async with asyncio.timeout(INSTALL_S):
                async for line in process.stdout:
                    said = line if line.strip() else said
                    if found := _PERCENT.match(line):
                        progress(min(100, int(found[1])))
                code = await process.wait()
        except TimeoutError:
            return f"no end within {INSTALL_S:g} s"
        except ValueError:
            return "a line without end"
        finally:
            await end_program(process)
        return "" if code == 0 else said.decode(errors="replace").strip()[:200] or f"code {code}"

    async def mark(self, state: str, which: str = "booted") -> None:
        """`good`, `bad` or `active`. Raises DeviceError."""
        code, _, error = await self._run("status", f"mark-{state}", which)
        if code != 0:
            raise DeviceError(f"rauc status mark-{state}: {error.decode(errors='replace')[-200:]}")

    async def _run(self, *words: str) -> tuple[int, bytes, bytes]:
        process = await self._start(*words)
        try:
            async with asyncio.timeout(ANSWER_S):
                output, error = await process.communicate()
        except TimeoutError:
            raise DeviceError(f"rauc {words[0]}: no answer") from None
        finally:
            await end_program(process)
        return process.returncode or 0, output[:OUTPUT_MAX], error[-OUTPUT_MAX:]

    async def _start(self, *words: str) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                self._program,
                *self._arguments,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE
                if words[0] != "install"
                else asyncio.subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except OSError as error:
            raise DeviceError(f"{self._program}: {error.strerror}") from error


def parse_status(output: bytes) -> Status:
    """Raises RemoteProtocolError for what is no such status."""
    said = _object(output, "status")
    slots = said.get("slots")
    found = []
    for entry in slots[:SLOTS_MAX] if isinstance(slots, list) else []:
        for name, slot in entry.items() if isinstance(entry, dict) else ():
            if isinstance(slot, dict) and slot.get("bootname"):
                booted = slot.get("state") == "booted"
                status = str(slot.get("boot_status"))
                found.append(Slot(name, str(slot["bootname"]), booted, status))
    return Status(tuple(found), str(said.get("boot_primary")))


def parse_manifest(output: bytes) -> Manifest:
    """Raises RemoteProtocolError for what is no such answer."""
    said = _object(output, "manifest")
    compatible, version = said.get("compatible"), said.get("version")
    if not isinstance(compatible, str) or not isinstance(version, str):
        raise RemoteProtocolError("rauc: a manifest without compatible or version")
    return Manifest(compatible[:100], version[:100])


def _object(output: bytes, what: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(output, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"rauc: no {what}: {error}") from error
